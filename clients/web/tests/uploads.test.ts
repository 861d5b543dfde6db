// A document on its way: in pieces, a few at a time, from where the box has it.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import type { Rejection } from "../generated/wire.ts";
import { sha256Hex } from "../src/lib/ids.ts";
import { Uploads } from "../src/patient/uploads.ts";
import { Desk, Line, refusal, settled } from "./doubles.ts";

const CHUNK = 64 * 1024;
const QUIET_MS = 8_000;
const BYTES = Uint8Array.from({ length: 4 * CHUNK + 10 }, (_, n) => n % 251);

let desk: Desk;
let line: Line;
let uploads: Uploads;
let failed: [string, Rejection | null][];

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  desk = new Desk();
  line = new Line();
  failed = [];
  uploads = new Uploads(line.connection, desk.session, (id, rejection) => failed.push([id, rejection]));
});

const offsets = () => line.sent.map(({ topic }) => Number(topic.split("/")[1]) / CHUNK);
const upload = () => line.sent[0]?.topic.split("/")[0] ?? "";
const lastIntent = () => desk.asked.at(-1)?.intent;

/** Begin, and let the box accept that. */
async function begun(bytes = BYTES): Promise<void> {
  uploads.begin("card", bytes, "image/png");
  desk.asked.at(-1)?.accept();
  await settled();
}

async function received(bytes: number): Promise<void> {
  desk.show({ documents: { card: { status: "receiving", upload: upload(), received: bytes } } });
  await settled();
}

test("the box is told what comes, and nothing is sent before it agrees", async () => {
  uploads.begin("card", BYTES, "image/png");
  await settled();
  const { upload: name, ...told } = lastIntent() as { upload: string };
  assert.match(name, /^u-/);
  assert.deepEqual(told, { type: "BEGIN_UPLOAD", field_id: "card", size: BYTES.length, sha256: sha256Hex(BYTES), media_type: "image/png" });
  assert.equal(line.sent.length, 0);
});

test("three pieces are on their way at a time", async () => {
  await begun();
  mock.timers.tick(0);
  assert.deepEqual(offsets(), [0, 1, 2]);
  line.sent[0]?.done?.();
  assert.deepEqual(offsets(), [0, 1, 2, 3]);
  assert.deepEqual(line.sent[0]?.payload, BYTES.subarray(0, CHUNK));
});

test("once the box has all, the upload is finished, and no longer shown as running", async () => {
  await begun();
  assert.deepEqual(uploads.progress.value.get("card"), { sent: 0, size: BYTES.length });
  await received(CHUNK);
  assert.deepEqual(uploads.progress.value.get("card"), { sent: CHUNK, size: BYTES.length });
  await received(BYTES.length);
  assert.deepEqual(lastIntent(), { type: "FINISH_UPLOAD", upload: upload() });
  desk.asked.at(-1)?.accept();
  await settled();
  assert.equal(uploads.progress.value.size, 0);
  assert.deepEqual(failed, []);
});

test("after a silence, sending goes on from where the box is", async () => {
  await begun();
  await received(2 * CHUNK);
  mock.timers.tick(QUIET_MS);
  assert.deepEqual(offsets(), [0, 1, 2, 2, 3, 4]);
});

test("after a lost connection, sending goes on from where the box is", async () => {
  await begun();
  await received(CHUNK);
  line.lose();
  line.comeBack();
  mock.timers.tick(0);
  assert.deepEqual(offsets(), [0, 1, 2, 1, 2, 3]);
});

test("what the box misses at the end is sent again", async () => {
  await begun();
  await received(BYTES.length);
  await received(4 * CHUNK);
  desk.asked.at(-1)?.refuse(refusal("upload_incomplete"));
  await settled();
  assert.equal(offsets().at(-1), 4);
  await received(BYTES.length);
  assert.equal(desk.asked.filter(({ intent }) => intent.type === "FINISH_UPLOAD").length, 2);
});

test("what the box has lost is sent again from its first byte", async () => {
  await begun();
  await received(BYTES.length);
  const before = line.sent.length;
  await received(0);
  desk.asked.at(-1)?.refuse(refusal("upload_incomplete"));
  await settled();
  assert.deepEqual(offsets().slice(before), [0, 1, 2]);
  assert.deepEqual(failed, []);
});

test("a refused document ends the upload, with the reason", async () => {
  await begun();
  await received(BYTES.length);
  const rejection = refusal("upload_corrupt", { details: { reason: "damaged" } });
  desk.asked.at(-1)?.refuse(rejection);
  await settled();
  assert.deepEqual(failed, [["card", rejection]]);
  assert.equal(uploads.progress.value.size, 0);
});

test("a newer document of the same field takes the older one's place", async () => {
  await begun();
  const older = upload();
  await begun(BYTES.subarray(0, 10));
  const before = line.sent.length;
  line.sent[0]?.done?.();
  await settled();
  assert.equal(line.sent.slice(before).filter(({ topic }) => topic.startsWith(older)).length, 0);
  assert.deepEqual(uploads.progress.value.get("card"), { sent: 0, size: 10 });
});

test("another upload's progress is not this one's", async () => {
  await begun();
  desk.show({ documents: { card: { status: "receiving", upload: "u-other", received: BYTES.length } } });
  await settled();
  assert.equal(lastIntent()?.type, "BEGIN_UPLOAD");
});

test("nothing is sent once all is stopped", async () => {
  await begun();
  uploads.stop();
  line.sent[0]?.done?.();
  mock.timers.tick(QUIET_MS);
  await settled();
  assert.equal(line.sent.length, 3);
});
