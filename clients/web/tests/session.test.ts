// One session over a connection that comes and goes: each command is decided exactly once.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Command, PatientView } from "../generated/wire.ts";
import { Refused } from "../src/lib/requests.ts";
import { isOlder, Session } from "../src/lib/session.ts";
import { Line, newTab, refusal, settled, VIEW } from "./doubles.ts";

let line: Line;
let disk: Map<string, string>;
beforeEach(() => {
  disk = newTab();
  line = new Line();
});

const open = () => new Session<PatientView>(line.connection, "s");
const view = (revision: number, acknowledged_seq: number, epoch = 1) => line.deliver("state", { ...VIEW, revision, acknowledged_seq, epoch });
const commands = () => line.sent.map(({ payload }) => payload as Command);
const seqs = () => commands().map(({ seq }) => seq);
const enter = (session: Session<PatientView>, value: string, field_id = "name") => session.send({ type: "ENTER_FIELD", field_id, value });
const help = (session: Session<PatientView>) => session.send({ type: "ASK_FOR_HELP" });

test("nothing is sent before the view has told where the count stands", () => {
  const session = open();
  void help(session);
  assert.deepEqual(seqs(), []);
  view(1, 0);
  assert.deepEqual(seqs(), [1]);
});

test("commands go on from what was acknowledged", () => {
  const session = open();
  view(7, 4);
  void help(session);
  void help(session);
  assert.deepEqual(seqs(), [5, 6]);
  assert.equal(session.waiting.value, 2);
});

test("what the patient reads as waiting are answers, and nothing else", () => {
  const session = open();
  view(1, 0);
  line.lose();
  void help(session);
  void session.send({ type: "FOCUS_FIELD", field_id: "name" });
  assert.equal(session.unsent.value, 0);
  void enter(session, "Ada");
  assert.deepEqual([session.unsent.value, session.waiting.value], [1, 3]);
});

test("a command is decided by the view that acknowledges it", async () => {
  const session = open();
  view(1, 0);
  const first = help(session);
  view(2, 1);
  await first;
  assert.equal(session.waiting.value, 0);
});

test("a refusal rejects the command that it names, and no other", async () => {
  const session = open();
  view(1, 0);
  const [first, second] = [help(session), help(session)];
  line.deliver("rejections", refusal("session_paused", { command_id: commands()[0]?.command_id ?? null, seq: 1 }));
  await assert.rejects(first, Refused);
  assert.equal(session.waiting.value, 1);
  view(2, 2);
  await second;
});

const refusedInView = (revision: number, acknowledged_seq: number, code: string, more: Partial<PatientView> = {}) => {
  const sent = commands().at(-1);
  const refused = { seq: sent?.seq ?? 0, command_id: sent?.command_id ?? null, code, message: "No.", details: {} };
  line.deliver("state", { ...VIEW, revision, acknowledged_seq, refused: [refused], ...more });
};

test("a view tells of a refusal before the rejection does, or without it", async () => {
  const session = open();
  view(1, 0);
  const first = enter(session, "Ada");
  refusedInView(1, 1, "too_large");
  await assert.rejects(first, { message: "No." });
  line.deliver("rejections", refusal("too_large", { command_id: commands()[0]?.command_id ?? null, seq: 1 }));
  assert.equal(session.waiting.value, 0);
});

test("what time heals is sent again by itself, once, as a new command", async () => {
  const session = open();
  view(1, 0);
  const first = enter(session, "Ada");
  refusedInView(1, 1, "session_paused", { status: "paused" });
  await settled();
  assert.equal(session.waiting.value, 1);
  assert.equal(commands().length, 1, "not while it is paused");
  view(3, 1);
  view(3, 1);
  assert.deepEqual(seqs(), [1, 2]);
  assert.notEqual(commands()[0]?.command_id, commands()[1]?.command_id);
  view(4, 2);
  await first;
});

test("a newer entry of the same field replaces one that waits to be sent again", async () => {
  const session = open();
  view(1, 0);
  const old = enter(session, "Ada");
  refusedInView(1, 1, "locked_for_signature", {
    signature: { field_id: "sign", status: "requested", document_sha256: "0".repeat(64) },
  });
  line.lose();
  void enter(session, "Grace");
  await assert.rejects(old, Refused);
  line.comeBack();
  view(2, 1);
  const entered = commands().map((one) => ("value" in one ? one.value : null));
  assert.deepEqual(entered, ["Ada", "Grace"]);
});

test("a page that is loaded again still sends what was refused for a time", () => {
  const before = open();
  view(1, 0);
  void enter(before, "Ada").catch(() => undefined);
  refusedInView(1, 1, "session_paused", { status: "paused" });
  const refused = before.view.value?.refused;
  before.close();
  line = new Line();
  const after = open();
  assert.equal(after.waiting.value, 1);
  line.deliver("state", { ...VIEW, revision: 2, acknowledged_seq: 1, refused });
  assert.deepEqual(seqs(), [2]);
});

test("no more commands are in flight than a view has refusals", () => {
  const session = open();
  view(1, 0);
  for (let n = 0; n < 12; n++) void help(session);
  assert.equal(commands().length, 10);
  view(2, 3);
  assert.equal(commands().length, 12);
});

test("a box that cannot store is no refusal: the command waits for the next connection", async () => {
  const session = open();
  view(1, 0);
  const first = enter(session, "Ada");
  line.deliver("rejections", refusal("unavailable", { command_id: commands()[0]?.command_id ?? null, seq: 1 }));
  await settled();
  assert.equal(session.waiting.value, 1);
  line.lose();
  line.comeBack();
  view(1, 0);
  assert.deepEqual(seqs(), [1, 1]);
  view(2, 1);
  await first;
});

test("after a lost connection, what was not decided is sent again, in order and as it was", () => {
  const session = open();
  view(1, 0);
  void help(session);
  void enter(session, "Ada");
  const [, entry] = commands();
  line.lose();
  line.comeBack();
  assert.equal(line.sent.length, 2, "not before the view of this connection");
  view(2, 1);
  assert.deepEqual(commands().slice(2), [entry]);
});

test("of the unsent entries of one field the last is kept, under the same number", async () => {
  const session = open();
  view(1, 0);
  line.lose();
  const first = enter(session, "A");
  const last = enter(session, "Ada");
  void enter(session, "Roe", "surname");
  await first;
  line.comeBack();
  view(1, 0);
  const entered = commands().map((one) => ("value" in one ? [one.seq, one.value] : []));
  assert.deepEqual(entered, [[1, "Ada"], [2, "Roe"]]);
  view(2, 2);
  await last;
});

test("an entry that was sent is not changed any more", () => {
  const session = open();
  view(1, 0);
  void enter(session, "A");
  void enter(session, "Ada");
  assert.deepEqual(seqs(), [1, 2]);
});

test("a gap is filled: all from the expected number on goes again", () => {
  const session = open();
  view(1, 0);
  void help(session);
  void help(session);
  line.deliver("rejections", refusal("sequence_gap", { details: { expected_seq: 1 } }));
  assert.deepEqual(seqs(), [1, 2, 1, 2]);
});

test("a device that counted too far goes on from where the controller is", () => {
  const session = open();
  view(1, 4);
  void help(session);
  line.deliver("rejections", refusal("sequence_gap", { details: { expected_seq: 3 } }));
  assert.deepEqual(seqs(), [5, 3]);
});

test("a number that another command has used is not used again", () => {
  const session = open();
  view(1, 0);
  void help(session);
  line.deliver("rejections", refusal("sequence_reused", { seq: 3 }));
  assert.deepEqual(seqs(), [1, 4]);
});

test("after a restore, what was not decided is numbered as the restored box counts", () => {
  const session = open();
  view(9, 6);
  void help(session);
  view(3, 2, 2);
  assert.deepEqual(seqs(), [7, 3]);
  assert.equal(session.view.value?.epoch, 2);
});

test("a page that is loaded again sends what the one before had not seen decided", () => {
  const before = open();
  view(1, 0);
  void enter(before, "Ada");
  const [entry] = commands();
  before.close();
  line = new Line();
  const after = open();
  assert.equal(after.waiting.value, 1);
  view(1, 0);
  assert.deepEqual(commands(), [entry]);
  void help(after);
  assert.deepEqual(seqs(), [1, 2]);
});

test("an older view is not shown", () => {
  const session = open();
  view(5, 1);
  view(4, 1);
  assert.equal(session.view.value?.revision, 5);
  assert.ok(isOlder({ epoch: 1, revision: 9, acknowledged_seq: 9 }, { epoch: 2, revision: 1, acknowledged_seq: 0 }));
  assert.ok(isOlder({ epoch: 1, revision: 9, acknowledged_seq: 1 }, { epoch: 1, revision: 9, acknowledged_seq: 2 }));
  assert.ok(!isOlder({ epoch: 1, revision: 9, acknowledged_seq: 1 }, { epoch: 1, revision: 9, acknowledged_seq: 1 }));
});

test("a view that is taken away says that this device is out, until one comes again", () => {
  const session = open();
  view(1, 0);
  line.deliver("state", null);
  assert.ok(session.departed.value);
  view(2, 0);
  assert.ok(!session.departed.value);
});

test("a payload that is not JSON changes nothing", async () => {
  const session = open();
  view(1, 0);
  const asked = help(session);
  const payload = new TextEncoder().encode("{");
  line.deliverRaw("state", payload);
  line.deliverRaw("rejections", payload);
  await settled();
  assert.equal(session.view.value?.revision, 1);
  view(2, 1);
  await asked;
});

const onDisk = () => [...disk.values()].join();
const reloaded = (before: Session<PatientView>) => {
  before.close();
  line = new Line();
  return open();
};

test("what is typed while the box is away is stored, and nowhere in clear", () => {
  const session = open();
  view(1, 0);
  line.lose();
  void enter(session, "Quatermass");
  assert.ok(onDisk().length > 100);
  assert.ok(!onDisk().includes("Quatermass"));
  assert.ok(!onDisk().includes("ENTER_FIELD"));
  assert.ok(!onDisk().includes("A".repeat(43)), "nor is the key");
});

test("without a key nothing that was typed is stored; a staff's screen has none", () => {
  const session = open();
  line.deliver("state", { ...VIEW, storage_key: undefined });
  line.lose();
  void enter(session, "Quatermass");
  assert.ok(!onDisk().includes("Quatermass"));
  const after = reloaded(session);
  assert.equal(after.waiting.value, 0);
});

test("before the key comes, what the page before stored is counted, and kept", () => {
  const session = open();
  view(1, 0);
  line.lose();
  void enter(session, "Quatermass");
  const between = reloaded(session);
  assert.equal(between.waiting.value, 1);
  line.deliver("state", { ...VIEW, storage_key: undefined });
  assert.deepEqual(commands(), []);
  reloaded(between);
  view(1, 0);
  assert.deepEqual(commands().map((one) => ("value" in one ? one.value : null)), ["Quatermass"]);
});

test("what another key sealed is not taken for commands", () => {
  const session = open();
  view(1, 0);
  line.lose();
  void enter(session, "Quatermass");
  const after = reloaded(session);
  line.deliver("state", { ...VIEW, storage_key: "B".repeat(43) });
  assert.deepEqual(commands(), []);
  assert.equal(after.waiting.value, 0);
});

test("a session that is closed holds nothing, and writes nothing any more", () => {
  const session = open();
  view(1, 0);
  line.lose();
  void enter(session, "Ada");
  const stored = onDisk();
  session.close();
  assert.equal(session.view.value, null);
  void enter(session, "Grace");
  assert.equal(onDisk(), stored, "what waits is still there, for this tab");
  disk.clear();
  void enter(session, "Grace");
  assert.equal(onDisk(), "");
});

test("of what is not decided yet, each field with an entry counts once", () => {
  const session = open();
  view(1, 0);
  void help(session);
  void enter(session, "A");
  void enter(session, "Ada");
  void enter(session, "Roe", "surname");
  assert.equal(session.undecided, 2);
  view(2, 3);
  assert.equal(session.undecided, 1);
  view(3, 4);
  assert.equal(session.undecided, 0);
});

test("ten at most are in flight; once the session has ended, all that is held is handed in", () => {
  const session = open();
  view(1, 0);
  line.lose();
  for (let n = 1; n <= 12; n++) void enter(session, "late", `field-${n}`);
  line.comeBack();
  view(1, 0);
  assert.equal(line.sent.length, 10);
  line.deliver("state", { ...VIEW, revision: 2, acknowledged_seq: 0, status: "cancelled" });
  assert.deepEqual(seqs(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});
