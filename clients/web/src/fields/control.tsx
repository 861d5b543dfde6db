// What all controls have in common.
import { tokenOf } from "./autofill.ts";
import { type Control, type How, off, useSheet } from "./sheet.ts";

export interface ScalarProps extends Control {
  value: unknown;
  label?: string | undefined;
  /** What was typed and is no value of the field's kind. */
  typed?: string | undefined;
  onValue: (value: unknown, how: How) => void;
}

/**
 * Nothing is filled in, corrected or kept by the browser; but for what it knows of its own owner.
 *
 * `autocorrect` is written with a capital because that is no property: as a property it takes a
 * boolean, so that Preact would turn it on with the text "off". As an attribute, HTML reads it alike.
 */
export const QUIET = {
  autocomplete: "off",
  autoCorrect: "off",
  spellcheck: false,
  "data-1p-ignore": "",
  "data-lpignore": "true",
} as const;

export function useCommon({ item, inputId, describedBy, invalid, disabled, label }: Omit<ScalarProps, "onValue">) {
  const sheet = useSheet();
  return {
    id: inputId,
    "aria-describedby": describedBy,
    "aria-invalid": invalid || undefined,
    "aria-required": item.required || undefined,
    "aria-label": label,
    ...off(disabled, sheet),
    ...QUIET,
    ...(sheet.hands?.personal ? { autocomplete: tokenOf(item) ?? "off" } : {}),
  };
}

/** What was understood, once the hand is off the field. */
export function useSaidBack({ id, inputId, typed }: ScalarProps, said: string) {
  const { hands } = useSheet();
  if (said === "" || typed !== undefined || hands?.editing(id)) return { backId: undefined, back: null };
  const backId = `${inputId}-back`;
  return { backId, back: <p class="said-back" id={backId}>{said}</p> };
}

export const joinIds = (...ids: (string | undefined)[]) => ids.filter(Boolean).join(" ") || undefined;
