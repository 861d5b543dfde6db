// The answers that the controller permits, where a form calculates them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFlow, withOptions } from "../src/lib/flow.ts";
import { present } from "../src/lib/present.ts";

const option = (code: string, display: string, es: string) => ({
  valueCoding: {
    code,
    display,
    _display: { extension: [{ url: "http://hl7.org/fhir/StructureDefinition/translation", extension: [{ url: "lang", valueCode: "es" }, { url: "content", valueString: es }] }] },
  },
});

const flow = readFlow("form@1", {
  item: [
    { linkId: "q", type: "choice", answerOption: [option("a", "Arm", "Brazo"), option("b", "Back", "Espalda")] },
    { linkId: "free", type: "choice" },
  ],
});
const item = (id: string) => present(flow.byLinkId.get(id));
const labels = (id: string, permitted: unknown[] | null, language = "en") => withOptions(item(id), permitted).options?.map((one) => one.label(language));

test("options of the form keep their words in each language", () => assert.deepEqual(labels("q", [{ code: "b", display: "Back" }], "es"), ["Espalda"]));

test("others are called as they are", () =>
  assert.deepEqual(labels("free", ["Ana", { code: "x", display: "X ray" }, { code: "y" }, 3]), ["Ana", "X ray", "y", "3"]));

test("none are none, and not any", () => assert.deepEqual(labels("free", []), []));

test("where the form alone says which, nothing changes", () => {
  assert.equal(withOptions(item("q"), null), item("q"));
  assert.equal(withOptions(item("free"), undefined).options, null);
});
