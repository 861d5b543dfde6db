// What the patient enters, from the key to the controller's answer.
import { signal } from "@preact/signals";
import type { PatientView } from "../../generated/wire.ts";
import type { How } from "../fields/sheet.ts";
import { Refused } from "../lib/requests.ts";
import { isEmpty } from "../lib/flow.ts";
import type { Session } from "../lib/session.ts";

/** Long enough for the next key of a quick typist, short enough for the staff to follow. */
const PAUSE_MS = 120;

interface Draft {
  value: unknown;
  /** As it was typed, where that is no value of the field's kind. */
  text?: string | undefined;
  told?: boolean;
  timer?: ReturnType<typeof setTimeout> | undefined;
  /** It was refused, or cannot be sent: it stays until the patient changes it or lets it go. */
  kept?: boolean;
}

/** An answer that was not taken, in the patient's own words. */
export interface Kept {
  id: string;
  value: unknown;
  why: string;
}

type Texts = ReadonlyMap<string, string>;

export class Entries {
  /** Entered here and not yet decided: shown in place of what the view has. */
  readonly drafts = signal<ReadonlyMap<string, Draft>>(new Map());
  /** What is wrong with an entry that cannot be taken, or that was refused. */
  readonly problems = signal<Texts>(new Map());
  /** The field that was changed and not left since: what is wrong with it is not said yet. */
  readonly editing = signal<string | null>(null);
  /** The field that was left last: a screen reader is told what became of it. */
  readonly left = signal<string | null>(null);
  private focused: string | null = null;
  private readonly session: Session<PatientView>;

  constructor(session: Session<PatientView>) {
    this.session = session;
  }

  value(id: string): unknown {
    const draft = this.drafts.value.get(id);
    return draft ? draft.value : this.session.view.value?.fields[id]?.value;
  }

  /** What is wrong with a field, once the patient is done with it or the staff ask for a correction. */
  problem(id: string): string | undefined {
    const field = this.session.view.value?.fields[id];
    if (this.editing.value === id && !field?.correction) return undefined;
    const own = this.problems.value.get(id);
    if (own !== undefined) return own;
    const draft = this.drafts.value.get(id);
    // Until an entry is decided, the view speaks of the one before.
    return draft && !draft.kept ? undefined : (field?.error ?? undefined);
  }

  /** What was typed and is no value of the field's kind, or undefined. */
  typed(id: string): string | undefined {
    return this.drafts.value.get(id)?.text;
  }

  /** What was not taken, of fields that are not on the screen. */
  notTaken(enabled: readonly string[]): Kept[] {
    const all = [...this.drafts.value].filter(([id, draft]) => draft.kept && !enabled.includes(id));
    return all.map(([id, draft]) => ({ id, value: draft.text ?? draft.value, why: this.problems.value.get(id) ?? "" }));
  }

  /** The patient has read that an answer was not taken. */
  letGo(id: string): void {
    const draft = this.drafts.value.get(id);
    if (draft) this.forget(id, draft);
    this.fault(id);
  }

  enter(id: string, value: unknown, { typed, more = typed, problem, text }: How): void {
    if (this.editing.value !== id) this.done();
    this.editing.value = more ? id : null;
    this.left.value = more ? null : id;
    this.problems.value = without(this.problems.value, id, problem);
    clearTimeout(this.drafts.value.get(id)?.timer);
    const draft: Draft = { value, text, kept: problem !== undefined };
    this.drafts.value = new Map(this.drafts.value).set(id, draft);
    if (typed) draft.timer = setTimeout(() => this.send(id, draft), PAUSE_MS);
    else this.send(id, draft);
  }

  /** The patient is done with the field they were at, or is at this one now. */
  readonly done = (now: string | null = null): void => {
    const id = this.editing.value;
    if (id !== null && id === now) return;
    this.flush();
    if (id === null) return;
    this.editing.value = null;
    this.left.value = id;
  };

  /** Send at once what still waits for the next key. */
  flush(): void {
    for (const [id, draft] of this.drafts.value) {
      if (draft.timer !== undefined) {
        clearTimeout(draft.timer);
        this.send(id, draft);
      }
      // What is no value of the field's kind is refused there, so that the staff see it too.
      if (draft.text !== undefined && !draft.told) {
        draft.told = true;
        this.session.send({ type: "ENTER_FIELD", field_id: id, value: draft.text }).catch(() => undefined);
      }
    }
  }

  focus(id: string): void {
    if (this.focused === id) return;
    this.focused = id;
    this.session.send({ type: "FOCUS_FIELD", field_id: id }).catch(() => undefined);
  }

  /** Another step. What is not decided yet stays until it is. */
  leave(): void {
    this.done();
    this.left.value = null;
    this.focused = null;
  }

  /** Without a message: it is being mended. */
  fault(id: string, message?: string): void {
    this.problems.value = without(this.problems.value, id, message);
  }

  /** The screen is locked: nothing of what was entered stays on the page. */
  forgetAll(): void {
    this.flush();
    this.drafts.value = new Map();
    this.problems.value = new Map();
    this.editing.value = null;
    this.left.value = null;
    this.focused = null;
  }

  private send(id: string, draft: Draft): void {
    draft.timer = undefined;
    const before = this.session.view.value?.fields[id]?.value;
    const nothing = isEmpty(draft.value);
    if (nothing && isEmpty(before) && this.session.waiting.value === 0) return this.settle(id, draft);
    this.focused = id;
    this.session
      .send(nothing ? { type: "CLEAR_FIELD", field_id: id } : { type: "ENTER_FIELD", field_id: id, value: draft.value })
      .then(
        () => this.settle(id, draft),
        (error: unknown) => {
          if (this.drafts.value.get(id) !== draft || !(error instanceof Refused)) return;
          draft.kept = true;
          this.fault(id, error.message);
        },
      );
  }

  private settle(id: string, draft: Draft): void {
    if (this.drafts.value.get(id) === draft && !draft.kept) this.forget(id, draft);
  }

  private forget(id: string, draft: Draft): void {
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
