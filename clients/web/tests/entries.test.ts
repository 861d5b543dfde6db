// What the patient enters: shown at once, sent after a pause, and settled by the controller.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Entries } from "../src/patient/entries.ts";
import { Desk, refusal, settled } from "./doubles.ts";

const PAUSE_MS = 120;
let desk: Desk;
let entries: Entries;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  desk = new Desk();
  entries = new Entries(desk.session);
});

const intents = () => desk.asked.map(({ intent }) => intent);
const type = (value: unknown) => entries.enter("name", value, { typed: true });
const pick = (value: unknown) => entries.enter("name", value, { typed: false });

test("what is typed is sent once the hand pauses, and shown at once", () => {
  type("A");
  mock.timers.tick(PAUSE_MS - 1);
  type("Ad");
  mock.timers.tick(PAUSE_MS - 1);
  assert.deepEqual(intents(), []);
  assert.equal(entries.value("name"), "Ad");
  mock.timers.tick(1);
  assert.deepEqual(intents(), [{ type: "ENTER_FIELD", field_id: "name", value: "Ad" }]);
});

test("what is picked is sent at once", () => {
  pick(true);
  assert.deepEqual(intents(), [{ type: "ENTER_FIELD", field_id: "name", value: true }]);
});

test("a draft is shown until it is decided, then what the box has", async () => {
  pick("ada");
  desk.show({ fields: { name: { value: "Ada" } } });
  assert.equal(entries.value("name"), "ada");
  desk.asked[0]?.accept();
  await settled();
  assert.equal(entries.value("name"), "Ada");
});

test("emptying a field clears it; emptying an empty one sends nothing", () => {
  pick("  ");
  assert.deepEqual(intents(), []);
  assert.equal(entries.drafts.value.size, 0);
  desk.show({ fields: { name: { value: "Ada" } } });
  pick(undefined);
  assert.deepEqual(intents(), [{ type: "CLEAR_FIELD", field_id: "name" }]);
});

test("emptying a field whose entry is not decided yet clears it", () => {
  pick("Ada");
  pick("");
  assert.deepEqual(intents().map((one) => one.type), ["ENTER_FIELD", "CLEAR_FIELD"]);
});

test("a refusal is said beside the field, unless it was mended meanwhile", async () => {
  pick("Ada");
  desk.asked[0]?.refuse(refusal("too_large"));
  await settled();
  assert.equal(entries.problems.value.get("name"), "refused: too_large");
  pick("Bob");
  assert.equal(entries.problems.value.get("name"), undefined);
  type("Cid");
  desk.asked[1]?.refuse(refusal("too_large"));
  await settled();
  assert.equal(entries.problems.value.get("name"), undefined);
  assert.equal(entries.value("name"), "Cid");
});

test("what cannot be sent yet is said at once", () => {
  entries.enter("age", undefined, { typed: true, problem: "not a number" });
  assert.equal(entries.problems.value.get("age"), "not a number");
  entries.fault("age");
  assert.equal(entries.problems.value.size, 0);
});

test("leaving a step sends what waits, once, and keeps it until it is decided", async () => {
  type("Ada");
  entries.leave();
  assert.equal(desk.asked.length, 1);
  assert.equal(entries.value("name"), "Ada");
  mock.timers.tick(PAUSE_MS);
  assert.equal(desk.asked.length, 1, "sent once");
  assert.deepEqual(entries.notTaken([]), [], "it may still be taken");
  desk.asked[0]?.accept();
  await settled();
  assert.equal(entries.drafts.value.size, 0);
});

test("what was refused stays in the patient's own words until it is changed or let go", async () => {
  pick("Ada");
  entries.leave();
  desk.asked[0]?.refuse(refusal("field_not_on_this_step"));
  await settled();
  assert.equal(entries.value("name"), "Ada");
  const kept = { id: "name", value: "Ada", why: "refused: field_not_on_this_step" };
  assert.deepEqual(entries.notTaken([]), [kept]);
  assert.deepEqual(entries.notTaken(["name"]), [], "its field is on the screen, and says it itself");
  entries.letGo("name");
  assert.deepEqual(entries.notTaken([]), []);
  assert.equal(entries.value("name"), undefined);
});

test("what is no value of the field's kind is kept as typed, and told once the hand is off", () => {
  desk.show({ fields: { age: { value: 12 } } });
  entries.enter("age", undefined, { typed: true, problem: "not a number", text: "12,0" });
  mock.timers.tick(PAUSE_MS);
  entries.flush();
  entries.flush();
  assert.deepEqual(intents(), [
    { type: "CLEAR_FIELD", field_id: "age" },
    { type: "ENTER_FIELD", field_id: "age", value: "12,0" },
  ]);
  assert.equal(entries.typed("age"), "12,0");
  assert.deepEqual(entries.notTaken([]), [{ id: "age", value: "12,0", why: "not a number" }]);
});

test("what is wrong is said once the field is left, and not while it is typed in", async () => {
  desk.show({ fields: { zip: { value: "9", error: "At least 5 characters." } } });
  assert.equal(entries.problem("zip"), "At least 5 characters.", "it was held before: said at once");
  entries.enter("zip", "97", { typed: true });
  assert.equal(entries.problem("zip"), undefined);
  entries.done("zip");
  assert.equal(entries.problem("zip"), undefined, "the hand went to another control of it");
  entries.done();
  assert.equal(entries.left.value, "zip");
  assert.equal(entries.problem("zip"), undefined, "what the view says is of the entry before");
  desk.show({ fields: { zip: { value: "97", error: "Not long enough." } } });
  desk.asked[0]?.accept();
  await settled();
  assert.equal(entries.problem("zip"), "Not long enough.");
  entries.enter("zip", "972", { typed: true });
  assert.equal(entries.problem("zip"), undefined, "typing hides it again");
  assert.equal(entries.left.value, null);
});

test("a problem that the page finds waits as well", () => {
  entries.enter("age", undefined, { typed: true, problem: "not a number", text: "x" });
  assert.equal(entries.problem("age"), undefined);
  assert.equal(entries.editing.value, "age");
  entries.done("name");
  assert.equal(entries.problem("age"), "not a number");
  entries.enter("name", "Ada", { typed: true });
  assert.equal(entries.problem("age"), "not a number", "typing elsewhere hides nothing");
});

test("an entry elsewhere, and another step, leave the field too", () => {
  entries.enter("age", undefined, { typed: true, problem: "not a number", text: "x" });
  pick("Ada");
  assert.equal(entries.problem("age"), "not a number");
  entries.enter("age", undefined, { typed: true, problem: "still none", text: "y" });
  entries.leave();
  assert.equal(entries.problem("age"), "still none");
  assert.equal(entries.left.value, null, "another step is on the screen");
});

test("where the staff ask for a correction, what is wrong is said while it is typed in", () => {
  entries.enter("age", undefined, { typed: true, problem: "not a number", text: "x" });
  desk.show({ fields: { age: { value: null, correction: "As on your card" } } });
  assert.equal(entries.problem("age"), "not a number");
});

test("where the patient is, is told once; an entry tells it as well", () => {
  entries.focus("name");
  entries.focus("name");
  entries.enter("age", 3, { typed: false });
  entries.focus("age");
  assert.deepEqual(intents().map((one) => one.type), ["FOCUS_FIELD", "ENTER_FIELD"]);
});

test("who picked the one answer of a field is done with it; who may pick more is not", async () => {
  pick("Ada");
  assert.equal(entries.left.value, "name");
  desk.show({ fields: { name: { value: "Ada", error: "Pick another." } } });
  desk.asked[0]?.accept();
  await settled();
  assert.equal(entries.problem("name"), "Pick another.");
  entries.enter("name", ["Ada"], { typed: false, more: true });
  desk.asked[1]?.accept();
  await settled();
  assert.equal(entries.problem("name"), undefined);
  entries.done();
  assert.equal(entries.problem("name"), "Pick another.");
});
