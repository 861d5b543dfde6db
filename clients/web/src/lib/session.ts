// One session as this device knows it: its newest view, and its commands until they are decided.
import { type Signal, signal } from "@preact/signals";
import {
  type Command,
  type FacilityView,
  type PatientView,
  type RefusedCommand,
  type Rejection,
  topics,
} from "../../generated/wire.ts";
import type { Connection } from "./connection.ts";
import { uuid } from "./ids.ts";
import { decode } from "./payload.ts";
import { Refused } from "./requests.ts";
import { keyOf, seal, sealBytes, unseal, unsealBytes } from "./sealed.ts";
import { tabStorage } from "./storage.ts";

type Head = "v" | "command_id" | "seq" | "sent_at" | "expected_revision";
export type Intent = Command extends infer C ? (C extends Command ? Omit<C, Head> : never) : never;

interface Held {
  command: Command;
  sent: boolean;
}

interface Promised {
  resolve: () => void;
  reject: (refused: Refused) => void;
}

interface Memory {
  epoch: number;
  next: number;
  /** How many commands are sealed. */
  waiting: number;
  /** The commands that nothing has decided yet, encrypted: they hold what a person typed. */
  sealed: string | null;
}

/** Commands in flight: as many refusals as a view keeps. */
const WINDOW = 10;
const HAS_ENDED = new Set(["completed", "cancelled", "expired"]);
/** What passes by itself: it is sent again once it is over. */
const HEALED_BY_TIME = ["locked_for_signature", "session_paused"];
/** Not counted, and so in no view: these decide at once. */
const PROVISIONAL = ["unavailable", "too_many"];

/** What a patient's command enters: two of the same replace each other. Null: nothing. */
function entryOf(command: Command): string | null {
  switch (command.type) {
    case "ENTER_FIELD":
    case "CLEAR_FIELD":
    case "BEGIN_UPLOAD":
      return `field ${command.field_id}`;
    case "REPORT_READING":
      return `reading ${command.field_id}`;
    case "FINISH_UPLOAD":
      return `upload ${command.upload}`;
    case "SUBMIT_SIGNATURE":
    case "DECLINE_SIGNATURE":
      return "signature";
    default:
      return null;
  }
}

/** Whether a pause, or a signature that is requested, keeps a command from being taken. */
function isBlocked(view: PatientView | FacilityView, command: Command): boolean {
  if (view.status === "paused") return true;
  return view.signature?.status === "requested" && entryOf(command) !== "signature";
}

/** Whether a view is older than the one that is shown. */
export function isOlder(one: { epoch: number; revision: number; acknowledged_seq: number }, than: typeof one): boolean {
  if (one.epoch !== than.epoch) return one.epoch < than.epoch;
  if (one.revision !== than.revision) return one.revision < than.revision;
  return one.acknowledged_seq < than.acknowledged_seq;
}

const isAnswer = ({ type }: Command) => type === "ENTER_FIELD" || type === "CLEAR_FIELD";

export class Session<V extends PatientView | FacilityView> {
  readonly view: Signal<V | null> = signal(null);
  /** The view was taken away: this device is out of the session. */
  readonly departed = signal(false);
  /** How many commands nothing has decided yet. */
  readonly waiting = signal(0);
  /** How many of them are answers: the number that the patient reads. */
  readonly unsent = signal(0);

  private held: Held[] = [];
  /** Refused for a time, and sent again after it. */
  private healing: { command: Command; refusal: RefusedCommand }[] = [];
  private readonly promised = new Map<string, Promised>();
  private next = 0;
  private epoch = 0;
  /** Whether the view of this connection has arrived. */
  private fresh = false;
  /** From the view, and kept in memory only: what is stored is unreadable without the box. */
  private storageKey: Uint8Array | null = null;
  /** What the page before a reload had stored, until a view brings the key. */
  private sealed: string | null = null;
  private sealedCount = 0;
  private closed = false;
  private readonly undo: (() => void)[];
  private readonly connection: Connection;
  readonly id: string;

  constructor(connection: Connection, id: string) {
    this.connection = connection;
    this.id = id;
    const { site, device } = connection.me;
    const memory = tabStorage.get<Memory>(this.key);
    if (memory !== null) {
      this.epoch = memory.epoch;
      this.next = memory.next;
      this.sealed = memory.sealed ?? null;
      this.sealedCount = this.sealed === null ? 0 : memory.waiting;
      this.waiting.value = this.sealedCount;
      this.unsent.value = this.sealedCount;
    }
    this.undo = [
      connection.on(topics.state(site, id, device), (_, payload) => this.seen(payload)),
      connection.on(topics.rejection(site, id, device), (_, payload) => this.refused(payload)),
      connection.onUp(() => {
        this.held.forEach((one) => (one.sent = false));
        // Not before the view of this connection: it may have been decided already.
        this.fresh = false;
      }),
    ];
  }

  private get key(): string {
    return `outbox.${this.id}`;
  }

  /** Queue a command; resolves when it was decided. Raises `Refused`. */
  send(intent: Intent): Promise<void> {
    const coalesced = this.replaceUnsent(intent);
    const command = coalesced ?? this.number(intent);
    if (coalesced === null) this.held.push({ command, sent: false });
    this.supersede(command);
    this.remember();
    this.pump();
    return new Promise((resolve, reject) => {
      this.promised.get(command.command_id)?.resolve();
      this.promised.set(command.command_id, { resolve, reject });
    });
  }

  /** Stop listening, and hold nothing in memory any more; what is stored stays, encrypted. */
  close(): void {
    this.closed = true;
    this.undo.forEach((undo) => undo());
    this.held = [];
    this.healing = [];
    this.promised.clear();
    this.storageKey = null;
    this.view.value = null;
  }

  /** How many fields have an entry that the session has not taken yet. */
  get undecided(): number {
    const entries = [...this.healing, ...this.held].map((one) => entryOf(one.command));
    return new Set(entries.filter((one) => one?.startsWith("field "))).size;
  }

  /** Encrypt a document of a field for this browser's storage; null before the first view. */
  sealDocument(field: string, bytes: Uint8Array): Uint8Array | null {
    return this.storageKey && sealBytes(this.storageKey, `unsent ${this.id} ${field}`, bytes);
  }

  /** What `sealDocument` was given; null for what is not readable with the key of this session. */
  unsealDocument(field: string, sealed: Uint8Array): Uint8Array | null {
    return this.storageKey && unsealBytes(this.storageKey, `unsent ${this.id} ${field}`, sealed);
  }

  /** Whether a command of a type is not decided yet. */
  holds(type: Command["type"]): boolean {
    return [...this.healing, ...this.held].some((one) => one.command.type === type);
  }

  /** Where a document's bytes go. */
  chunkTopic(upload: string, offset: number): string {
    const { site, device } = this.connection.me;
    return topics.upload(site, this.id, device, upload, String(offset));
  }

  private number(intent: Intent): Command {
    return { ...this.head(), ...intent };
  }

  private head() {
    this.next = Math.max(this.next, (this.view.value?.acknowledged_seq ?? 0) + 1);
    return { v: 1 as const, command_id: uuid(), seq: this.next++, sent_at: new Date().toISOString() };
  }

  /** While nothing gets through, only the last value of a field is worth keeping. */
  private replaceUnsent(intent: Intent): Command | null {
    const last = this.held.at(-1);
    if (last === undefined || last.sent || last.command.type !== intent.type) return null;
    if (intent.type !== "ENTER_FIELD" || last.command.type !== "ENTER_FIELD") return null;
    if (last.command.field_id !== intent.field_id) return null;
    last.command = { ...last.command, value: intent.value };
    return last.command;
  }

  private pump(): void {
    if (!this.connection.up || !this.fresh) return;
    const { site, device } = this.connection.me;
    // Nobody comes back to a session that has ended: all that is held is handed in, to be refused.
    const window = HAS_ENDED.has(this.view.value?.status ?? "") ? Infinity : WINDOW;
    let inFlight = this.held.filter((one) => one.sent).length;
    for (const one of this.held) {
      if (one.sent) continue;
      if (inFlight++ >= window) return;
      one.sent = true;
      this.connection.send(topics.command(site, this.id, device), one.command);
    }
  }

  private seen(payload: Uint8Array): void {
    if (payload.length === 0) {
      this.departed.value = true;
      return;
    }
    const view = decode<V>(payload);
    if (view === null) return;
    this.departed.value = false;
    this.unlock(view);
    const before = this.view.value;
    if (before !== null && isOlder(view, before)) {
      this.fresh = true;
      return this.pump();
    }
    if (this.epoch !== view.epoch) {
      if (this.epoch !== 0) this.renumber(view.acknowledged_seq);
      this.epoch = view.epoch;
    }
    this.view.value = view;
    this.decided(view);
    this.fresh = true;
    this.sendAgain();
    this.pump();
  }

  /** With the key of the view, take up what was stored before a reload. */
  private unlock(view: V): void {
    const key = "storage_key" in view ? keyOf(view.storage_key) : null;
    if (key === null) return;
    this.storageKey = key;
    if (this.sealed === null) return;
    const kept = unseal<Command[]>(key, this.key, this.sealed) ?? [];
    this.sealed = null;
    this.sealedCount = 0;
    this.held = [...kept.map((command) => ({ command, sent: false })), ...this.held];
    this.remember();
  }

  /** A view tells what became of each command: MQTT does not order it and a rejection. */
  private decided(view: V): void {
    const done = this.held.filter((one) => one.command.seq <= view.acknowledged_seq);
    if (done.length === 0) return;
    this.held = this.held.filter((one) => one.command.seq > view.acknowledged_seq);
    for (const { command } of done) {
      const refusal = view.refused?.find((one) => one.command_id === command.command_id);
      if (refusal === undefined) this.take(command.command_id)?.resolve();
      else this.turnedDown(command, refusal);
    }
    this.remember();
  }

  private turnedDown(command: Command, refusal: RefusedCommand): void {
    const entry = entryOf(command);
    const later = [...this.held, ...this.healing].some((one) => entryOf(one.command) === entry);
    if (entry !== null && !later && HEALED_BY_TIME.includes(refusal.code)) this.healing.push({ command, refusal });
    else this.take(command.command_id)?.reject(new Refused({ v: 1, type: "REJECTION", ...refusal }));
  }

  /** A new entry replaces what waits to be sent again. */
  private supersede(by: Command): void {
    const entry = entryOf(by);
    if (entry === null) return;
    const gone = this.healing.filter((one) => entryOf(one.command) === entry);
    this.healing = this.healing.filter((one) => !gone.includes(one));
    for (const { command, refusal } of gone) {
      this.take(command.command_id)?.reject(new Refused({ v: 1, type: "REJECTION", ...refusal }));
    }
  }

  /** Queue what was refused for a time, each as a new command: its number is used up. */
  private sendAgain(): void {
    const view = this.view.value;
    if (view === null) return;
    const healed = this.healing.filter(({ command }) => command.seq <= view.acknowledged_seq && !isBlocked(view, command));
    if (healed.length === 0) return;
    this.healing = this.healing.filter((one) => !healed.includes(one));
    for (const { command: before } of healed) {
      const command = { ...before, ...this.head() };
      const promised = this.take(before.command_id);
      if (promised) this.promised.set(command.command_id, promised);
      this.held.push({ command, sent: false });
    }
    this.remember();
  }

  private take(commandId: string): Promised | undefined {
    const promised = this.promised.get(commandId);
    this.promised.delete(commandId);
    return promised;
  }

  private refused(payload: Uint8Array): void {
    const rejection = decode<Rejection>(payload);
    if (rejection === null) return;
    if (rejection.code === "sequence_gap") return this.again(Number(rejection.details?.expected_seq));
    if (rejection.code === "sequence_reused") return this.renumber(rejection.seq ?? 0);
    // If it was counted, the view says so; if not, it is sent again with the next connection.
    if (PROVISIONAL.includes(rejection.code)) return;
    const held = this.held.find((one) => one.command.command_id === rejection.command_id);
    if (held === undefined) return;
    this.held = this.held.filter((one) => one !== held);
    this.turnedDown(held.command, { ...rejection, seq: held.command.seq, command_id: held.command.command_id });
    this.sendAgain();
    this.remember();
    this.pump();
  }

  private again(from: number): void {
    const first = this.held[0]?.command.seq;
    if (first !== undefined && first > from) {
      this.renumber(from - 1);
      return;
    }
    if (first === undefined) this.next = from;
    this.held.forEach((one) => (one.sent = false));
    this.pump();
  }

  /** This device's memory and the controller's differ: go on from what the controller has. */
  private renumber(acknowledged: number): void {
    this.next = acknowledged + 1;
    for (const one of this.held) {
      one.command = { ...one.command, seq: this.next++ };
      one.sent = false;
    }
    this.remember();
    this.pump();
  }

  private remember(): void {
    if (this.closed) return;
    const held = [...this.healing, ...this.held].map((one) => one.command);
    const waiting = held.filter(isAnswer).length + this.sealedCount;
    this.waiting.value = held.length + this.sealedCount;
    this.unsent.value = waiting;
    const { epoch, next } = this;
    const sealed = this.storageKey && held.length > 0 ? seal(this.storageKey, this.key, held) : this.sealed;
    tabStorage.put(this.key, { epoch, next, waiting, sealed } satisfies Memory);
  }
}
