// The sentence of a form's constraint, in the patient's language.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inFormsWords } from "../src/fields/problem.ts";
import { readFlow } from "../src/lib/flow.ts";

const CORE = "http://hl7.org/fhir/StructureDefinition/";
const SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/";

const inSpanish = (text: string) => ({
  extension: [{ url: `${CORE}translation`, extension: [{ url: "lang", valueCode: "es" }, { url: "content", valueString: text }] }],
});

const constraint = (url: string, said: string, translated: string) => ({
  url,
  extension: [{ url: "human", valueString: said, _valueString: inSpanish(translated) }],
});

const flow = readFlow("form@1", {
  resourceType: "Questionnaire",
  language: "en",
  extension: [constraint(`${SDC}targetConstraint`, "A total of 10 at most.", "Un total de 10 como máximo.")],
  item: [
    {
      linkId: "amount",
      type: "integer",
      extension: [
        constraint(`${CORE}questionnaire-constraint`, "Enter an even number.", "Escriba un número par."),
        constraint(`${CORE}questionnaire-constraint`, "No.", "No, gracias."),
      ],
    },
  ],
});

const said = (language: string | null, text: string) => inFormsWords({ flow, language }, text);

test("a constraint of an item, in each language", () => {
  assert.equal(said("es", "Enter an even number."), "Escriba un número par.");
  assert.equal(said("es-MX", "Enter an even number."), "Escriba un número par.");
  assert.equal(said("en", "Enter an even number."), "Enter an even number.");
});

test("several of them, also of the form", () =>
  assert.equal(said("es", "Enter an even number. A total of 10 at most."), "Escriba un número par. Un total de 10 como máximo."));

test("the controller's own sentences are not the form's", () => assert.equal(said("es", "Please answer this question."), undefined));

test("a sentence that only holds one of the form's is not the form's", () =>
  assert.equal(said("es", "The answer is No. Please change what is not right first."), undefined));
