// Payloads as JSON.

/** Half a character, such as a cut emoji leaves, is no JSON to the box: it would be sent for ever. */
const HALVES = /\p{Surrogate}/gu;

export function encode(payload: unknown): string {
  return JSON.stringify(payload, (_, value: unknown) => (typeof value === "string" ? value.replace(HALVES, "\ufffd") : value));
}

/** Return what a payload holds, or null if it is not JSON. */
export function decode<T>(payload: Uint8Array): T | null {
  try {
    return JSON.parse(new TextDecoder().decode(payload)) as T;
  } catch {
    return null;
  }
}
