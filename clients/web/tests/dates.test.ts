// Dates: asked in the language's order, read from their parts, said back in words.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  dateExample,
  dateInWords,
  isDate,
  joined,
  momentOf,
  orderOf,
  partialBy,
  partsOf,
  readDate,
  readMoment,
  timeInWords,
  withDatesInWords,
  writeMoment,
} from "../src/fields/dates.ts";

const WHOLE = { month: false, year: false };
const ANY = { month: true, year: true };

/** What a day, a month and a year are read as: a date, undefined for nothing, or the sentence's word. */
function read(day: string, month: string, year: string, partial = WHOLE, locale = "en"): unknown {
  const found = readDate({ day, month, year }, partial, locale);
  return "date" in found ? found.date : [found.word, ...Object.values(found.parts ?? {})].join(" ");
}

test("the parts are in the order of the language", () => {
  const orders = Object.fromEntries(["en", "en-US", "en-GB", "es", "es-MX", "fr", "de", "zh", "ar"].map((one) => [one, orderOf(one).join(" ")]));
  const [mdy, dmy, ymd] = ["month day year", "day month year", "year month day"];
  assert.deepEqual(orders, { en: mdy, "en-US": mdy, "en-GB": dmy, es: dmy, "es-MX": dmy, fr: dmy, de: dmy, zh: ymd, ar: dmy });
  assert.equal(dateExample("en"), "1 31 1980");
  assert.equal(dateExample("es"), "31 1 1980");
});

test("a whole date", () => {
  assert.equal(read("3", "2", "1980"), "1980-02-03");
  assert.equal(read(" 03", "02 ", "1980"), "1980-02-03");
  assert.equal(read("29", "2", "2024"), "2024-02-29");
  assert.equal(read("31", "12", "9999"), "9999-12-31");
  assert.equal(read("\u0663", "\u0662", "\u0661\u0669\u0668\u0660"), "1980-02-03", "in Arabic digits");
  assert.equal(read("", " ", "\u200b"), undefined);
});

test("what is missing is named", () => {
  assert.equal(read("", "2", "1980"), "dateNoDay");
  assert.equal(read("3", "", "1980"), "dateNoMonth");
  assert.equal(read("3", "2", ""), "dateNoYear");
  for (const [day, month, year] of [["3", "", ""], ["", "2", ""], ["", "", "1980"]] as const) {
    assert.equal(read(day, month, year), "dateParts");
  }
});

test("a year, or a month of a year, is a date where the question takes it", () => {
  assert.equal(read("", "", "1980", ANY), "1980");
  assert.equal(read("", "2", "1980", ANY), "1980-02");
  assert.equal(read("", "", "1980", { month: true, year: false }), "dateParts");
  assert.equal(read("3", "", "1980", ANY), "dateNoMonth");
  assert.equal(read("", "2", "", ANY), "dateParts");
});

test("what is no date has its sentence", () => {
  assert.equal(read("3", "2", "80"), "dateYear");
  assert.equal(read("3", "2", "0080"), "0080-02-03");
  assert.equal(read("3", "2", "0000"), "dateYear");
  assert.equal(read("3", "2", "19800"), "dateYear");
  assert.equal(read("3", "2", "198O"), "dateYear");
  assert.equal(read("3", "13", "1980"), "dateMonth");
  assert.equal(read("3", "0", "1980"), "dateMonth");
  assert.equal(read("3", "Feb", ""), "dateMonth");
  assert.equal(read("32", "1", "1980"), "dateDay");
  assert.equal(read("0", "1", "1980"), "dateDay");
  assert.equal(read("31", "2", "1980"), "dateImpossible February 1980 29");
  assert.equal(read("29", "2", "1900"), "dateImpossible February 1900 28");
  assert.equal(read("31", "4", "2023", WHOLE, "es"), "dateImpossible abril de 2023 30");
  assert.equal(read("80", "", ""), "dateDay", "what is wrong is said before what is missing");
});

test("a question's pattern says whether a partial date is taken", () => {
  assert.deepEqual(partialBy(null), ANY);
  assert.deepEqual(partialBy("\\d{4}-\\d{2}-\\d{2}"), WHOLE);
  assert.deepEqual(partialBy("[0-9]{4}"), { month: false, year: true });
  assert.deepEqual(partialBy("(?P<year>\\d+"), WHOLE, "where it cannot be read here");
});

test("parts are shown as they are typed, and go together again", () => {
  assert.deepEqual(partsOf("1980-02-03"), { year: "1980", month: "2", day: "3" });
  assert.deepEqual(partsOf("1980-02"), { year: "1980", month: "2", day: "" });
  assert.deepEqual(partsOf("1980"), { year: "1980", month: "", day: "" });
  assert.deepEqual(partsOf("22.11.2026"), { year: "22.11.2026", month: "", day: "" });
  for (const parts of [{ year: "80", month: "", day: "31" }, { year: "", month: "2", day: "" }, { year: "1980", month: "Feb", day: "" }]) {
    assert.deepEqual(partsOf(joined(parts)), parts);
  }
  assert.equal(joined({ year: " ", month: "", day: "" }), "");
  assert.equal(joined({ year: "-80", month: "2-", day: "3" }), "80-2-3");
});

test("a date is said with the month's name", () => {
  assert.equal(dateInWords("1980-01-31", "en"), "January 31, 1980");
  assert.equal(dateInWords("1980-01-31", "en-GB"), "31 January 1980");
  assert.equal(dateInWords("1980-01-31", "es"), "31 de enero de 1980");
  assert.equal(dateInWords("1980-01", "es"), "enero de 1980");
  assert.equal(dateInWords("1980", "en"), "1980");
  assert.equal(dateInWords("0080-01-31", "en"), "January 31, 80");
  assert.match(dateInWords("1980-01-31", "th"), /1980/, "by the Gregorian calendar");
  assert.equal(dateInWords("22.11.2026", "en"), "22.11.2026");
  assert.equal(withDatesInWords("Must be 1900-01-01 or later.", "en"), "Must be January 1, 1900 or later.");
  assert.ok(isDate("1980-02") && !isDate("1980-13") && !isDate("1980-02-31") && !isDate("x"));
});

test("a moment is a whole date with a time, on this machine's clock", () => {
  const parts = { day: "22", month: "11", year: "2026" };
  const found = readMoment(parts, "10:15", ANY, "en");
  assert.ok("date" in found && found.date !== undefined);
  assert.match(found.date, /^2026-11-22T10:15:00[+-]\d\d:\d\d$/);
  assert.deepEqual(momentOf(found.date), { date: "2026-11-22", time: "10:15" });
  assert.deepEqual(momentOf("2026-11-22"), { date: "2026-11-22", time: "" });
  assert.deepEqual(momentOf("2026-2-31T10:15"), { date: "2026-2-31", time: "10:15" }, "as it was typed");
  assert.deepEqual(readMoment(parts, "", ANY, "en"), { date: "2026-11-22" });
  assert.deepEqual(readMoment({ ...parts, day: "" }, "10:15", ANY, "en"), { word: "dateNoDay" });
  assert.deepEqual(readMoment({ day: "", month: "", year: "" }, "10:15", ANY, "en"), { word: "dateParts" });
  assert.equal(writeMoment({ date: "2026-11-22", time: "" }), "2026-11-22");
  assert.equal(timeInWords("21:30", "en").replace("\u202f", " "), "9:30 PM");
  assert.equal(timeInWords("21:30", "es"), "21:30");
});
