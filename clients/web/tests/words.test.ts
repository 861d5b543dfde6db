// What the controller says of a value, in Spanish: its sentences are read from its source.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sentenceIn } from "../src/words.ts";

const FORMS = join(import.meta.dirname, "../../../session_controller/forms");
const SAID = /(?:Problem\(\s*"\w+",|_check_moment\(\w+,)\s*f?"([^"]+)"/g;

const source = readdirSync(FORMS).filter((name) => name.endsWith(".py")).map((name) => readFileSync(join(FORMS, name), "utf8")).join("\n");
const sentences = [...source.matchAll(SAID)].map(([, said = ""]) => said.replace("{asked}", "").replace(/\{[^}]+\}/g, "7"));

test("the controller's sentences are found", () => assert.ok(sentences.length >= 20, sentences.join("\n")));

for (const sentence of sentences) {
  test(`in Spanish: ${sentence}`, () => {
    assert.notEqual(sentenceIn("es", sentence), sentence);
    assert.equal(sentenceIn("en", sentence), sentence);
  });
}
