// What is wrong with a field, in the form's language.
import { type Item, listOf } from "../lib/flow.ts";
import { sentenceIn } from "../words.ts";
import { type DateRead, momentOf, partialBy, partsOf, readMoment, withDatesInWords } from "./dates.ts";
import { type NumberRead, readNumber } from "./numbers.ts";
import { localeOfSheet, type Sheet, valueOf } from "./sheet.ts";

/** As it is said at the field; nothing while the patient is still at it. */
export function problemOf(sheet: Sheet, item: Item, id: string): string | undefined {
  const said = sheet.hands ? sheet.hands.problem(id) : sheet.shown.fields[id]?.error;
  if (!said) return undefined;
  return wrongNow(sheet, item, id) ?? inFormsWords(sheet, said) ?? sentenceIn(sheet.language, withDatesInWords(said, localeOfSheet(sheet)));
}

/** Sentences of the form's constraints in the patient's language; undefined where it says anything else. */
export function inFormsWords({ flow, language }: Pick<Sheet, "flow" | "language">, said: string): string | undefined {
  const longestFirst = [...flow.constraints].sort(([one], [other]) => other.length - one.length);
  const words: string[] = [];
  let rest = said;
  while (rest) {
    const found = longestFirst.find(([sentence]) => rest === sentence || rest.startsWith(`${sentence} `));
    if (found === undefined) return undefined;
    words.push(found[1](language));
    rest = rest.slice(found[0].length + 1);
  }
  return words.join(" ");
}

/** Whether a question is answered with day, month and year. */
export const isDated = ({ type, options }: Item) => (type === "date" || type === "dateTime") && !options?.length;

/** What is wrong with what was typed, in the language of now; of a date that the controller holds too. */
function wrongNow(sheet: Sheet, item: Item, id: string): string | undefined {
  const typed = sheet.hands?.typed(id);
  const texts = typed === undefined ? (isDated(item) ? listOf(valueOf(sheet, id)) : []) : [typed];
  for (const text of texts) {
    const read = typeof text === "string" ? readAs(sheet, item, text) : null;
    if (read && "word" in read) return sheet.say(read.word, read.parts);
  }
  return undefined;
}

function readAs(sheet: Sheet, item: Item, text: string): DateRead | NumberRead | null {
  const locale = localeOfSheet(sheet);
  if (isNumber(item)) return readNumber(text, locale, item.type === "integer");
  if (!isDated(item)) return null;
  const { date, time } = momentOf(text);
  return readMoment(partsOf(date), item.type === "dateTime" ? time : "", partialBy(item.pattern), locale);
}

const isNumber = ({ type }: Item) => type === "integer" || type === "decimal" || type === "quantity";
