// For how long something was on a screen that could be looked at.
import { type RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

const TICK_MS = 1_000;
/** A timer that comes later than this slept in between: nobody was reading. */
const LATE_MS = 2_500;
const HALF = 0.5;

/**
 * Counts the seconds for which at least half of an element is seen: not below a cover, not in
 * another tab, not scrolled away. `known` are those that were counted before, on whatever screen.
 */
export function useSecondsSeen(box: RefObject<HTMLElement | null>, known: number, on: boolean, each: (seconds: number) => void): () => number {
  const total = useRef(known);
  total.current = Math.max(total.current, known);
  const tell = useRef(each);
  tell.current = each;
  useEffect(() => {
    if (!on || box.current === null) return;
    let seen = false;
    let last = performance.now();
    const watching = new IntersectionObserver((all) => (seen = (all.at(-1)?.intersectionRatio ?? 0) >= HALF), { threshold: HALF });
    watching.observe(box.current);
    const timer = setInterval(() => {
      const now = performance.now();
      const passed = now - last;
      last = now;
      if (!seen || document.visibilityState !== "visible" || passed > LATE_MS) return;
      total.current += passed / 1_000;
      tell.current(total.current);
    }, TICK_MS);
    return () => {
      watching.disconnect();
      clearInterval(timer);
    };
  }, [on]);
  return () => Math.round(total.current * 10) / 10;
}

/** Seconds as minutes and seconds. */
export function asMinutes(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}
