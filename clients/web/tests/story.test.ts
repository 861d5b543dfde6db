// The time line as a story: no noise, one line for what repeats, by step.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TimelineLine } from "../generated/wire.ts";
import { storyOf, toldAt } from "../src/facility/story.ts";
import { readFlow } from "../src/lib/flow.ts";

const flow = readFlow("f", {
  resourceType: "Questionnaire",
  title: "F",
  item: [
    { linkId: "a", type: "group", text: "First", item: [{ linkId: "name", type: "string", text: "Name" }] },
    { linkId: "b", type: "group", text: "Second", item: [{ linkId: "wish", type: "string", text: "Wish" }] },
  ],
});

let revision = 0;
function event(name: string, summary: string): TimelineLine {
  revision += 1;
  return { revision, at: "2026-11-22T10:00:00.000Z", device: "d", event: name, summary };
}

const lines = [
  event("SessionOpened", "f"),
  event("FieldFocused", "name"),
  event("FieldEntered", "name"),
  event("FieldEntered", "name"),
  event("Navigated", "Second"),
  event("FieldEntered", "wish"),
  event("Calculated", ""),
  event("CommandRefused", "malformed"),
];

test("told by step, without noise, and once for what repeats", () => {
  const story = storyOf(lines, flow);
  assert.deepEqual(story.map(({ step }) => step?.id), ["a", "b"]);
  assert.deepEqual(story.map(({ told }) => told.map((one) => one.event)), [
    ["SessionOpened", "FieldEntered"],
    ["Navigated", "FieldEntered"],
  ]);
  assert.equal(story[0]?.told[1]?.times, 2);
});

test("a moment between two lines belongs to the earlier one", () => {
  const story = storyOf(lines, flow);
  assert.equal(toldAt(story, 2)?.event, "SessionOpened");
  assert.equal(toldAt(story, 99)?.about, "wish");
});
