// A FHIR R4 Questionnaire as the pages show it, read as the box reads it (schemas/): golden files
// hold the two together. Which fields are on is the controller's to say.

import type { FacilityView } from "../../generated/wire.ts";
import { present } from "./present.ts";

type Json = Record<string, unknown>;

export interface Coding {
  code?: string;
  system?: string;
  display?: string;
}

/** In a language, or null for as it is written. */
export type Text = (language: string | null) => string;

export interface Unit {
  coding: Coding;
  label: Text;
}

export interface Option {
  /** What picking it enters. */
  value: unknown;
  label: Text;
  prefix: string | null;
  exclusive: boolean;
}

export type Kind =
  | "group"
  | "display"
  | "boolean"
  | "decimal"
  | "integer"
  | "date"
  | "dateTime"
  | "time"
  | "string"
  | "text"
  | "url"
  | "choice"
  | "open-choice"
  | "attachment"
  | "reference"
  | "quantity";

export interface Item {
  linkId: string;
  type: Kind;
  text: Text;
  /** The same words with the form's formatting, where there is any: XHTML. */
  rich: (language: string | null) => string | null;
  prefix: string;
  /** Display items that say more of a question, or of its unit. */
  help: Item[];
  required: boolean;
  repeats: boolean;
  readOnly: boolean;
  /** A text to be read; or a question whose text is. */
  consent: boolean;
  signature: boolean;
  /** A group or a text that shows the answers of the other steps. */
  review: boolean;
  options: Option[] | null;
  open: boolean;
  control: string | null;
  horizontal: boolean;
  entryFormat: string | null;
  /** What an answer has to match, as the controller reads it. */
  pattern: string | null;
  /** The element of a FHIR resource that the answer becomes. */
  definition: string | null;
  unit: Unit | null;
  unitOptions: Unit[];
  mediaTypes: string[];
  maxSize: number | null;
  items: Item[];
}

export interface Step {
  id: string;
  /** By what is on, where that is known: the first of its items that is shown names it. */
  title: (language: string | null, shown?: readonly string[]) => string;
  skippable: boolean;
  items: Item[];
}

export interface Flow {
  ref: string;
  title: Text;
  language: string | null;
  languages: string[];
  steps: Step[];
  byLinkId: Map<string, Item>;
  /** The questions that ask for a part of the patient's name, by linkId. */
  nameParts: Map<string, NamePart>;
  /** The sentences of the form's constraints, as they are written. */
  constraints: Map<string, Text>;
}

export type NamePart = "given" | "family" | "text";

const CORE = "http://hl7.org/fhir/StructureDefinition/";
const SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/";
const OURS = "urn:handrail:fhir:";
const HINTS = new Set(["help", "flyover", "unit", "lower", "upper"]);
const WITHOUT_OPTIONS = new Set<Kind>(["group", "display", "attachment"]);

// -- JSON --------------------------------------------------------------------------------------

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

function objectIn(of: Json | null, key: string): Json | null {
  const value = of?.[key];
  return isObject(value) ? value : null;
}

function objectsIn(of: Json | null, key: string): Json[] {
  const value = of?.[key];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function textIn(of: Json | null, key: string): string | null {
  const value = of?.[key];
  return typeof value === "string" ? value : null;
}

/** The key of FHIR's `value[x]`. */
function valueKey(of: Json): string | null {
  return Object.keys(of).find((key) => key.startsWith("value") && of[key] !== null) ?? null;
}

// -- extensions --------------------------------------------------------------------------------

function extensionsOf(of: Json | null, url: string): Json[] {
  return objectsIn(of, "extension").filter((one) => one["url"] === url);
}

/** The values of the extensions with that URL that bear one. */
function extensionValues(of: Json | null, url: string): unknown[] {
  return extensionsOf(of, url).flatMap((one) => {
    const key = valueKey(one);
    return key === null ? [] : [one[key]];
  });
}

const flagOf = (of: Json, url: string) => extensionValues(of, url)[0] === true;

function textOf(of: Json | null, url: string): string | null {
  const value = extensionValues(of, url)[0];
  return typeof value === "string" ? value : null;
}

function numberOf(of: Json, url: string): number | null {
  const value = extensionValues(of, url)[0];
  return typeof value === "number" ? value : null;
}

/** The first code of a CodeableConcept. */
function codeOf(of: Json, url: string): string | null {
  const value = extensionValues(of, url)[0];
  return isObject(value) ? textIn(objectsIn(value, "coding")[0] ?? null, "code") : null;
}

function unitsOf(of: Json, url: string): Unit[] {
  return extensionValues(of, url).filter(isObject).map((unit) => ({
    coding: coding(unit),
    label: inLanguage(nameOf(unit), translations(unit, "display")),
  }));
}

export function unitName(unit: Unit | null | undefined, language: string | null): string {
  return unit?.label(language) ?? "";
}

function coding(of: Json): Coding {
  const parts = (["code", "system", "display"] as const).map((key) => [key, textIn(of, key)] as const);
  return Object.fromEntries(parts.filter(([, text]) => text !== null));
}

// -- languages ---------------------------------------------------------------------------------

type Translations = Map<string, string>;

function translations(of: Json | null, key: string): Translations {
  const found: Translations = new Map();
  for (const one of extensionsOf(objectIn(of, `_${key}`), `${CORE}translation`)) {
    const [language, content] = [textOf(one, "lang"), textOf(one, "content")];
    if (language && content) found.set(language, content);
  }
  return found;
}

function inLanguage(text: string, found: Translations): Text {
  return (language) =>
    language === null ? text : found.get(language) || found.get(language.split("-")[0] ?? "") || text;
}

// -- reading -----------------------------------------------------------------------------------

/** An item, what names it as a step, and the languages that it comes in. */
interface Read {
  item: Item;
  title: Text;
  hidden: boolean;
  languages: string[];
  /** What is read of the items below, in order. */
  below: Read[];
}

class Reading {
  readonly byLinkId = new Map<string, Item>();
  readonly nameParts = new Map<string, NamePart>();
  readonly constraints = new Map<string, Text>();
  private readonly contained: Map<string, Json>;

  constructor(contained: Map<string, Json>) {
    this.contained = contained;
  }

  item(raw: Json): Read {
    const linkId = String(raw["linkId"]);
    const type = raw["type"] as Kind;
    const written = translations(raw, "text");
    const consent = flagOf(raw, `${OURS}consent`);
    const signature = !consent && extensionsOf(raw, `${CORE}questionnaire-signatureRequired`).length > 0;
    const whole = (one: string) => (consent || signature ? withDocuments(one, this.contained) : withoutLinks(one));
    const text = whole(textIn(raw, "text") ?? "");
    const found: Translations = new Map([...written].map(([language, one]) => [language, whole(one)]));
    const options = WITHOUT_OPTIONS.has(type) ? null : this.options(raw);
    const below = objectsIn(raw, "item").map((one) => this.item(one));
    const children = below.map((one) => one.item);
    const item: Item = {
      linkId,
      type,
      text: inLanguage(text, found),
      rich: consent || signature ? () => null : formatted(raw, inLanguage(text, found)),
      prefix: textIn(raw, "prefix") ?? "",
      help: type === "group" ? [] : children.filter(isHint),
      required: isRequired(raw, consent, signature),
      repeats: raw["repeats"] === true,
      readOnly: raw["readOnly"] === true,
      consent,
      signature,
      review: flagOf(raw, `${OURS}review`) && (type === "group" || type === "display"),
      options: options?.map(([option]) => option) ?? null,
      open: type === "open-choice" || ["optionsOrString", "optionsOrType"].includes(textIn(raw, "answerConstraint") ?? ""),
      control: codeOf(raw, `${CORE}questionnaire-itemControl`),
      horizontal: textOf(raw, `${CORE}questionnaire-choiceOrientation`) === "horizontal",
      entryFormat: textOf(raw, `${CORE}entryFormat`),
      pattern: textOf(raw, `${CORE}regex`),
      definition: textIn(raw, "definition"),
      unit: unitsOf(raw, `${CORE}questionnaire-unit`)[0] ?? null,
      unitOptions: unitsOf(raw, `${CORE}questionnaire-unitOption`),
      mediaTypes: extensionValues(raw, `${CORE}mimeType`).filter((one) => typeof one === "string"),
      maxSize: numberOf(raw, `${CORE}maxSize`),
      items: type === "group" ? children : children.filter((one) => !isHint(one)),
    };
    this.byLinkId.set(linkId, item);
    this.learnConstraints(raw);
    const part = namePart(raw, linkId);
    if (part) this.nameParts.set(linkId, part);
    return {
      item,
      title: inLanguage(text || hintOf(children, "flyover") || hintOf(children, "help"), found),
      hidden: flagOf(raw, `${CORE}questionnaire-hidden`),
      below,
      languages: [found, ...(options ?? []).map(([, texts]) => texts)]
        .flatMap((texts) => [...texts.keys()])
        .concat(below.flatMap((one) => one.languages)),
    };
  }

  learnConstraints(of: Json): void {
    for (const url of [`${CORE}questionnaire-constraint`, `${SDC}targetConstraint`]) {
      for (const one of extensionsOf(of, url)) {
        const human = extensionsOf(one, "human")[0] ?? {};
        const key = valueKey(human) ?? "";
        const said = textIn(human, key);
        if (said) this.constraints.set(said, inLanguage(said, translations(human, key)));
      }
    }
  }

  /** The permitted answers with what they are called in other languages; null where these are not known. */
  private options(raw: Json): [Option, Translations][] | null {
    const listed = objectsIn(raw, "answerOption").map(option);
    if (listed.length > 0) return listed;
    const set = this.contained.get((textIn(raw, "answerValueSet") ?? "").split("|")[0] ?? "");
    if (set?.["resourceType"] !== "ValueSet") return null;
    const concepts = conceptsOf(set).map(([system, one]) => concept(system, one));
    return concepts.length > 0 ? concepts : null;
  }
}

/** By what the question is defined as; else, where its form has a mapping, by how it is called. */
function namePart(raw: Json, linkId: string): NamePart | null {
  const defined = /#Patient\.name(?::\w+)?\.(given|family|text)$/.exec(textIn(raw, "definition") ?? "")?.[1];
  if (defined) return defined as NamePart;
  if (/(^|[-_.])(first|given|middle)[-_.]?name$/i.test(linkId)) return "given";
  if (/(^|[-_.])(last|family)[-_.]?name$|(^|[-_.])surname$/i.test(linkId)) return "family";
  return /(^|[-_.])full[-_.]?name$/i.test(linkId) ? "text" : null;
}

const isHint = (item: Item) => item.type === "display" && HINTS.has(item.control ?? "");

function hintOf(items: Item[], control: string): string {
  const found = items.filter((one) => one.type === "display" && one.control === control);
  return found.map((one) => one.text(null)).filter(Boolean).join("\n");
}

/** FHIR forbids `required` on display items, where a text to read and a signature imply it. */
function isRequired(raw: Json, consent: boolean, signature: boolean): boolean {
  if (raw["type"] === "display") return consent || signature;
  return signature ? raw["required"] !== false : raw["required"] === true;
}

function option(raw: Json): [Option, Translations] {
  const key = valueKey(raw) ?? "valueString";
  const value = raw[key];
  const inner = isObject(value) ? value : null;
  const found = inner ? translations(inner, "display") : translations(raw, key);
  const prefix = `${CORE}questionnaire-optionPrefix`;
  const made: Option = {
    value: inner ? (key === "valueReference" ? reference(inner) : coding(inner)) : value,
    label: inLanguage(inner ? nameOf(inner) : String(value), found),
    prefix: textOf(raw, prefix) ?? textOf(inner, prefix),
    exclusive: flagOf(raw, `${CORE}questionnaire-optionExclusive`),
  };
  return [made, found];
}

const nameOf = (of: Json) => textIn(of, "display") || textIn(of, "code") || textIn(of, "reference") || "";

function reference(of: Json): Json {
  const display = textIn(of, "display");
  return { reference: of["reference"], ...(display && { display }) };
}

function concept(system: string | null, raw: Json): [Option, Translations] {
  const found = translations(raw, "display");
  for (const one of objectsIn(raw, "designation")) {
    const [language, text] = [textIn(one, "language"), textIn(one, "value")];
    if (language && text && !found.has(language)) found.set(language, text);
  }
  const value = coding({ ...raw, system });
  return [{ value, label: inLanguage(nameOf(raw), found), prefix: null, exclusive: false }, found];
}

/** The concepts of a contained ValueSet with their systems; none where it does not spell them out. */
function conceptsOf(set: Json): [string | null, Json][] {
  const contains = objectsIn(objectIn(set, "expansion"), "contains");
  if (contains.length > 0) return expanded(contains);
  const compose = objectIn(set, "compose");
  const parts = objectsIn(compose, "include");
  if (objectsIn(compose, "exclude").length > 0 || parts.some((part) => objectsIn(part, "concept").length === 0)) return [];
  return parts.flatMap((part) => objectsIn(part, "concept").map((one): [string | null, Json] => [textIn(part, "system"), one]));
}

function expanded(contains: Json[]): [string | null, Json][] {
  return contains.flatMap((one) => {
    const selectable = textIn(one, "code") && one["abstract"] !== true && one["inactive"] !== true;
    const own: [string | null, Json][] = selectable ? [[textIn(one, "system"), one]] : [];
    return [...own, ...expanded(objectsIn(one, "contains"))];
  });
}

export function readFlow(ref: string, raw: Json): Flow {
  const reading = new Reading(containedIn(raw));
  reading.learnConstraints(raw);
  const pages: { read: Read[]; skippable: boolean }[] = [];
  const titles = translations(raw, "title");
  const language = textIn(raw, "language");
  const languages = new Set(language ? [language, ...titles.keys()] : titles.keys());
  const top = objectsIn(raw, "item");
  let loose = false;
  for (const one of top) {
    const read = reading.item(one);
    read.languages.forEach((found) => languages.add(found));
    // A group that is too long for a page, or whose groups are pages, is divided at its own items.
    const parts = isDivided(one, top) ? objectsIn(one, "item").map((raw, index) => [raw, present(read.below[index])] as const) : [[one, read] as const];
    for (const [part, found] of parts) {
      const isLoose = found.item.type !== "group";
      const page = loose && isLoose ? pages.at(-1) : undefined;
      if (page) page.read.push(found);
      else pages.push({ read: [found], skippable: flagOf(part, `${OURS}skippable`) });
      loose = isLoose;
    }
    if (parts.length > 1) loose = false;
  }
  const title = textIn(raw, "title") || textIn(raw, "name") || textIn(raw, "id") || "";
  return { ref, title: inLanguage(title, titles), language, languages: [...languages], steps: pages.map(stepFrom), byLinkId: reading.byLinkId, nameParts: reading.nameParts, constraints: reading.constraints };
}

const MOST_ON_A_PAGE = 40;
const isGroup = (one: Json) => one["type"] === "group";

function isDivided(group: Json, top: readonly Json[]): boolean {
  const groups = objectsIn(group, "item").filter(isGroup);
  if (!isGroup(group) || group["repeats"] === true || groups.length === 0 || flagOf(group, `${OURS}consent`)) return false;
  if (groups.some((one) => codeOf(one, `${CORE}questionnaire-itemControl`) === "page")) return true;
  const others = top.filter((one) => one["type"] !== "display");
  return others.length === 1 && groups.length > 1 && questionsIn(group) > MOST_ON_A_PAGE;
}

function questionsIn(above: Json): number {
  const asks = above["type"] !== "group" && above["type"] !== "display" ? 1 : 0;
  return objectsIn(above, "item").reduce((sum, one) => sum + questionsIn(one), asks);
}

function stepFrom({ read, skippable }: { read: Read[]; skippable: boolean }, index: number): Step {
  const named = (language: string | null) => `${language?.split("-")[0] === "es" ? "Paso" : "Step"} ${index + 1}`;
  const first = present(read.find((one) => !one.hidden) ?? read[0]);
  return {
    id: present(read[0]).item.linkId,
    title: (language, shown) => (read.find((one) => shown?.includes(one.item.linkId)) ?? first).title(language) || named(language),
    skippable,
    items: read.map((one) => one.item),
  };
}

/** The contained resources, by what may refer to them: `#id`, or their url. */
function containedIn(raw: Json): Map<string, Json> {
  const found = new Map<string, Json>();
  for (const one of objectsIn(raw, "contained")) {
    const [id, url] = [textIn(one, "id"), textIn(one, "url")];
    if (id) found.set(`#${id}`, one);
    if (url) found.set(url, one);
  }
  return found;
}

const LINK = /\[([^\]\n]*)\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"\n]*")?\s*\)/g;

/** The titles of links alone: nobody can follow them. */
const withoutLinks = (text: string) => text.replace(LINK, "$1");

/** The formatting that the box has made safe, in the language that the text was written in. */
function formatted(raw: Json, text: Text): (language: string | null) => string | null {
  const xhtml = textOf(objectIn(raw, "_text"), `${CORE}rendering-xhtml`);
  return (language) => (text(language) === text(null) ? xhtml : null);
}

/** A text with the words of the contained documents that it points to, as the box reads it. */
function withDocuments(text: string, contained: Map<string, Json>): string {
  const documents = new Map<string, string>();
  const replaced = text.replace(LINK, (link: string, title: string, target: string) => {
    const words = wordsOf(contained.get(target));
    if (words === null) return link;
    documents.set(target, words);
    return title;
  });
  return [replaced, ...documents.values()].join("\n\n");
}

function wordsOf(resource: Json | undefined): string | null {
  const kind = resource?.["resourceType"];
  const parts = kind === "DocumentReference" ? objectsIn(resource ?? null, "content").map((one) => objectIn(one, "attachment")) : [];
  for (const part of kind === "Binary" ? [resource ?? null] : parts) {
    const type = (textIn(part, "contentType") ?? "").split(";")[0]?.trim().toLowerCase();
    if (type !== "text/plain" && type !== "text/markdown") continue;
    const bytes = Uint8Array.from(atob(textIn(part, "data") ?? ""), (one) => one.charCodeAt(0));
    const words = new TextDecoder().decode(bytes).replaceAll("\r\n", "\n").trim();
    if (words) return words;
  }
  return null;
}

/** The language of the flow that serves who reads this one: `es` where that is `es-MX`. */
export function offeredLanguage(flow: Flow, language: string | null): string | null {
  if (language === null) return null;
  const wanted = [language, language.split("-")[0] ?? ""];
  return wanted.find((one) => flow.languages.includes(one)) ?? null;
}

/** The text that a signature binds: what is to be read on its step, where it is on, and its own. */
export function signedText(flow: Flow, enabled: string[], fieldId: string, language: string | null): string {
  const items = enabled.map((id) => itemOf(flow, id)).filter((item) => item !== undefined);
  const consents = items.filter((item) => item.consent).map((item) => item.text(language));
  return [...consents, itemOf(flow, fieldId)?.text(language) ?? ""].join("\n\n");
}

// -- field ids ---------------------------------------------------------------------------------

/** A field id is `{group}[{n}].{linkId}` inside repeating groups: this gives the item it names. */
export function itemOf(flow: Flow, fieldId: string): Item | undefined {
  const direct = flow.byLinkId.get(fieldId);
  if (direct) return direct;
  return flow.byLinkId.get(fieldId.replace(/^.*\[\d+\]\./s, "")) ??
    flow.byLinkId.get(fieldId.replace(/\[\d+\]$/, ""));
}

/** All items of a step, at any depth. */
export const allOf = (items: Item[]): Item[] => items.flatMap((one) => [one, ...allOf(one.items)]);

/** The step that a field is on. */
export function stepOf(flow: Flow, fieldId: string): Step | undefined {
  const item = itemOf(flow, fieldId);
  return flow.steps.find((step) => item && allOf(step.items).includes(item));
}

/** The steps that there are now, in order: what shows nothing is none. */
export const stepsOn = (flow: Flow, view: FacilityView): Step[] => flow.steps.filter((step) => view.steps[step.id] !== undefined);

/** Whether a value is the one that an option enters. */
export function picks(option: Option, value: unknown): boolean {
  const mine = option.value;
  if (typeof mine === "object" && mine !== null && typeof value === "object" && value !== null) {
    const [one, other] = [mine as Json, value as Json];
    if (one.reference || other.reference) return one.reference === other.reference;
    if (one.code || other.code) {
      return one.code === other.code && (!one.system || !other.system || one.system === other.system);
    }
    return one.display === other.display;
  }
  return mine === value;
}

/** The item with the answers that the controller permits now; as it is, where its form alone says which. */
export function withOptions(item: Item, permitted: readonly unknown[] | null | undefined): Item {
  if (!permitted) return item;
  return { ...item, options: permitted.map((value) => item.options?.find((one) => picks(one, value)) ?? optionOf(value)) };
}

function optionOf(value: unknown): Option {
  const label = isObject(value) ? nameOf(value) : String(value);
  return { value, label: () => label, prefix: null, exclusive: false };
}

export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === "string") return value.trim() === "";
  return Array.isArray(value) && value.length === 0;
}

/** The answers of a question that takes several. */
export function listOf(value: unknown): unknown[] {
  if (isEmpty(value)) return [];
  return Array.isArray(value) ? (value as unknown[]) : [value];
}
