// Numbers as people write them: read as the form's language writes them, and said back in it.
// What could be two numbers is none: whoever typed it is told what to write.
import type { Sentence } from "../words.ts";
import { withPlainDigits } from "./locale.ts";

/** What a text says: a number, nothing, or what is wrong with it. */
export type NumberRead = { number: number | undefined } | Sentence;

interface Style {
  group: string;
  decimal: string;
}

/** A language whose countries do not agree: its own way is that of Spain, the other that of Mexico and the USA. */
const OTHER_WAY: Record<string, string> = { es: "es-419" };

/** More are not kept exactly as a JSON number (IEEE 754). */
const MOST_DIGITS = 15;

const SPACES = /[\s\u00a0\u2009\u202f'’]/g;
const WRITTEN = /^([+\-\u2212]?)([\d.,\u066b\u066c ]+)$/;

export function readNumber(text: string, locale: string, whole = false): NumberRead {
  const plain = withPlainDigits(text).replace(SPACES, " ").trim();
  if (plain === "") return { number: undefined };
  const [, sign = "", body = ""] = WRITTEN.exec(plain) ?? [];
  if (!/\d/.test(body)) return { word: "notANumber" };
  const readings = stylesOf(locale).map((style) => inStyle(body.trim(), style)).filter((one) => one !== null);
  const fitting = readings.filter((one) => !whole || isWhole(one));
  const [first, ...others] = [...new Set(fitting.map(Number))];
  if (first === undefined && whole && readings.some((one) => !looksGrouped(one))) return { word: "notWhole" };
  if (first === undefined || others.length > 0 || (!whole && mayBeDecimal(body, first))) return unclear(body, locale, whole);
  if (significant(body) > MOST_DIGITS) return { word: "numberLong" };
  return { number: sign === "" || sign === "+" || first === 0 ? first : -first };
}

/** A number as it is typed in that language, so that it is read as that number again. */
export function writeNumber(number: number, locale: string): string {
  const [style, ...others] = stylesOf(locale);
  const [whole = "", fraction] = String(number).split(".");
  if (fraction === undefined || style === undefined) return whole;
  const grouped = others.length > 0 && fraction.length === 3 && /^-?[1-9]\d{0,2}$/.test(whole);
  return `${whole}${style.decimal}${fraction}${grouped ? "0" : ""}`;
}

/** A number as that language says it, with its unit. */
export function numberInWords(number: number, unit: string, locale: string): string {
  const parts = new Intl.NumberFormat(locale, { maximumSignificantDigits: MOST_DIGITS }).formatToParts(number);
  // A thin space is no comma and no point to anybody.
  const group = locale in OTHER_WAY ? "\u202f" : null;
  const said = parts.map(({ type, value }) => (type === "group" && group !== null ? group : value)).join("");
  return unit ? `${said} ${unit}` : said;
}

/** From here on a number is said back, with its digits in groups. */
const LARGE = 1_000;

/** What is said back of a number even if it was typed as it is written. */
export function numberSaid(number: unknown, unit: string, locale: string): string {
  if (typeof number !== "number" || (unit === "" && Math.abs(number) < LARGE)) return "";
  return numberInWords(number, unit, locale);
}

function stylesOf(locale: string): Style[] {
  const other = OTHER_WAY[locale];
  return [locale, ...(other === undefined ? [] : [other])].map(styleOf);
}

function styleOf(locale: string): Style {
  const parts = new Intl.NumberFormat(locale, { numberingSystem: "latn" }).formatToParts(1_234_567.8);
  const find = (type: "group" | "decimal") => parts.find((part) => part.type === type)?.value ?? "";
  return { group: find("group").replace(SPACES, " "), decimal: find("decimal") };
}

/** The number in a style, as `digits.digits`; null where that style does not write it so. */
function inStyle(body: string, { group, decimal }: Style): string | null {
  const [whole = "", fraction = "", ...more] = body.replaceAll(decimal, "\u066b").split("\u066b");
  if (more.length > 0 || !/^\d*$/.test(fraction)) return null;
  const separator = [group, "\u066c", " "].find((one) => one !== "" && whole.includes(one));
  const digits = separator === undefined ? whole : withoutGroups(whole, separator);
  if (digits === null || !/^\d*$/.test(digits) || (digits === "" && fraction === "")) return null;
  return `${digits || "0"}.${fraction || "0"}`;
}

/** The digits, where each separator but the first group has three behind it. */
function withoutGroups(whole: string, separator: string): string | null {
  const [first = "", ...rest] = whole.split(separator);
  const right = /^[1-9]\d{0,2}$/.test(first) && rest.every((one) => /^\d{3}$/.test(one));
  return right ? first + rest.join("") : null;
}

/** Whether a number that is read as thousands, such as 1,500, would elsewhere be one with decimals. */
function mayBeDecimal(body: string, read: number): boolean {
  return /^[1-9]\d{0,2}[.,\u066b\u066c]\d{3}$/.test(body) && read === Number(body.replace(/\D/g, ""));
}

const fractionOf = (reading: string) => reading.split(".")[1] ?? "";
const looksGrouped = (reading: string) => fractionOf(reading).length === 3;
const isWhole = (reading: string) => /^0*$/.test(fractionOf(reading)) && !looksGrouped(reading);
const significant = (body: string) => body.replace(/\D/g, "").replace(/^0+/, "").length;

/** Which numbers it could be, each as it has to be written. */
function unclear(body: string, locale: string, whole: boolean): Sentence {
  const plain = Number(body.replace(/\D/g, ""));
  const decimal = asDecimal(body);
  const one = writeNumber(plain, locale);
  if (decimal === null || decimal === plain || (whole && !Number.isInteger(decimal))) return { word: "numberPlain", parts: { one } };
  return { word: "numberUnclear", parts: { one, other: writeNumber(decimal, locale) } };
}

/** The number, if its last separator is that of the decimals: no other is the same. */
function asDecimal(body: string): number | null {
  const [, before = "", separator = "", after = ""] = /^(.*)([.,\u066b\u066c])(\d*)$/.exec(body) ?? [];
  if (separator === "" || before.includes(separator)) return null;
  return Number(`${before.replace(/\D/g, "") || "0"}.${after || "0"}`);
}
