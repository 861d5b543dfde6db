// What a step is drawn from. The patient's page draws it with hands, the staff's mirror without.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { DocumentView, FieldView, Masked, ReviewLine, SignatureView } from "../../generated/wire.ts";
import type { Flow, Item } from "../lib/flow.ts";
import type { Say } from "../words.ts";
import { localeOf } from "./locale.ts";

/** What both views have in common, as far as a step shows it. */
export interface Shown {
  fields: Record<string, FieldView>;
  documents: Record<string, DocumentView>;
  reading: Record<string, number>;
  reading_seconds?: Record<string, number> | null;
  highlight: string | null;
  signature: SignatureView | null;
  /** Of a patient's view: those of the step; of a staff's: all. */
  step_signatures?: Record<string, SignatureView> | null;
  signatures?: Record<string, SignatureView>;
  /** Of a patient's view alone: what is on in the instance that may be added, by group. */
  next_instances?: Record<string, string[]> | null;
  /** Where the step asks to check the answers: those of the other steps. */
  review?: ReviewLine[] | null;
  /** The step that the patient asks to change. */
  help_step?: string | null;
}

/**
 * `typed`: wait a moment for the next key. `more`: further picks may follow; one pick of a field that
 * takes one is all. `problem`: why `text` is no value of the field's kind.
 */
export interface How {
  typed: boolean;
  more?: boolean;
  problem?: string;
  text?: string;
}

export interface Progress {
  sent: number;
  size: number;
}

/** What only the patient's page can do. */
export interface Hands {
  /** Whether the device is the patient's own, whose browser may offer what it knows of them. */
  personal: boolean;
  value: (id: string) => unknown;
  /** What is wrong with a field, where it is time to say it. */
  problem: (id: string) => string | undefined;
  /** Whether a field was changed and not left since. */
  editing: (id: string) => boolean;
  /** What was typed and is no value of the field's kind. */
  typed: (id: string) => string | undefined;
  /** `undefined` empties the field. */
  enter: (id: string, value: unknown, how: How) => void;
  clear: (id: string) => void;
  read: (id: string, fraction: number, seconds: number) => void;
  withdraw: (id: string, reason: string | null) => Promise<void>;
  upload: (id: string, bytes: Uint8Array, mediaType: string) => void;
  uploading: (id: string) => Progress | undefined;
  /** Where what was sent can be looked at, in this page alone. */
  picture: (id: string) => string | undefined;
  /** Ask the staff to open a step again. */
  askToChange: (stepId: string) => void;
}

/** What a click on the mirror does. */
export interface Pointing {
  point: (id: string) => void;
  selected: string | null;
  patientFocus: string | null;
  missing: ReadonlySet<string>;
  labels: { point: string; here: string };
}

export interface Sheet {
  flow: Flow;
  language: string | null;
  say: Say;
  enabled: ReadonlySet<string>;
  shown: Shown;
  hands: Hands | null;
  pointing: Pointing | null;
}

export const SheetContext = createContext<Sheet | null>(null);

export function useSheet(): Sheet {
  const sheet = useContext(SheetContext);
  if (sheet === null) throw new Error("a field is drawn outside a step");
  return sheet;
}

export function valueOf(sheet: Sheet, id: string): unknown {
  return sheet.hands ? sheet.hands.value(id) : sheet.shown.fields[id]?.value;
}

/** The language in which numbers and dates are read: the form's, where the patient has chosen none. */
export const localeOfSheet = ({ language, flow }: Sheet) => localeOf(language, flow.language);

export function isMasked(value: unknown): value is Masked {
  return typeof value === "object" && value !== null && "masked" in value && "length" in value;
}

/** An id for the page: a field id may hold spaces, dots and brackets. */
export function domId(id: string, part = "field"): string {
  const plain = id.replace(/[^A-Za-z0-9-]/g, (one) => `_${(one.codePointAt(0) ?? 0).toString(16)}`);
  return `${part}-${plain}`;
}

/** How a control is switched off: in the mirror it looks as it does to the patient. */
export function off(disabled: boolean, sheet: Sheet) {
  if (!disabled) return {};
  return sheet.hands ? { disabled: true } : ({ tabIndex: -1, readOnly: true, "aria-disabled": true } as const);
}

export interface Control {
  item: Item;
  id: string;
  /** Of the element that is the control, or of the first one. */
  inputId: string;
  describedBy: string | undefined;
  invalid: boolean;
  disabled: boolean;
}
