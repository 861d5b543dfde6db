// What a question asks of the patient, in the tokens of HTML's autofill (WCAG 2.2, 1.3.5), for the
// patient's own device alone: on a kiosk the browser must neither offer nor keep anything.
import type { Item } from "../lib/flow.ts";

/** By the element of FHIR's Patient that the answer defines. */
const TOKENS: [RegExp, string][] = [
  [/\bPatient\.name(:\w+)?\.family$/, "family-name"],
  [/\bPatient\.name(:\w+)?\.text$/, "name"],
  [/\bPatient\.address(:\w+)?\.city$/, "address-level2"],
  [/\bPatient\.address(:\w+)?\.state$/, "address-level1"],
  [/\bPatient\.address(:\w+)?\.postalCode$/, "postal-code"],
  [/\bPatient\.address(:\w+)?\.country$/, "country-name"],
];

/** The token of a question, or null where it asks for nothing that a browser knows. */
export function tokenOf({ definition, linkId, entryFormat }: Item): string | null {
  if (!definition) return null;
  if (/\bPatient\.name(:\w+)?\.given$/.test(definition)) return /middle|second/i.test(linkId) ? "additional-name" : "given-name";
  if (/\bPatient\.address(:\w+)?\.line$/.test(definition)) return /2|apart|unit|second/i.test(linkId) ? "address-line2" : "address-line1";
  if (/\bPatient\.telecom(:\w+)?\.value$/.test(definition)) return /mail/i.test(linkId) || entryFormat?.includes("@") ? "email" : "tel";
  return TOKENS.find(([pattern]) => pattern.test(definition))?.[1] ?? null;
}
