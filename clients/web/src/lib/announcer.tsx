// What a screen reader is told, at one place of the page: two regions would speak over each other.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** What happens at once is said in one breath, and only once. */
const TOGETHER_MS = 80;

/** What is no longer news is not found there by who reads the page line by line. */
const NEWS_MS = 4_000;

const said = signal("");
let forgetting: ReturnType<typeof setTimeout> | undefined;
let waiting: string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

export function announce(text: string): void {
  if (text === "" || waiting.includes(text)) return;
  waiting.push(text);
  timer ??= setTimeout(() => {
    timer = undefined;
    const next = waiting.join(" ");
    waiting = [];
    // The same words again are another text to a screen reader.
    said.value = next === said.value ? `${next}\u00a0` : next;
    clearTimeout(forgetting);
    forgetting = setTimeout(() => (said.value = ""), NEWS_MS);
  }, TOGETHER_MS);
}

/** What is said of a question: with its own mark where it ends in one. */
export const saidOf = (label: string, text: string): string => `${label}${/[\p{L}\p{N})]$/u.test(label) ? ":" : ""} ${text}`;

/** Announce a text whenever it becomes another one; not the one that is there at first, nor the same in
 * another language. */
export function useAnnounced(text: string, { atFirst = false } = {}): void {
  const { lang } = document.documentElement;
  const before = useRef({ text: atFirst ? "" : text, lang });
  useEffect(() => {
    if (text !== before.current.text && lang === before.current.lang) announce(text);
    before.current = { text, lang };
  }, [text, lang]);
}

export function Announcer() {
  return <p id="announcer" class="visually-hidden" role="status" aria-live="polite">{said.value}</p>;
}
