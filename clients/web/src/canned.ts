// Ready-made corrections and reasons to send a document back: staff choose one, and the patient reads
// it in the patient's own language.
import type { CorrectionFault, DocumentFault } from "../generated/wire.ts";
import type { Word } from "./words.ts";

type Words = Record<CorrectionFault, string>;

const EN: Words = {
  check: "Please check this again.",
  incomplete: "Please write it out in full.",
  not_as_on_card: "Please enter it exactly as it is on your card or ID.",
  unclear: "We could not understand this. Please say it in other words.",
};

const ES: Words = {
  check: "Por favor, revíselo otra vez.",
  incomplete: "Por favor, escríbalo completo.",
  not_as_on_card: "Por favor, escríbalo tal como aparece en su tarjeta o identificación.",
  unclear: "No pudimos entenderlo. Por favor, dígalo con otras palabras.",
};

export const CORRECTIONS = Object.keys(EN) as CorrectionFault[];

/** The languages that they are ready in. */
export const READY_IN = ["en", "es"];

export function cannedIn(language: string | null, fault: CorrectionFault): string {
  return (language?.split("-")[0] === "es" ? ES : EN)[fault];
}

export const DOCUMENT_REASONS: Record<DocumentFault, Word> = {
  glare: "docGlare",
  blurred: "docBlurred",
  cut_off: "docCutOff",
  wrong_side: "docWrongSide",
  wrong_document: "docWrongDocument",
  expired: "docExpired",
};

export const DOCUMENT_FAULTS = Object.keys(DOCUMENT_REASONS) as DocumentFault[];
