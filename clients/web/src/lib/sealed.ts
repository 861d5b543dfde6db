// What a page stores of a patient, encrypted with a key that the box keeps and destroys (the view's
// `storage_key`). By a library, not by crypto.subtle: a page on plain http has none, and what is typed
// at the moment of a reload has to be written before the page is gone, which a promise is not.
import { gcm } from "@noble/ciphers/aes.js";

const NONCE = 12;
const CHUNK = 0x8000;

const about = (name: string) => new TextEncoder().encode(`handrail ${name}`);

/** The 32 bytes of a key in base64url; null for anything else. */
export function keyOf(text: string | null | undefined): Uint8Array | null {
  if (!text) return null;
  const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
  return bytes?.length === 32 ? bytes : null;
}

/** AES-256-GCM (NIST SP 800-38D): a random nonce, then the ciphertext, bound to `name`. */
export function sealBytes(key: Uint8Array, name: string, bytes: Uint8Array): Uint8Array {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE));
  const sealed = gcm(key, nonce, about(name)).encrypt(bytes);
  const whole = new Uint8Array(NONCE + sealed.length);
  whole.set(nonce);
  whole.set(sealed, NONCE);
  return whole;
}

/** What `sealBytes` was given for the same name and key; null where it was changed, or is another's. */
export function unsealBytes(key: Uint8Array, name: string, sealed: Uint8Array): Uint8Array | null {
  try {
    return gcm(key, sealed.subarray(0, NONCE), about(name)).decrypt(sealed.subarray(NONCE));
  } catch {
    return null;
  }
}

/** The same of any value as JSON, in base64. */
export function seal(key: Uint8Array, name: string, value: unknown): string {
  return toBase64(sealBytes(key, name, new TextEncoder().encode(JSON.stringify(value))));
}

/** What `seal` was given for the same name and key; null where it was changed, or is another's. */
export function unseal<T>(key: Uint8Array, name: string, text: string): T | null {
  const bytes = fromBase64(text);
  const plain = bytes && unsealBytes(key, name, bytes);
  if (!plain) return null;
  try {
    return JSON.parse(new TextDecoder().decode(plain)) as T;
  } catch {
    return null;
  }
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

function fromBase64(text: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  } catch {
    return null;
  }
}
