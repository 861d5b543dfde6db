import assert from "node:assert/strict";
import { test } from "node:test";
import { circleIn, importsOf } from "../tools/circles.mjs";

test("a circle is found, however long, and printed from end to end", () => {
  const imports = new Map([
    ["page.tsx", ["a.ts", "b.ts"]],
    ["a.ts", ["b.ts"]],
    ["b.ts", ["c.ts"]],
    ["c.ts", ["a.ts"]],
  ]);
  assert.deepEqual(circleIn(imports), ["a.ts", "b.ts", "c.ts", "a.ts"]);
});

test("two ways to one file are no circle", () => {
  assert.equal(circleIn(new Map([["a.ts", ["b.ts", "c.ts"]], ["b.ts", ["c.ts"]], ["c.ts", []]])), null);
});

test("the imports of the pages are read", () => {
  const imports = importsOf(new URL("../src", import.meta.url).pathname);
  assert.ok(imports.get("facility.tsx")?.includes("facility/session.tsx"));
  assert.ok(imports.get("lib/session.ts")?.includes("lib/requests.ts"), "also those of types alone");
  assert.equal(circleIn(imports), null);
});
