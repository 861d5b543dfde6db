// The staff's page in each language: whole, with the same parts, and what the box says in it.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { IntlMessageFormat } from "intl-messageformat";
import { boxWords, type Catalogue } from "../src/facility/box-words.ts";

const FOLDER = join(import.meta.dirname, "../src/facility/messages");
const read = (file: string) => JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as Catalogue;
const english = read("en.json");
const others = readdirSync(FOLDER).filter((file) => file !== "en.json");

interface Element {
  type: number;
  value?: unknown;
  options?: Record<string, { value: Element[] }>;
}

/** The names of a message's arguments: of elements that are no text (0) and no `#` (7). */
function argumentsOf(elements: Element[]): string[] {
  const found = elements.flatMap(({ type, value, options }) => [
    ...(type !== 0 && type !== 7 ? [String(value)] : []),
    ...Object.values(options ?? {}).flatMap((one) => argumentsOf(one.value)),
  ]);
  return [...new Set(found)].sort();
}

const messageOf = (text: string, tag: string) => new IntlMessageFormat(text, tag, undefined, { ignoreTag: true });

for (const file of ["en.json", ...others]) {
  const own = read(file);
  const tag = file.replace(".json", "");
  test(`${file} has every message, and no other`, () => {
    assert.deepEqual(Object.keys(own).sort(), Object.keys(english).sort());
  });
  test(`${file} can be formatted, with the parts of the English`, () => {
    for (const [key, text] of Object.entries(own)) {
      if (key.startsWith("box.")) continue;
      const [here, there] = [messageOf(text, tag), messageOf(english[key] ?? "", "en")];
      const wanted = argumentsOf(there.getAst());
      assert.deepEqual(argumentsOf(here.getAst() as Element[]), wanted, key);
      assert.ok(String(here.format(Object.fromEntries(wanted.map((name) => [name, 2])))) || key === "event.IdleReported", key);
    }
  });
}

test("the box's sentences are said in another language, those inside of others too", () => {
  const say = boxWords(english, read("es.json"));
  assert.equal(say("The session is paused."), "La sesión está en pausa.");
  assert.equal(say("First name: an answer is needed (and 3 more)."), "First name: falta una respuesta (y 3 más).");
  assert.equal(say("Something that no catalogue knows"), "Something that no catalogue knows");
});

test("every message that the page says is there", () => {
  const source = readdirSync(join(FOLDER, ".."), { withFileTypes: true })
    .filter((one) => /\.tsx?$/.test(one.name))
    .map((one) => readFileSync(join(FOLDER, "..", one.name), "utf8"))
    .join("\n");
  const said = [...source.matchAll(/\bt\("([\w.]+)"/g)].map(([, key = ""]) => key);
  assert.ok(said.length > 150);
  assert.deepEqual(said.filter((key) => !(key in english)), []);
});
