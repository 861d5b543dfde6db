// What a step is drawn from. The patient's page draws it with hands, the staff's mirror without.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { DocumentView, FieldView, Masked, SignatureView } from "../../generated/wire";
import type { Flow, Item } from "../lib/flow";
import type { Say } from "../words";

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
}

export interface Progress {
  sent: number;
  size: number;
}

/** What only the patient's page can do. */
export interface Hands {
  value: (id: string) => unknown;
  problem: (id: string) => string | undefined;
  /** `undefined` empties the field. `typed`: wait a moment for the next key. */
  enter: (id: string, value: unknown, how: { typed: boolean; problem?: string }) => void;
  clear: (id: string) => void;
  read: (id: string, fraction: number, seconds: number) => void;
  withdraw: (id: string, reason: string | null) => Promise<void>;
  upload: (id: string, bytes: Uint8Array, mediaType: string) => void;
  uploading: (id: string) => Progress | undefined;
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

export function isMasked(value: unknown): value is Masked {
  return typeof value === "object" && value !== null && "masked" in value && "length" in value;
}

/** An id for the page: a field id may hold spaces, dots and brackets. */
export function domId(id: string, part = "field"): string {
  const plain = id.replace(/[^A-Za-z0-9-]/g, (one) => `_${one.codePointAt(0)!.toString(16)}`);
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
