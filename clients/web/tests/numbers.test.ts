// Numbers: nothing that could be two of them is taken for one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { numberInWords, numberSaid, readNumber, writeNumber } from "../src/fields/numbers.ts";

/** What a text is read as: a number, undefined for nothing, or the sentence's word with its parts. */
function read(text: string, locale: string, whole = false): unknown {
  const found = readNumber(text, locale, whole);
  return "number" in found ? found.number : [found.word, ...Object.values(found.parts ?? {})].join(" ");
}

function each(locale: string, whole: boolean, cases: [string, unknown][]): void {
  for (const [text, expected] of cases) assert.equal(read(text, locale, whole), expected, `${locale} ${JSON.stringify(text)}`);
}

test("whole numbers in English", () => {
  each("en", true, [
    ["", undefined],
    ["  ", undefined],
    ["12", 12],
    ["12000", 12_000],
    ["12,000", 12_000],
    ["1,234,567", 1_234_567],
    ["12 000", 12_000],
    ["12'000", 12_000],
    ["7.0", 7],
    ["7.", 7],
    ["1.5", "notWhole"],
    ["12,00", "numberUnclear 1200 12"],
    ["1.500", "numberPlain 1500"],
    ["1.000", "numberUnclear 1000 1"],
    ["1,5", "numberPlain 15"],
    ["1234,567", "numberPlain 1234567"],
    ["0,500", "numberPlain 500"],
    ["12 00", "numberPlain 1200"],
    ["1,2,3", "numberPlain 123"],
  ]);
});

test("decimal numbers in English", () => {
  each("en", false, [
    ["1.5", 1.5],
    [".5", 0.5],
    ["5.", 5],
    ["1.500", 1.5],
    ["1,500", "numberUnclear 1500 1.5"],
    ["0.125", 0.125],
    ["1,234,567", 1_234_567],
    ["1,234.56", 1_234.56],
    ["1,5", "numberUnclear 15 1.5"],
    [",5", "numberUnclear 5 0.5"],
    ["12,", "numberPlain 12"],
    ["1.234,56", "numberUnclear 123456 1234.56"],
    ["1.234.567", "numberPlain 1234567"],
    ["1,2,3", "numberPlain 123"],
  ]);
});

test("numbers in Spanish, which has two ways to write them", () => {
  each("es", false, [
    ["1,5", 1.5],
    ["1,50", 1.5],
    ["1.5", 1.5],
    ["98.6", 98.6],
    ["1234,567", 1_234.567],
    ["0,500", 0.5],
    ["1,500", "numberUnclear 1500 1,5"],
    ["12.000", "numberUnclear 12000 12"],
    ["1.234,56", 1_234.56],
    ["1,234.56", 1_234.56],
    ["1,2345", 1.2345],
  ]);
  each("es", true, [
    ["12.000", 12_000],
    ["12,000", 12_000],
    ["12,00", 12],
    ["1,5", "notWhole"],
    ["12 000", 12_000],
  ]);
});

test("where a country is named, it has its own way alone", () => {
  each("es-ES", false, [["1,500", 1.5], ["1.500", "numberUnclear 1500 1,5"], ["1.5", "numberUnclear 15 1,5"]]);
  each("es-US", false, [["1,500", "numberUnclear 1500 1.5"], ["1,5", "numberUnclear 15 1.5"]]);
  each("fr", false, [["1 234,5", 1_234.5], ["1.5", "numberUnclear 15 1,5"]]);
  each("de", true, [["12.000", 12_000]]);
});

test("signs, zeros in front, and what is not a number", () => {
  each("en", false, [
    ["-5", -5],
    ["\u22125", -5],
    ["- 5", -5],
    ["+5", 5],
    ["-0", 0],
    ["007", 7],
    ["00", 0],
    ["5-", "notANumber"],
    ["--5", "notANumber"],
    ["1e3", "notANumber"],
    ["1E3", "notANumber"],
    ["0x10", "notANumber"],
    ["12 kg", "notANumber"],
    ["$12", "notANumber"],
    ["5%", "notANumber"],
    ["5\u00b2", "notANumber"],
    ["\u00bd", "notANumber"],
    ["twelve", "notANumber"],
    ["Infinity", "notANumber"],
    [".", "notANumber"],
    ["-", "notANumber"],
  ]);
});

test("digits of other scripts are digits", () => {
  each("ar", true, [["\u0661\u0662", 12], ["\u0661\u0662\u066c\u0660\u0660\u0660", 12_000], ["\u06f1\u06f2", 12]]);
  each("ar", false, [["\u0661\u066b\u0665", 1.5]]);
  each("en", true, [["\uff11\uff12", 12], ["\u200f12\u200e", 12], ["\u00a012\u200b", 12]]);
});

test("more digits than are kept are not taken", () => {
  each("en", false, [
    ["123456789012345", 123_456_789_012_345],
    ["1234567890123456", "numberLong"],
    ["0.1234567890123456", "numberLong"],
    ["000000000000000000012", 12],
  ]);
});

test("a number is written so that it is read as itself again", () => {
  for (const locale of ["en", "es", "es-ES", "es-US", "fr", "de", "ar", "vi", "hi"]) {
    for (const number of [0, 1, -1, 0.5, 1.5, -1.25, 1.234, 12.345, 123.456, 1_234.567, 0.123, 12_000, 1_234_567]) {
      assert.equal(read(writeNumber(number, locale), locale), number, `${locale} ${number}`);
    }
  }
});

test("what is suggested is read as the number that was meant", () => {
  for (const locale of ["en", "es", "es-US", "fr"]) {
    for (const text of ["1,500", "1.500", "1,5", "12,00", "1,234.567", "1.234,567", ",5", "1,23456"]) {
      for (const whole of [true, false]) {
        const found = readNumber(text, locale, whole);
        if ("number" in found) continue;
        for (const one of Object.values(found.parts ?? {})) assert.equal(typeof read(String(one), locale, whole), "number", `${locale} ${text}: ${one}`);
      }
    }
  }
});

test("a large number, and one with a unit, is said back", () => {
  assert.equal(numberSaid(12_000, "dollars a year", "en"), "12,000 dollars a year");
  assert.equal(numberSaid(12_000, "", "en"), "12,000");
  assert.equal(numberSaid(70.5, "kg", "es-ES"), "70,5 kg");
  assert.equal(numberSaid(999, "", "en"), "");
  assert.equal(numberSaid(undefined, "kg", "en"), "");
  assert.equal(numberInWords(12_000, "dólares al año", "es"), "12\u202f000 dólares al año");
  assert.equal(numberInWords(-1_500.25, "", "en"), "-1,500.25");
});
