// What a page stores of a patient opens with the box's key alone, and in its own place.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { keyOf, seal, unseal } from "../src/lib/sealed.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, n) => n);
const VALUE = [{ value: "María Quatermass" }, 7];

test("what was sealed opens with its key and its name alone, and only unchanged", () => {
  const sealed = seal(KEY, "outbox.s", VALUE);
  assert.deepEqual(unseal(KEY, "outbox.s", sealed), VALUE);
  assert.equal(unseal(KEY, "outbox.t", sealed), null);
  assert.equal(unseal(KEY.map((one) => one ^ 1), "outbox.s", sealed), null);
  const bytes = Buffer.from(sealed, "base64");
  for (let place = 0; place < bytes.length; place++) {
    const changed = Buffer.from(bytes);
    changed[place] = (changed[place] ?? 0) ^ 1;
    assert.equal(unseal(KEY, "outbox.s", changed.toString("base64")), null);
  }
  for (const wrong of ["", "?", "AAAA"]) assert.equal(unseal(KEY, "outbox.s", wrong), null);
});

test("nothing is sealed the same way twice", () => {
  assert.notEqual(seal(KEY, "outbox.s", VALUE), seal(KEY, "outbox.s", VALUE));
});

test("it is the AES-256-GCM that a browser has", async () => {
  const bytes = Buffer.from(seal(KEY, "outbox.s", VALUE), "base64");
  const key = await webcrypto.subtle.importKey("raw", KEY, "AES-GCM", false, ["decrypt"]);
  const additionalData = new TextEncoder().encode("handrail outbox.s");
  const plain = await webcrypto.subtle.decrypt({ name: "AES-GCM", iv: bytes.subarray(0, 12), additionalData }, key, bytes.subarray(12));
  assert.deepEqual(JSON.parse(new TextDecoder().decode(plain)), VALUE);
});

test("much is sealed as little is", () => {
  const much = { text: "x".repeat(300_000) };
  assert.deepEqual(unseal(KEY, "outbox.s", seal(KEY, "outbox.s", much)), much);
});

test("a key is 32 bytes in base64url, and nothing else is one", () => {
  assert.deepEqual(keyOf(Buffer.from(KEY).toString("base64url")), KEY);
  assert.deepEqual(keyOf("_-".repeat(21) + "8")?.length, 32);
  for (const wrong of [null, undefined, "", "AAAA", "!".repeat(43)]) assert.equal(keyOf(wrong), null);
});
