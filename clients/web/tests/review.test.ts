// "Check your answers": by step, in words, in the patient's language; the staff's mirror the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FacilityView, ReviewLine } from "../generated/wire.ts";
import { itemOf, readFlow } from "../src/lib/flow.ts";
import { byStep, labelOf, reviewSeenByStaff, said } from "../src/lib/review.ts";
import { wordsIn } from "../src/words.ts";
import { VIEW } from "./doubles.ts";

const TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation";
const spanish = (content: string) => ({
  extension: [{ url: TRANSLATION, extension: [{ url: "lang", valueCode: "es" }, { url: "content", valueString: content }] }],
});

const FLOW = readFlow("f", {
  language: "en",
  item: [
    {
      linkId: "who",
      type: "group",
      text: "About you",
      item: [
        { linkId: "name", type: "string", text: "Name", _text: spanish("Nombre") },
        { linkId: "born", type: "date", text: "Born" },
        {
          linkId: "sex",
          type: "choice",
          text: "Sex",
          answerOption: [{ valueCoding: { code: "f", display: "Female", _display: spanish("Femenino") } }],
        },
        { linkId: "ok", type: "boolean", text: "OK?" },
        { linkId: "card", type: "attachment", text: "Card" },
      ],
    },
    { linkId: "meds", type: "group", repeats: true, text: "Medicines", item: [{ linkId: "drug", type: "string", text: "Drug" }] },
    { linkId: "check", type: "group", text: "Check", item: [{ linkId: "intro", type: "display", text: "Please check" }] },
    { linkId: "later", type: "group", text: "Later", item: [{ linkId: "note", type: "string", text: "Note" }] },
  ],
});

const words = (id: string, value: unknown, language = "en") => said(itemOf(FLOW, id), value, wordsIn(language), language);

test("answers are said in words, in the language of the patient", () => {
  assert.equal(words("name", "Ada"), "Ada");
  assert.equal(words("sex", { code: "f" }, "es"), "Femenino");
  assert.equal(words("ok", true, "es"), "Sí");
  assert.equal(words("ok", false), "No");
  assert.equal(words("name", ["a", "b"]), "a, b");
  assert.equal(words("name", { value: 70.5, unit: "kg" }), "70.5 kg");
  assert.equal(words("name", { masked: true, length: 11 }), "hidden, 11 characters");
});

test("a date has its month by name: day and month cannot be taken for each other", () => {
  assert.equal(words("born", "1980-02-03"), "February 3, 1980");
  assert.equal(words("born", "1980-02-03", "es"), "3 de febrero de 1980");
  assert.equal(words("born", "1980-02"), "1980-02");
});

test("a question in a repeating group has its number", () => {
  assert.equal(labelOf(FLOW, "meds[1].drug", null), "Drug (2)");
  assert.equal(labelOf(FLOW, "name", "es"), "Nombre");
});

test("lines are grouped by step, in the order of the form", () => {
  const lines: ReviewLine[] = [
    { field_id: "meds[0].drug", step_id: "meds", value: "Aspirin" },
    { field_id: "name", step_id: "who", value: "Ada" },
  ];
  assert.deepEqual(byStep(FLOW, lines).map(({ step, lines: of }) => [step.id, of.length]), [["who", 1], ["meds", 1]]);
});

test("the staff's mirror shows what the patient's screen does", () => {
  const progress = { filled: 0, required: 0 };
  const view = {
    ...VIEW,
    step_id: "check",
    enabled: ["who", "name", "born", "card", "meds[0]", "meds[0].drug", "intro", "later", "note"],
    fields: { name: { value: "Ada" }, "meds[0].drug": { value: "Aspirin" }, note: { value: "old" } },
    documents: { card: { status: "received" } },
    steps: {
      who: { status: "complete", ...progress },
      meds: { status: "complete", ...progress },
      check: { status: "current", ...progress },
      later: { status: "upcoming", ...progress },
    },
  } as unknown as FacilityView;
  assert.deepEqual(reviewSeenByStaff(FLOW, view), [
    { field_id: "name", step_id: "who", value: "Ada" },
    { field_id: "card", step_id: "who", document: "received" },
    { field_id: "meds[0].drug", step_id: "meds", value: "Aspirin" },
  ]);
});
