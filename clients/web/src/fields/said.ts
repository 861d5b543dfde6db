// What was understood of an answer, said back in the form's language.
import type { Item, Unit } from "../lib/flow.ts";
import { unitName } from "../lib/flow.ts";
import type { Say } from "../words.ts";
import { dateInWords, isDate, momentOf, timeInWords } from "./dates.ts";
import { numberSaid } from "./numbers.ts";
import { localeOfSheet, type Sheet } from "./sheet.ts";

/** A value as a person wrote it. */
export const asText = (value: unknown): string => {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value !== "object") return JSON.stringify(value);
  const { display, reference, code } = value as Partial<Record<string, string>>;
  return display ?? reference ?? code ?? "";
};

/** The units that a quantity may have. */
export const unitsOf = ({ unit, unitOptions }: Item): Unit[] => (unitOptions.length > 0 ? unitOptions : unit ? [unit] : []);

/** A quantity is an object in FHIR; a bare number is one too. */
export function quantityIn(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : { value };
}

export function unitOf(item: Item, value: unknown): Unit | undefined {
  const { code, unit } = quantityIn(value);
  return unitsOf(item).find(({ coding }) => coding.code === code || coding.display === unit);
}

/** Empty where the answer says itself what it is. */
export function saidBack(sheet: Sheet, item: Item, value: unknown): string {
  const locale = localeOfSheet(sheet);
  switch (item.type) {
    case "integer":
    case "decimal":
      return numberSaid(value, unitName(item.unit, sheet.language), locale);
    case "quantity":
      return numberSaid(quantityIn(value).value, unitName(unitOf(item, value), sheet.language), locale);
    case "date":
    case "dateTime":
      return typeof value === "string" ? dateSaid(value, sheet.say, locale) : "";
    default:
      return "";
  }
}

/** A date in words; where a part of it was left out, that too. */
function dateSaid(value: string, say: Say, locale: string): string {
  const { date, time } = momentOf(value);
  if (!isDate(date)) return "";
  const said = dateInWords(date, locale);
  if (date.length < 10) return say(date.length === 4 ? "dateOnlyYear" : "dateOnlyMonth", { date: said });
  return time ? `${said}, ${timeInWords(time, locale)}` : said;
}
