// When the patient is done with a field: once the focus or the pointer is elsewhere.
import { useEffect, useMemo } from "preact/hooks";

/** The field whose box an element is in. */
export function fieldAt(target: EventTarget | null): string | null {
  return target instanceof Element ? (target.closest<HTMLElement>("[data-field]")?.dataset.field ?? null) : null;
}

/** A drop-down list swallows the release of the button that opens it. */
const LONGEST_CLICK_MS = 1_000;

/**
 * Call `done` with the field the patient is at whenever that may have changed.
 *
 * What is then said moves the page below the field. So it waits until the button is up and the click
 * is over: what the patient aims at must not move away under the pointer.
 */
class Leaving {
  private isDown = false;
  private release: ReturnType<typeof setTimeout> | undefined;
  /** A box that is ticked by touch does not take the focus in every browser. */
  private pointed: string | null = null;
  private readonly done: (now: string | null) => void;

  constructor(done: (now: string | null) => void) {
    this.done = done;
  }

  readonly handlers = {
    onBlurCapture: () => this.later(),
    onKeyDownCapture: () => {
      this.pointed = null;
    },
    onPointerDownCapture: ({ target }: { target: EventTarget | null }) => {
      this.isDown = true;
      this.pointed = fieldAt(target);
      clearTimeout(this.release);
      this.release = setTimeout(this.up, LONGEST_CLICK_MS);
    },
  };

  readonly up = () => {
    clearTimeout(this.release);
    this.isDown = false;
    this.later();
  };

  private later(): void {
    setTimeout(() => {
      if (!this.isDown) this.done(fieldAt(document.activeElement) ?? this.pointed);
    });
  }
}

/** The handlers of the form whose fields are left. */
export function useLeaving(done: (now: string | null) => void) {
  const leaving = useMemo(() => new Leaving(done), [done]);
  useEffect(() => {
    const ends = ["pointerup", "pointercancel"];
    ends.forEach((end) => addEventListener(end, leaving.up));
    return () => ends.forEach((end) => removeEventListener(end, leaving.up));
  }, [leaving]);
  return leaving.handlers;
}
