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

/** Announce a text whenever it becomes another one; not the one that is there at first. */
export function useAnnounced(text: string, { atFirst = false } = {}): void {
  const before = useRef(atFirst ? "" : text);
  useEffect(() => {
    if (text !== before.current) announce(text);
    before.current = text;
  }, [text]);
}

export function Announcer() {
  return <p id="announcer" class="visually-hidden" role="status" aria-live="polite">{said.value}</p>;
}
