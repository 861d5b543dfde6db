// A FHIR R4 Questionnaire as the pages show it. Which fields are on is the controller's to say.

type Json = Record<string, any>;

export interface Coding {
  code?: string;
  system?: string;
  display?: string;
}

export interface Option {
  /** What picking it enters. */
  value: unknown;
  label: (language: string | null) => string;
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
  text: (language: string | null) => string;
  prefix: string;
  help: Item[];
  required: boolean;
  repeats: boolean;
  readOnly: boolean;
  sensitive: boolean;
  /** A text to be read; or a question whose text is. */
  consent: boolean;
  signature: boolean;
  options: Option[] | null;
  open: boolean;
  control: string | null;
  horizontal: boolean;
  entryFormat: string | null;
  unit: Coding | null;
  unitOptions: Coding[];
  minValue: string | number | null;
  maxValue: string | number | null;
  maxOccurs: number | null;
  maxLength: number | null;
  mediaTypes: string[];
  maxSize: number | null;
  items: Item[];
}

export interface Step {
  id: string;
  title: (language: string | null) => string;
  skippable: boolean;
  items: Item[];
}

export interface Flow {
  ref: string;
  title: (language: string | null) => string;
  language: string | null;
  languages: string[];
  steps: Step[];
  byLinkId: Map<string, Item>;
}

const CORE = "http://hl7.org/fhir/StructureDefinition/";
const OURS = "urn:handrail:fhir:";
const HINTS = new Set(["help", "flyover", "unit", "lower", "upper"]);

function extensions(of: Json | undefined, url: string): Json[] {
  const all = of?.extension;
  return Array.isArray(all) ? all.filter((one: Json) => one?.url === url) : [];
}

function extensionValue(of: Json | undefined, url: string): any {
  const found = extensions(of, url)[0];
  const key = found && Object.keys(found).find((one) => one.startsWith("value"));
  return key ? found[key] : undefined;
}

const flag = (of: Json, url: string) => extensionValue(of, url) === true;

function codeOf(of: Json, url: string): string | null {
  const value = extensionValue(of, url);
  if (typeof value === "string") return value;
  const code = value?.coding?.[0]?.code;
  return typeof code === "string" ? code : null;
}

function numberOf(of: Json, url: string): number | null {
  const value = extensionValue(of, url);
  return typeof value === "number" ? value : null;
}

type Translations = Map<string, string>;

function translations(of: Json | undefined, key: string): Translations {
  const found: Translations = new Map();
  for (const one of extensions(of?.[`_${key}`], `${CORE}translation`)) {
    const language = extensionValue(one, "lang");
    const content = extensionValue(one, "content");
    if (typeof language === "string" && typeof content === "string") found.set(language, content);
  }
  return found;
}

function inLanguage(text: string, found: Translations) {
  return (language: string | null) =>
    language === null
      ? text
      : (found.get(language) ?? found.get(language.split("-")[0] ?? "") ?? text);
}

class Reading {
  readonly languages = new Set<string>();
  readonly byLinkId = new Map<string, Item>();
  constructor(private readonly contained: Map<string, Json>) {}

  noted(found: Translations): Translations {
    for (const language of found.keys()) this.languages.add(language);
    return found;
  }

  item(raw: Json): Item {
    const children: Item[] = (Array.isArray(raw.item) ? raw.item : []).map((one: Json) => this.item(one));
    const isHint = (one: Item) => one.type === "display" && HINTS.has(one.control ?? "");
    const read: Item = {
      linkId: String(raw.linkId),
      type: raw.type as Kind,
      text: inLanguage(String(raw.text ?? ""), this.noted(translations(raw, "text"))),
      prefix: String(raw.prefix ?? ""),
      help: raw.type === "group" ? [] : children.filter(isHint),
      required: raw.required === true,
      repeats: raw.repeats === true,
      readOnly: raw.readOnly === true,
      sensitive: flag(raw, `${OURS}sensitive`),
      consent: flag(raw, `${OURS}consent`),
      signature: extensions(raw, `${CORE}questionnaire-signatureRequired`).length > 0,
      options: this.options(raw),
      open: raw.type === "open-choice" || /OrString|OrType/.test(String(raw.answerConstraint ?? "")),
      control: codeOf(raw, `${CORE}questionnaire-itemControl`),
      horizontal: codeOf(raw, `${CORE}questionnaire-choiceOrientation`) === "horizontal",
      entryFormat: codeOf(raw, `${CORE}entryFormat`),
      unit: (extensionValue(raw, `${CORE}questionnaire-unit`) as Coding | undefined) ?? null,
      unitOptions: extensions(raw, `${CORE}questionnaire-unitOption`).map((one) => one.valueCoding ?? {}),
      minValue: extensionValue(raw, `${CORE}minValue`) ?? null,
      maxValue: extensionValue(raw, `${CORE}maxValue`) ?? null,
      maxOccurs: numberOf(raw, `${CORE}questionnaire-maxOccurs`),
      maxLength: typeof raw.maxLength === "number" ? raw.maxLength : null,
      mediaTypes: extensions(raw, `${CORE}mimeType`).map((one) => String(one.valueCode ?? one.valueString ?? "")),
      maxSize: numberOf(raw, `${CORE}maxSize`),
      items: raw.type === "group" ? children : children.filter((one) => !isHint(one)),
    };
    this.byLinkId.set(read.linkId, read);
    return read;
  }

  private options(raw: Json): Option[] | null {
    if (Array.isArray(raw.answerOption) && raw.answerOption.length > 0) {
      return raw.answerOption.map((one: Json) => this.option(one));
    }
    const set = this.contained.get(String(raw.answerValueSet ?? "").replace(/^#/, ""));
    const concepts = set === undefined ? null : conceptsOf(set);
    return concepts === null ? null : concepts.map(([system, concept]) => this.concept(system, concept));
  }

  private option(raw: Json): Option {
    const key = Object.keys(raw).find((one) => one.startsWith("value")) ?? "valueString";
    const value = raw[key];
    const object = typeof value === "object" && value !== null;
    const text = object ? String(value.display ?? value.code ?? value.reference ?? "") : String(value);
    const prefix = extensionValue(raw, `${CORE}questionnaire-optionPrefix`);
    return {
      value: key === "valueCoding" ? coding(value) : value,
      label: inLanguage(text, this.noted(object ? translations(value, "display") : translations(raw, key))),
      prefix: typeof prefix === "string" ? prefix : null,
      exclusive: flag(raw, `${CORE}questionnaire-optionExclusive`),
    };
  }

  private concept(system: string | undefined, raw: Json): Option {
    const found = translations(raw, "display");
    for (const one of Array.isArray(raw.designation) ? raw.designation : []) {
      if (one?.language && !found.has(one.language)) found.set(one.language, String(one.value));
    }
    const display = typeof raw.display === "string" ? raw.display : undefined;
    return {
      value: coding({ code: raw.code, system, display }),
      label: inLanguage(display ?? String(raw.code), this.noted(found)),
      prefix: null,
      exclusive: false,
    };
  }
}

function coding(value: Json): Coding {
  const { code, system, display } = value;
  return JSON.parse(JSON.stringify({ code, system, display }));
}

/** The concepts of a contained ValueSet; null where it does not spell them out. */
function conceptsOf(set: Json): [string | undefined, Json][] | null {
  if (Array.isArray(set.expansion?.contains)) return expanded(set.expansion.contains);
  const parts: Json[] = set.compose?.include ?? [];
  if (set.compose?.exclude || parts.some((part) => !Array.isArray(part.concept))) return null;
  return parts.flatMap((part) =>
    part.concept.map((one: Json): [string | undefined, Json] => [part.system, one]),
  );
}

function expanded(contains: Json[]): [string | undefined, Json][] {
  return contains.flatMap((one) => {
    const own: [string | undefined, Json][] =
      one.code && !one.abstract && !one.inactive ? [[one.system, one]] : [];
    return [...own, ...expanded(Array.isArray(one.contains) ? one.contains : [])];
  });
}

/** The language of the flow that serves who reads this one: `es` where that is `es-MX`. */
export function offeredLanguage(flow: Flow, language: string | null): string | null {
  if (language === null) return null;
  const wanted = [language, language.split("-")[0] ?? ""];
  return wanted.find((one) => flow.languages.includes(one)) ?? null;
}

export function readFlow(ref: string, raw: Json): Flow {
  const contained = new Map<string, Json>();
  for (const one of Array.isArray(raw.contained) ? raw.contained : []) contained.set(String(one?.id), one);
  const reading = new Reading(contained);
  const steps: Step[] = [];
  let loose = false;
  for (const one of Array.isArray(raw.item) ? raw.item : []) {
    const item = reading.item(one);
    const page = loose && item.type !== "group" ? steps.at(-1) : undefined;
    if (page) page.items.push(item);
    else steps.push({ id: item.linkId, title: titleOf(item), skippable: flag(one, `${OURS}skippable`), items: [item] });
    loose = item.type !== "group";
  }
  const languages = new Set([...(raw.language ? [String(raw.language)] : []), ...reading.languages]);
  return {
    ref,
    title: inLanguage(String(raw.title ?? raw.name ?? raw.id), reading.noted(translations(raw, "title"))),
    language: raw.language ?? null,
    languages: [...languages],
    steps,
    byLinkId: reading.byLinkId,
  };
}

function titleOf(item: Item) {
  return (language: string | null) => item.text(language) || item.linkId;
}

// -- field ids ---------------------------------------------------------------------------------

/** A field id is `{group}[{n}].{linkId}` inside repeating groups: this gives the item it names. */
export function itemOf(flow: Flow, fieldId: string): Item | undefined {
  const direct = flow.byLinkId.get(fieldId);
  if (direct) return direct;
  return flow.byLinkId.get(fieldId.replace(/^.*\[\d+\]\./s, "")) ??
    flow.byLinkId.get(fieldId.replace(/\[\d+\]$/, ""));
}

/** How many instances of a repeating group there are fields of. */
export function instancesIn(enabled: Iterable<string>, group: string): number {
  let count = 0;
  const opening = `${group}[`;
  for (const id of enabled) {
    if (!id.startsWith(opening)) continue;
    const number = Number.parseInt(id.slice(opening.length), 10);
    if (number >= count) count = number + 1;
  }
  return count;
}

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

export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === "string") return value.trim() === "";
  return Array.isArray(value) && value.length === 0;
}
