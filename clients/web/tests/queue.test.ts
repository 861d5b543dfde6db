// The queue: who needs staff, in which order.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LobbyLine } from "../generated/wire.ts";
import { matches, queueOf, withKnown } from "../src/facility/queue.ts";

const AT = "2026-11-22T10:00:00.000Z";

function line(session: string, more: Partial<LobbyLine> = {}): LobbyLine {
  return {
    session,
    label: session,
    flow_ref: "f",
    status: "active",
    step_id: "a",
    step_index: 0,
    steps_total: 2,
    patient_online: true,
    help_requested: false,
    host: "d",
    opened_at: AT,
    updated_at: AT,
    ...more,
  };
}

const later = "2026-11-22T10:05:00.000Z";

test("help comes before ready, ready before a document, and each by how long it waits", () => {
  const open = [
    line("idle", { patient_idle: true, idle_since: AT }),
    line("document", { to_review: 1, to_review_since: AT }),
    line("ready-late", { ready_since: later }),
    line("ready", { ready_since: AT }),
    line("help", { help_requested: true, help: { status: "asked", since: later } }),
    line("away", { patient_online: false, patient_since: AT }),
    line("calm"),
    line("waiting", { status: "waiting", patient_online: false }),
  ];
  const queue = queueOf(open, [], [line("done", { status: "completed" })]);
  assert.deepEqual(queue.needs.map((one) => one.session), ["help", "ready", "ready-late", "document", "idle", "away"]);
  assert.deepEqual(queue.filling.map((one) => one.session), ["calm"]);
  assert.deepEqual(queue.waiting.map((one) => one.session), ["waiting"]);
  assert.deepEqual(queue.done.map((one) => one.session), ["done"]);
});

test("all reasons are kept, with the time of the most urgent", () => {
  const [entry] = queueOf([line("x", { ready_since: later, to_review: 2, to_review_since: AT })], [], []).needs;
  assert.deepEqual(entry?.reasons, ["ready", "review"]);
  assert.equal(entry.since, later);
});

test("help that is on its way does not stand before who still waits", () => {
  const open = [line("coming", { help_requested: true, help: { status: "coming", since: AT } }), line("ready", { ready_since: later })];
  assert.deepEqual(queueOf(open, [], []).needs.map((one) => one.session), ["ready", "coming"]);
});

test("a check-in that is complete and held is told once, where it needs staff", () => {
  const held = { session: "x", label: null, flow_ref: "f", completed_at: AT, destinations: ["ehr"], missing: ["name"] };
  const queue = queueOf([], [held], [line("x", { status: "completed" })]);
  assert.equal(queue.needs.length, 1);
  assert.equal(queue.done.length, 0);
});

test("a line that is the same stays the same object", () => {
  const before = [line("a"), line("b")];
  const after = withKnown([line("a"), line("b", { step_index: 1 })], before);
  assert.equal(after[0], before[0]);
  assert.notEqual(after[1], before[1]);
});

test("search looks at all words, without case and accents", () => {
  assert.ok(matches("jose ROOM", ["José G.", "Room 3"]));
  assert.ok(!matches("jose 4", ["José G.", "Room 3"]));
});
