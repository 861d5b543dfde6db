// Each form is read here as the box reads it: the golden files are written by tests/web/forms.py.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { test } from "node:test";
import { type Item, type Option, readFlow, signedText, type Text } from "../src/lib/flow.ts";

interface Golden {
  ref: string;
  questionnaire: Record<string, unknown>;
  read: {
    title: string[];
    language: string | null;
    languages: string[];
    steps: unknown;
    items: Record<string, { children: string[] }>;
    signed: { field: string; enabled: string[]; text: string[] }[];
  };
}

/** Another folder of golden files, of forms that are not part of the project. */
const folder = env["HANDRAIL_FORMS"] ?? join(import.meta.dirname, "forms");
const names = readdirSync(folder).filter((name) => name.endsWith(".json"));

test("there are forms to compare", () => assert.ok(names.length > 0));

for (const name of names) {
  const { ref, questionnaire, read } = JSON.parse(readFileSync(join(folder, name), "utf8")) as Golden;
  const flow = readFlow(ref, questionnaire);
  const languages = [null, ...read.languages];
  const texts = (text: Text) => languages.map((language) => text(language));

  test(`${name}: the form and its steps`, () => {
    const steps = flow.steps.map((step) => ({
      id: step.id,
      title: texts(step.title),
      skippable: step.skippable,
      items: step.items.map((item) => item.linkId),
    }));
    const { title, language, steps: expected } = read;
    assert.deepEqual(
      { title: texts(flow.title), language: flow.language, languages: flow.languages, steps },
      { title, language, languages: read.languages, steps: expected },
    );
  });

  test(`${name}: each item`, () => {
    const items = [...flow.byLinkId.values()].map((item) => [item.linkId, shown(item, texts)] as const);
    const expected = Object.entries(read.items).map(([id, { children, ...item }]) => [id, { ...item, children: [...children].sort() }]);
    assert.deepEqual(Object.fromEntries(items), Object.fromEntries(expected));
  });

  for (const { field, enabled, text } of read.signed) {
    test(`${name}: the text that ${field} signs`, () => {
      assert.deepEqual(texts((language) => signedText(flow, enabled, field, language)), text);
    });
  }
}

function shown(item: Item, texts: (text: Text) => string[]) {
  const { linkId: _linkId, rich: _rich, text, help, items, options, unit, unitOptions, ...same } = item;
  return {
    ...same,
    text: texts(text),
    help: hint(item, "help"),
    flyover: hint(item, "flyover"),
    unit: unit?.coding ?? null,
    unitOptions: unitOptions.map((one) => one.coding),
    options: options?.map((option) => optionShown(option, texts)) ?? null,
    children: [...new Set([...help, ...items].map((one) => one.linkId))].sort(),
  };
}

function optionShown({ label, ...same }: Option, texts: (text: Text) => string[]) {
  return { ...same, label: texts(label) };
}

function hint({ help, items }: Item, control: string): string | null {
  const found = [...help, ...items].filter((one) => one.type === "display" && one.control === control && one.text(null));
  return found.map((one) => one.text(null)).join("\n") || null;
}

