// This device's side of one session: its newest view, and its commands until they are decided.
import { type Signal, signal } from "@preact/signals";
import {
  type Command,
  type FacilityView,
  type PatientView,
  type Rejection,
  topics,
} from "../../generated/wire";
import { Refused } from "./asking";
import { type Connection, decode } from "./connection";
import { uuid } from "./ids";
import { ofSession } from "./keep";

type Head = "v" | "command_id" | "seq" | "sent_at" | "expected_revision";
export type Intent = Command extends infer C ? (C extends Command ? Omit<C, Head> : never) : never;

interface Held {
  command: Command;
  sent: boolean;
}

interface Promised {
  settle: () => void;
  fail: (refused: Refused) => void;
}

interface Memory {
  epoch: number;
  next: number;
  held: Command[];
}

/** Whether a view is older than the one that is shown. */
export function isOlder(one: { epoch: number; revision: number; acknowledged_seq: number }, than: typeof one): boolean {
  if (one.epoch !== than.epoch) return one.epoch < than.epoch;
  if (one.revision !== than.revision) return one.revision < than.revision;
  return one.acknowledged_seq < than.acknowledged_seq;
}

export class Side<V extends PatientView | FacilityView> {
  readonly view: Signal<V | null> = signal(null);
  /** The view was taken away: this device is out of the session. */
  readonly departed = signal(false);
  /** Commands that nothing has decided yet. */
  readonly waiting = signal(0);

  private held: Held[] = [];
  private readonly promised = new Map<string, Promised>();
  private next = 0;
  private epoch = 0;
  private readonly undo: (() => void)[];

  constructor(
    private readonly connection: Connection,
    readonly session: string,
  ) {
    const { site, device } = connection.me;
    const memory = ofSession.get<Memory>(this.key);
    if (memory !== null) {
      this.epoch = memory.epoch;
      this.next = memory.next;
      this.held = memory.held.map((command) => ({ command, sent: false }));
      this.waiting.value = this.held.length;
    }
    this.undo = [
      connection.on(topics.state(site, session, device), (_, payload) => this.seen(payload)),
      connection.on(topics.rejection(site, session, device), (_, payload) => this.refused(payload)),
      connection.onUp(() => {
        this.held.forEach((one) => (one.sent = false));
        // Not before the view of this connection: it may have been decided already.
        this.fresh = false;
      }),
    ];
  }

  private fresh = false;

  private get key(): string {
    return `outbox.${this.session}`;
  }

  /** Queue a command; settles when it was decided. Raises `Refused`. */
  send(intent: Intent): Promise<void> {
    const coalesced = this.replaceUnsent(intent);
    const command = coalesced ?? this.number(intent);
    if (coalesced === null) this.held.push({ command, sent: false });
    this.remember();
    this.pump();
    return new Promise((settle, fail) => {
      this.promised.get(command.command_id)?.settle();
      this.promised.set(command.command_id, { settle, fail });
    });
  }

  /** Stop listening. */
  close(): void {
    this.undo.forEach((undo) => undo());
  }

  /** Where a document's bytes go. */
  chunkTopic(upload: string, offset: number): string {
    const { site, device } = this.connection.me;
    return topics.upload(site, this.session, device, upload, String(offset));
  }

  private number(intent: Intent): Command {
    this.next = Math.max(this.next, (this.view.value?.acknowledged_seq ?? 0) + 1);
    const head = { v: 1, command_id: uuid(), seq: this.next++, sent_at: new Date().toISOString() };
    return { ...head, ...intent } as Command;
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
    for (const one of this.held) {
      if (one.sent) continue;
      one.sent = true;
      this.connection.send(topics.command(site, this.session, device), one.command);
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
    const before = this.view.value;
    if (before !== null && isOlder(view, before)) {
      this.fresh = true;
      return this.pump();
    }
    if (this.epoch !== view.epoch) {
      if (this.epoch !== 0) this.renumber(view.acknowledged_seq);
      this.epoch = view.epoch;
    }
    this.decided(view.acknowledged_seq);
    this.view.value = view;
    this.fresh = true;
    this.pump();
  }

  private decided(seq: number): void {
    const done = this.held.filter((one) => one.command.seq <= seq);
    if (done.length === 0) return;
    this.held = this.held.filter((one) => one.command.seq > seq);
    this.remember();
    for (const { command } of done) this.take(command.command_id)?.settle();
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
    this.held = this.held.filter((one) => one.command.command_id !== rejection.command_id);
    this.remember();
    this.take(rejection.command_id ?? "")?.fail(new Refused(rejection));
  }

  private again(from: number): void {
    const first = this.held[0]?.command.seq;
    if (first === undefined) this.next = from;
    else if (first > from) this.renumber(from - 1);
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
    this.waiting.value = this.held.length;
    const held = this.held.map((one) => one.command);
    ofSession.put(this.key, { epoch: this.epoch, next: this.next, held } satisfies Memory);
  }
}
