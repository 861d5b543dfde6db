// The formatting of a form's words: in the language that it was written in, and of no consent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFlow } from "../src/lib/flow.ts";
import { present } from "../src/lib/present.ts";

const xhtml = "Have you <strong>eaten</strong>?";
const CORE = "http://hl7.org/fhir/StructureDefinition/";
const translated = {
  url: `${CORE}translation`,
  extension: [
    { url: "lang", valueCode: "es" },
    { url: "content", valueString: "¿Ha comido?" },
  ],
};
const question = {
  linkId: "q",
  type: "boolean",
  text: "Have you eaten?",
  _text: { extension: [{ url: `${CORE}rendering-xhtml`, valueString: xhtml }, translated] },
};
const consent = { ...question, linkId: "c", extension: [{ url: "urn:handrail:fhir:consent", valueBoolean: true }] };
const flow = readFlow("f", { title: "F", item: [question, consent] });

test("formatting is shown in the language that it was written in alone", () => {
  const item = present(flow.byLinkId.get("q"));
  assert.equal(item.rich(null), xhtml);
  assert.equal(item.rich("es"), null);
  assert.equal(item.text("es"), "¿Ha comido?");
});

test("what is signed is shown as it is signed", () => assert.equal(flow.byLinkId.get("c")?.rich(null), null));

test("a link that nobody can follow is shown by its title", () => {
  const linked = readFlow("f", { title: "F", item: [{ linkId: "q", type: "boolean", text: "I accept the [Notice](/notice.pdf)." }] });
  assert.equal(linked.byLinkId.get("q")?.text(null), "I accept the Notice.");
});
