// What the patient enters, from the key to the controller's answer.
import { signal } from "@preact/signals";
import type { PatientView } from "../../generated/wire";
import { Refused } from "../lib/asking";
import { isEmpty } from "../lib/flow";
import type { Side } from "../lib/side";

/** Long enough for the next key of a quick typist, short enough for the staff to follow. */
const PAUSE_MS = 120;

interface Draft {
  value: unknown;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

type Texts = ReadonlyMap<string, string>;

export class Entries {
  /** Entered here and not yet decided: shown in place of what the view has. */
  readonly drafts = signal<ReadonlyMap<string, Draft>>(new Map());
  /** What is wrong with an entry that cannot be sent, or that was refused. */
  readonly problems = signal<Texts>(new Map());
  private focused: string | null = null;

  constructor(private readonly side: Side<PatientView>) {}

  value(id: string): unknown {
    const draft = this.drafts.value.get(id);
    return draft ? draft.value : this.side.view.value?.fields[id]?.value;
  }

  enter(id: string, value: unknown, { typed, problem }: { typed: boolean; problem?: string }): void {
    this.problems.value = without(this.problems.value, id, problem);
    clearTimeout(this.drafts.value.get(id)?.timer);
    const draft: Draft = { value };
    this.drafts.value = new Map(this.drafts.value).set(id, draft);
    if (typed) draft.timer = setTimeout(() => this.send(id, draft), PAUSE_MS);
    else this.send(id, draft);
  }

  /** Send at once what still waits for the next key. */
  flush(): void {
    for (const [id, draft] of this.drafts.value) {
      if (draft.timer === undefined) continue;
      clearTimeout(draft.timer);
      this.send(id, draft);
    }
  }

  focus(id: string): void {
    if (this.focused === id) return;
    this.focused = id;
    this.side.send({ type: "FOCUS_FIELD", field_id: id }).catch(() => undefined);
  }

  /** Another step: nothing of this one is shown any more. */
  leave(): void {
    this.flush();
    this.drafts.value = new Map();
    this.problems.value = new Map();
    this.focused = null;
  }

  /** Without a message: it is being mended. */
  fault(id: string, message?: string): void {
    this.problems.value = without(this.problems.value, id, message);
  }

  private send(id: string, draft: Draft): void {
    draft.timer = undefined;
    const before = this.side.view.value?.fields[id]?.value;
    const nothing = isEmpty(draft.value);
    if (nothing && isEmpty(before) && this.side.waiting.value === 0) return this.settle(id, draft);
    this.focused = id;
    this.side
      .send(nothing ? { type: "CLEAR_FIELD", field_id: id } : { type: "ENTER_FIELD", field_id: id, value: draft.value })
      .then(
        () => this.settle(id, draft),
        (error: unknown) => {
          const newer = this.drafts.value.get(id) !== draft;
          this.settle(id, draft);
          if (!newer && error instanceof Refused) this.fault(id, error.message);
        },
      );
  }

  private settle(id: string, draft: Draft): void {
    if (this.drafts.value.get(id) !== draft) return;
    const next = new Map(this.drafts.value);
    next.delete(id);
    this.drafts.value = next;
  }
}

function without(texts: Texts, id: string, text: string | undefined): Texts {
  if (text === undefined && !texts.has(id)) return texts;
  const next = new Map(texts);
  if (text === undefined) next.delete(id);
  else next.set(id, text);
  return next;
}
