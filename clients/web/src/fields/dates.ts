// Dates as day, month and year: asked in the order of the form's language, and said back in words.
import type { Sentence, Word } from "../words.ts";
import { withPlainDigits } from "./locale.ts";

export type DatePart = "day" | "month" | "year";
/** As they are typed. */
export type DateParts = Record<DatePart, string>;

/** A date as FHIR writes it, undefined where nothing is typed, or what is wrong. */
export type DateRead = { date: string | undefined } | Sentence;

/** Which dates without a day, or without month and day, the question takes. */
export interface Shortened {
  month: boolean;
  year: boolean;
}

const NONE: DateParts = { day: "", month: "", year: "" };
const PARTS: readonly string[] = Object.keys(NONE);

/** The form's language may count the years otherwise; FHIR's dates are Gregorian. */
const GREGORIAN = { calendar: "gregory", timeZone: "UTC" } as const;

export function orderOf(locale: string): DatePart[] {
  const format = new Intl.DateTimeFormat(locale, { ...GREGORIAN, year: "numeric", month: "numeric", day: "numeric" });
  const types: string[] = format.formatToParts(0).map((part) => part.type);
  return types.filter((type): type is DatePart => PARTS.includes(type));
}

/** What the rules of a question take, by its pattern for the whole answer. */
export function partialBy(pattern: string | null): Shortened {
  return { month: fits(pattern, "1980-01"), year: fits(pattern, "1980") };
}

function fits(pattern: string | null, text: string): boolean {
  if (pattern === null) return true;
  try {
    return new RegExp(`^(?:${pattern})$`, "u").test(text);
  } catch {
    // Written for the controller, and read by it alone: then it asks for the whole date.
    return false;
  }
}

/** An example, in the language's order. */
export function dateExample(locale: string): string {
  const example: DateParts = { day: "31", month: "1", year: "1980" };
  return orderOf(locale).map((part) => example[part]).join(" ");
}

/** The parts of a date, or of what was typed for one. */
export function partsOf(date: string): DateParts {
  const [year = "", month = "", ...day] = date.split("-");
  return { year, month: withoutZero(month), day: withoutZero(day.join("-")) };
}

const withoutZero = (part: string) => part.replace(/^0(?=\d$)/, "");

/** What was typed, as one text: `partsOf` reads it. */
export function joined({ year, month, day }: DateParts): string {
  const plain = [year, month, day].map((part) => withPlainDigits(part).replaceAll("-", ""));
  return plain.every((part) => part === "") ? "" : plain.join("-");
}

export function readDate(typed: DateParts, partial: Shortened, locale: string): DateRead {
  const year = withPlainDigits(typed.year);
  const month = withPlainDigits(typed.month);
  const day = withPlainDigits(typed.day);
  if (year + month + day === "") return { date: undefined };
  const wrong = wrongPart(year, month, day) ?? missing(year, month, day, partial);
  if (wrong !== null) return { word: wrong };
  const date = [year, month.padStart(2, "0"), day.padStart(2, "0")].slice(0, day ? 3 : month ? 2 : 1).join("-");
  const most = day ? daysIn(Number(year), Number(month)) : 0;
  if (Number(day) <= most || day === "") return { date };
  return { word: "dateImpossible", parts: { month: dateInWords(date.slice(0, 7), locale), n: most } };
}

function wrongPart(year: string, month: string, day: string): Word | null {
  if (month && !isWithin(month, 12)) return "dateMonth";
  if (day && !isWithin(day, 31)) return "dateDay";
  return year && !/^(?!0000)\d{4}$/.test(year) ? "dateYear" : null;
}

const isWithin = (part: string, most: number) => /^\d{1,2}$/.test(part) && Number(part) >= 1 && Number(part) <= most;

function missing(year: string, month: string, day: string, partial: Shortened): Word | null {
  if (year && month && day) return null;
  if (year && !day && (month ? partial.month : partial.year)) return null;
  if ([year, month, day].filter(Boolean).length < 2) return "dateParts";
  return year ? (month ? "dateNoDay" : "dateNoMonth") : "dateNoYear";
}

/** The last day of a month; a year of less than 100 is not of the last century. */
function daysIn(year: number, month: number): number {
  return dayOf(year, month + 1, 0).getUTCDate();
}

function dayOf(year: number, month: number, day: number): Date {
  const made = new Date(0);
  made.setUTCFullYear(year, month - 1, day);
  return made;
}

/** Whether a text is a date as FHIR writes it, in part or whole. */
export function isDate(text: string): boolean {
  const read = /^\d{4}(-\d\d){0,2}$/.test(text) ? readDate(partsOf(text), { month: true, year: true }, "en") : null;
  return read !== null && "date" in read;
}

/** A date with the month's name, a partial one with what it has; anything else as it is. */
export function dateInWords(date: string, locale: string): string {
  if (!isDate(date)) return date;
  const [year = 0, month, day] = date.split("-").map(Number);
  return new Intl.DateTimeFormat(locale, {
    ...GREGORIAN,
    year: "numeric",
    ...(month !== undefined && { month: "long" }),
    ...(day !== undefined && { day: "numeric" }),
  }).format(dayOf(year, month ?? 1, day ?? 1));
}

/** The dates in a sentence of the controller's, in words. */
export function withDatesInWords(sentence: string, locale: string): string {
  return sentence.replace(/\b\d{4}-\d\d-\d\d\b/g, (date) => dateInWords(date, locale));
}

// -- date and time -----------------------------------------------------------------------------

export interface Moment {
  date: string;
  /** `HH:MM`, empty where there is none. */
  time: string;
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** A FHIR dateTime on this machine's clock, or what was typed for one. */
export function momentOf(value: string): Moment {
  const at = new Date(INSTANT.test(value) ? value : NaN);
  const [date = "", time = ""] = value.split("T");
  if (Number.isNaN(at.getTime())) return { date, time };
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString();
  return { date: local.slice(0, 10), time: local.slice(11, 16) };
}

/** That moment as FHIR writes it, with the offset that this machine has then; a date alone stays one. */
export function writeMoment({ date, time }: Moment): string {
  if (time === "") return date;
  const minutes = -new Date(`${date}T${time}`).getTimezoneOffset();
  const two = (number: number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
  return `${date}T${time.slice(0, 5)}:00${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

/** With a time, the date has to be whole. */
export function readMoment(parts: DateParts, time: string, partial: Shortened, locale: string): DateRead {
  const whole = time === "" ? partial : { month: false, year: false };
  const read = readDate(parts, whole, locale);
  if ("word" in read || time === "") return read;
  return read.date === undefined ? { word: "dateParts" } : { date: writeMoment({ date: read.date, time }) };
}

export function timeInWords(time: string, locale: string): string {
  if (!/^\d\d:\d\d/.test(time)) return time;
  return new Intl.DateTimeFormat(locale, { timeStyle: "short", timeZone: "UTC" }).format(new Date(`1970-01-01T${time.slice(0, 5)}Z`));
}
