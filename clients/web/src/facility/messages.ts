// The staff's page in the staff's language. Each language is a file in `messages/`; one that is added
// there is offered without a change of code. English is the reference, and what others lack.
import { computed, signal } from "@preact/signals";
import { IntlMessageFormat } from "intl-messageformat";
import { deviceStorage } from "../lib/storage.ts";
import { directionOf } from "../words.ts";
import { boxWords, type Catalogue } from "./box-words.ts";
import en from "./messages/en.json";

export type Message = keyof typeof en;
export type Parts = Record<string, string | number>;
export type Translate = (message: Message, parts?: Parts) => string;

const files = import.meta.glob<Catalogue>(["./messages/*.json", "!./messages/en.json"], { import: "default" });
const tagOf = (file: string) => file.replace(/^.*\/|\.json$/g, "");

/** The languages that the page comes in. */
export const LANGUAGES = ["en", ...Object.keys(files).map(tagOf).sort()];
export const language = signal("en");
const catalogue = signal<Catalogue>(en);

const compiled = new Map<string, IntlMessageFormat>();

function messageIn(tag: string, message: Message): IntlMessageFormat {
  const key = `${tag} ${message}`;
  const known = compiled.get(key);
  if (known) return known;
  const own = catalogue.peek()[message];
  const made = new IntlMessageFormat(own ?? en[message], own === undefined ? "en" : tag, undefined, { ignoreTag: true });
  compiled.set(key, made);
  return made;
}

/** Return a message in the staff's language. */
export const t: Translate = (message, parts) => messageIn(language.value, message).format(parts) as string;

/** Whether there is a message of that name. */
export const has = (message: string): message is Message => message in en;

const spoken = computed(() => boxWords(en, catalogue.value));

/** A sentence of the box, which speaks English, in the staff's language where its file has it. */
export const box = (sentence: string): string => spoken.value(sentence);

/** Show the page in a language from now on. */
export async function speak(tag: string): Promise<void> {
  const load = Object.entries(files).find(([file]) => tagOf(file) === tag)?.[1];
  const loaded = load ? await load() : en;
  catalogue.value = loaded;
  language.value = load ? tag : "en";
  document.documentElement.lang = language.value;
  document.documentElement.dir = directionOf(language.value);
}

export function choose(tag: string): void {
  deviceStorage.set("deskLanguage", tag);
  void speak(tag);
}

/** The language that was chosen on this screen, else the browser's first that there is. */
export async function speakFirst(): Promise<void> {
  const wanted = [deviceStorage.setting<string>("deskLanguage"), ...navigator.languages];
  const bases = wanted.map((one) => one?.split("-")[0] ?? "");
  await speak(bases.find((one) => LANGUAGES.includes(one)) ?? "en");
}

/** The region of the reader's own form of times and dates, where the browser knows it. */
const locale = computed(() => navigator.languages.find((one) => one.split("-")[0] === language.value) ?? language.value);

const formats = new Map<string, Intl.DateTimeFormat>();

function formatted(iso: string, style: Intl.DateTimeFormatOptions): string {
  const key = `${locale.value} ${JSON.stringify(style)}`;
  const format = formats.get(key) ?? new Intl.DateTimeFormat(locale.value, style);
  formats.set(key, format);
  return format.format(new Date(iso));
}

/** A time of the day. */
export const clock = (iso: string): string => formatted(iso, { timeStyle: "short" });
/** A time of the day to the second. */
export const exactly = (iso: string): string => formatted(iso, { timeStyle: "medium" });
/** A day with its time. */
export const dayAndTime = (iso: string): string => formatted(iso, { dateStyle: "medium", timeStyle: "short" });
/** A list in a sentence. */
export const listed = (words: string[]): string => new Intl.ListFormat(locale.value, { type: "conjunction" }).format(words);
/** The twelve months by name. */
export const months = (): string[] =>
  Array.from({ length: 12 }, (_, n) => new Intl.DateTimeFormat(locale.value, { month: "long" }).format(new Date(2000, n, 1)));

/** How long ago, shortly. */
export function ago(since: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(since)) / 1000));
  if (seconds < 60) return t("time.now");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t("time.minutes", { n: minutes });
  return t("time.hours", { h: Math.floor(minutes / 60), m: minutes % 60 });
}
