// Payloads as the box can read them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "../src/lib/payload.ts";

test("half a character is replaced, a whole one stays", () => {
  const text = encode({ value: "a\ud83d", list: ["\ude00b", "\u{1f600}"] });
  assert.deepEqual(decode(new TextEncoder().encode(text)), { value: "a\ufffd", list: ["\ufffdb", "\u{1f600}"] });
  assert.doesNotMatch(text, /\\ud/);
});
