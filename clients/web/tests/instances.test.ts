// Which instances of a repeating group are drawn, and what is on in the next one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { instancesIn, withNext } from "../src/fields/instances.ts";

const ENABLED = new Set(["meds[0]", "meds[0].drug", "meds[0].times[0]", "meds[0].times[0].hour", "meds[1]", "meds[1].drug", "meds-2[7]"]);

test("instances are counted by what is on", () => {
  assert.equal(instancesIn(ENABLED, "meds"), 2);
  assert.equal(instancesIn(ENABLED, "meds[0].times"), 1);
  assert.equal(instancesIn(ENABLED, "allergies"), 0);
});

test("the next instance has what the controller names, and nothing else", () => {
  const shown = { next_instances: { meds: ["meds[2]", "meds[2].drug"] } };
  const opened = withNext(ENABLED, shown, "meds");
  assert.deepEqual([...(opened ?? [])].filter((id) => !ENABLED.has(id)), ["meds[2]", "meds[2].drug"]);
});

test("where the controller names none, none may be added", () => {
  assert.equal(withNext(ENABLED, { next_instances: { meds: ["meds[2]"] } }, "meds[0].times"), null);
  assert.equal(withNext(ENABLED, {}, "meds"), null);
});
