// The answers of other steps, for the patient to check before they say that all is right.
import type { FacilityView, ReviewLine } from "../../generated/wire.ts";
import { type Flow, isEmpty, type Item, itemOf, picks, type Step } from "./flow.ts";
import type { Say } from "../words.ts";

/** One step and its answers, in order. */
export interface ReviewedStep {
  step: Step;
  lines: ReviewLine[];
}

export function byStep(flow: Flow, lines: readonly ReviewLine[]): ReviewedStep[] {
  return flow.steps
    .map((step) => ({ step, lines: lines.filter((line) => line.step_id === step.id) }))
    .filter((one) => one.lines.length > 0);
}

/** What the patient's screen shows there, made from the staff's view. */
export function reviewSeenByStaff(flow: Flow, view: FacilityView): ReviewLine[] {
  const steps = flow.steps.filter((step) => step.id !== view.step_id && view.steps[step.id]?.status !== "upcoming");
  return steps.flatMap((step) => {
    const here = new Set(allOf(step.items));
    const shown = view.enabled.filter((id) => here.has(itemOf(flow, id) as Item));
    return shown.flatMap((id) => lineOf(view, step.id, id));
  });
}

function lineOf(view: FacilityView, step_id: string, field_id: string): ReviewLine[] {
  const document = view.documents[field_id];
  if (document && document.status !== "missing") return [{ field_id, step_id, document: document.status }];
  const value = view.fields[field_id]?.value;
  return isEmpty(value) ? [] : [{ field_id, step_id, value }];
}

const allOf = (items: readonly Item[]): Item[] => items.flatMap((one) => [one, ...allOf(one.items)]);

/** What a question is called; in a repeating group with the number of its instance. */
export function labelOf(flow: Flow, fieldId: string, language: string | null, nameless = fieldId): string {
  const label = itemOf(flow, fieldId)?.text(language) || nameless;
  const numbers = [...fieldId.matchAll(/\[(\d+)\]/g)].map(([, n]) => Number(n) + 1);
  return numbers.length > 0 ? `${label} (${numbers.join(".")})` : label;
}

/** An answer in words. */
export function said(item: Item | undefined, value: unknown, say: Say, language: string | null): string {
  if (Array.isArray(value)) return value.map((one) => said(item, one, say, language)).join(", ");
  if (typeof value === "boolean") return say(value ? "yes" : "no");
  const option = item?.options?.find((one) => picks(one, value));
  if (option) return option.label(language);
  if (typeof value === "object" && value !== null) return saidObject(value as Record<string, unknown>, say);
  if (typeof value === "string") return item?.type === "date" ? day(value, language) : value;
  return [String(value), item?.unit?.label(language)].filter(Boolean).join(" ");
}

function saidObject(value: Record<string, unknown>, say: Say): string {
  if ("masked" in value) return say("masked", { n: Number(value["length"]) });
  const parts = ["value", "unit", "code", "display", "reference"].map((key) => [key, value[key]] as const);
  const known = new Map(parts.filter(([, part]) => ["string", "number"].includes(typeof part)).map(([key, part]) => [key, String(part)]));
  const number = known.get("value");
  if (number === undefined) return known.get("display") ?? known.get("code") ?? known.get("reference") ?? "";
  return [number, known.get("unit") ?? known.get("code")].filter(Boolean).join(" ");
}

/** A full date with its month by name, so that day and month cannot be taken for each other. */
function day(text: string, language: string | null): string {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return text;
  const date = new Date(`${text}T00:00:00Z`);
  return new Intl.DateTimeFormat(language ?? "en", { dateStyle: "long", timeZone: "UTC" }).format(date);
}
