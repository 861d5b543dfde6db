// The focus is never lost: where its element goes, what is nearest to it takes it.
import { useEffect } from "preact/hooks";

const FOCUSABLE = "input:not([disabled]), select:not([disabled]), textarea:not([disabled]), button:not([disabled]), [href], [tabindex]";

const isShown = (one: Element) => one.isConnected && one.getClientRects().length > 0;

/** The first thing in a part of the page that can take the focus, or null. */
export function firstIn(part: ParentNode): HTMLElement | null {
  return [...part.querySelectorAll<HTMLElement>(FOCUSABLE)].find(isShown) ?? null;
}

/** Watch a page whose parts come and go. */
export function useFocusKept(): void {
  useEffect(() => {
    let last: Element | null = null;
    let around: Element[] = [];
    const taken = ({ target }: FocusEvent) => {
      if (!(target instanceof HTMLElement)) return;
      last = target;
      around = [];
      for (let one = target.parentElement; one && one !== document.body; one = one.parentElement) around.push(one);
    };
    const check = () => {
      const lost = document.activeElement === null || document.activeElement === document.body;
      if (!lost || last === null) return;
      // Gone, hidden or switched off; where the patient touched the ground, nothing was lost.
      if (isShown(last) && !last.matches(":disabled")) return;
      const near = around.find((one) => isShown(one) && one.matches("[data-field], .instance, .group, main"));
      const next = (near && !near.matches("main") ? firstIn(near) : null) ?? document.querySelector<HTMLElement>("main h1");
      next?.focus({ preventScroll: next.matches("h1") });
    };
    /** What has left the page holds what was entered there: it must not stay in memory. */
    const forget = () => {
      if (last === null || last.isConnected) return;
      last = null;
      around = [];
    };
    const changed = () => {
      check();
      forget();
    };
    const watching = new MutationObserver(() => setTimeout(changed));
    watching.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden", "disabled"] });
    addEventListener("focusin", taken);
    return () => {
      watching.disconnect();
      removeEventListener("focusin", taken);
    };
  }, []);
}

/** Go to a field, or to the first field of a group, and show it. */
export function goToField(id: string): void {
  const found = [...document.querySelectorAll<HTMLElement>("[data-field]")];
  const field = found.find((one) => one.dataset["field"] === id) ?? found.find((one) => one.dataset["field"]?.startsWith(`${id}[`));
  if (!field) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  field.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
  firstIn(field)?.focus({ preventScroll: true });
}
