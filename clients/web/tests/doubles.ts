// Stand-ins for what surrounds the code under test: the browser's storage, a connection, a session.
import { signal } from "@preact/signals";
import type { PatientView, Rejection } from "../generated/wire.ts";
import type { Connection } from "../src/lib/connection.ts";
import { Refused } from "../src/lib/requests.ts";
import type { Intent, Session } from "../src/lib/session.ts";

/** The storage of a new tab, as its browser writes it to a disk. */
export function newTab(): Map<string, string> {
  const held = new Map<string, string>();
  const storage = {
    getItem: (key: string) => held.get(key) ?? null,
    setItem: (key: string, value: string) => void held.set(key, value),
    removeItem: (key: string) => void held.delete(key),
    clear: () => held.clear(),
  };
  Object.defineProperty(globalThis, "sessionStorage", { value: storage, configurable: true });
  return held;
}

export const VIEW: PatientView = {
  v: 1,
  session: "s",
  revision: 1,
  epoch: 1,
  updated_at: "2026-11-22T09:00:00.000Z",
  acknowledged_seq: 0,
  status: "active",
  flow_ref: "f-000000000000",
  step_id: "step",
  step_index: 0,
  steps_total: 1,
  check_words: ["acorn", "boat"],
  highlight: null,
  signature: null,
  help_requested: false,
  covered: false,
  enabled: [],
  fields: {},
  documents: {},
  reading: {},
  host_online: true,
  storage_key: "A".repeat(43),
};

export function refusal(code: Rejection["code"], more: Partial<Rejection> = {}): Rejection {
  return { v: 1, type: "REJECTION", code, message: `refused: ${code}`, ...more };
}

interface Sent {
  topic: string;
  payload: unknown;
  done: ((lost?: unknown) => void) | undefined;
}

/** A connection whose other end is the test. */
export class Line {
  readonly me = { site: "clinic", device: "tablet", role: "patient", secret: "" };
  readonly sent: Sent[] = [];
  up = true;
  private readonly handlers = new Map<string, (topic: string, payload: Uint8Array) => void>();
  private readonly ups = new Set<() => void>();

  get connection(): Connection {
    return this as unknown as Connection;
  }

  on(filter: string, handler: (topic: string, payload: Uint8Array) => void): () => void {
    this.handlers.set(filter, handler);
    return () => void this.handlers.delete(filter);
  }

  onUp(handler: () => void): () => void {
    this.ups.add(handler);
    if (this.up) handler();
    return () => void this.ups.delete(handler);
  }

  send(topic: string, payload: unknown, done?: (lost?: unknown) => void): void {
    this.sent.push({ topic, payload, done });
  }

  lose(): void {
    this.up = false;
  }

  comeBack(): void {
    this.up = true;
    this.ups.forEach((handler) => handler());
  }

  /** Deliver a message whose topic holds this part; null for an empty one. */
  deliver(part: "state" | "rejections", message: unknown): void {
    this.deliverRaw(part, new TextEncoder().encode(message === null ? "" : JSON.stringify(message)));
  }

  deliverRaw(part: "state" | "rejections", payload: Uint8Array): void {
    for (const [topic, handler] of this.handlers) if (topic.includes(`/${part}/`)) handler(topic, payload);
  }
}

interface Asked {
  intent: Intent;
  accept: () => void;
  refuse: (rejection: Rejection) => void;
}

/** A session that keeps what it is sent until the test decides. */
export class Desk {
  readonly view = signal<PatientView | null>(VIEW);
  readonly waiting = signal(0);
  readonly asked: Asked[] = [];

  get session(): Session<PatientView> {
    return this as unknown as Session<PatientView>;
  }

  /** This screen has no key, and keeps nothing. */
  sealDocument(): null {
    return null;
  }

  send(intent: Intent): Promise<void> {
    this.waiting.value += 1;
    return new Promise((resolve, reject) => {
      const decide = (outcome: () => void) => () => {
        this.waiting.value -= 1;
        outcome();
      };
      this.asked.push({
        intent,
        accept: decide(resolve),
        refuse: (rejection) => decide(() => reject(new Refused(rejection)))(),
      });
    });
  }

  chunkTopic(upload: string, offset: number): string {
    return `${upload}/${offset}`;
  }

  show(changes: Partial<PatientView>): void {
    const before = this.view.value ?? VIEW;
    this.view.value = { ...before, revision: before.revision + 1, ...changes };
  }
}

/** Wait until what was promised has arrived. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
