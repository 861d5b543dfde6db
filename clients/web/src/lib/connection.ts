// One MQTT connection over WebSocket, made anew whenever it is lost.
import { batch, signal } from "@preact/signals";
import { connect, type MqttClient } from "./mqtt.ts";
import { type ControllerStatus, type Presence, topics } from "../../generated/wire.ts";
import { decode, encode } from "./payload.ts";
import type { Credential } from "./storage.ts";

type Handler = (topic: string, payload: Uint8Array) => void;

/** Each wait is drawn evenly up to a ceiling that doubles with each failure, so that a box that starts
 * is not met by all its screens at once. The first is below the half second in which a screen shall
 * be back; most boxes are back within a minute; after that there is no hurry. */
const RETRY_FIRST_MS = 250;
const RETRY_SOON_MS = 2_000;
const RETRY_LATER_MS = 10_000;
const PATIENCE = 60;
/** Chunks of 64 KiB get through a slow WLAN within it; a silent loss is noticed in 1.5 times it. */
const KEEPALIVE_S = 30;
/** MQTT 3.1.1, 3.2.2.3: bad user name or password, not authorised. */
const REFUSED = [4, 5];

declare const HANDRAIL_VERSION: string | undefined;
/** This page's version, for the box's list of devices; the build knows it, tests do not. */
const SOFTWARE = `handrail-web/${typeof HANDRAIL_VERSION === "undefined" ? "source" : HANDRAIL_VERSION}`;

/** Return the ceiling of the wait after so many failures, in milliseconds. */
function ceiling(failures: number): number {
  if (failures >= PATIENCE) return RETRY_LATER_MS;
  return Math.min(RETRY_SOON_MS, RETRY_FIRST_MS * 2 ** failures);
}

export class Connection {
  /** The connection stands, and the controller serves. */
  readonly online = signal(false);
  /** For how long a patient's screen may be idle before it is locked. */
  readonly screenLockMs = signal(600_000);
  /** The credential does not work any more. */
  readonly refused = signal(false);
  /** Another tab of this browser took the credential over. */
  readonly elsewhere = signal(false);

  private client: MqttClient | null = null;
  private readonly handlers = new Map<string, Handler>();
  private readonly ups = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private tries = 0;
  private number = 0;
  private ended = false;
  private linked = false;
  private startedAt: string | null = null;
  private readonly tabs: BroadcastChannel | null;
  private readonly soon = () => this.retry(0);
  readonly me: Credential;

  constructor(me: Credential) {
    this.me = me;
    this.tabs = "BroadcastChannel" in window ? new BroadcastChannel(`handrail.${me.device}`) : null;
    this.tabs?.addEventListener("message", () => {
      this.end({ quietly: true });
      this.elsewhere.value = true;
    });
    this.tabs?.postMessage("here");
    this.on(topics.controllerStatus(me.site), (_, payload) => this.heard(payload));
    addEventListener("online", this.soon);
    document.addEventListener("visibilitychange", this.soon);
    this.open();
  }

  /** Receive a topic, or all below one that ends in `#`; subscribed now and after each reconnect. */
  on(filter: string, handler: Handler): () => void {
    this.handlers.set(filter, handler);
    if (this.linked) this.client?.subscribe(filter, { qos: 1 });
    return () => {
      this.handlers.delete(filter);
      if (this.linked) this.client?.unsubscribe(filter);
    };
  }

  /** Call after each connection: what was not answered is sent again. */
  onUp(handler: () => void): () => void {
    this.ups.add(handler);
    if (this.linked) handler();
    return () => this.ups.delete(handler);
  }

  get up(): boolean {
    return this.linked;
  }

  send(topic: string, payload: unknown, done?: (lost?: unknown) => void): void {
    const bytes = payload instanceof Uint8Array ? payload : encode(payload);
    this.client?.publish(topic, bytes as string, { qos: 1 }, (lost) => done?.(lost ?? undefined));
  }

  /** Disconnect; nothing is tried again. */
  end({ quietly = false } = {}): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.soon);
    document.removeEventListener("visibilitychange", this.soon);
    this.tabs?.close();
    const client = this.client;
    this.client = null;
    if (client === null) return;
    if (this.linked && !quietly) {
      const away = this.presence(false);
      client.publish(topics.presence(this.me.site, this.me.device), away, { qos: 1, retain: true });
    }
    this.down();
    client.end(quietly);
  }

  private presence(online: boolean): string {
    const presence: Presence = { v: 1, online, connection: this.number };
    if (online) presence.software = SOFTWARE;
    return JSON.stringify(presence);
  }

  private open(): void {
    const { device, secret, site } = this.me;
    this.number = Math.max(this.number + 1, Date.now());
    const client = connect({
      clientId: device,
      username: device,
      password: secret,
      keepalive: KEEPALIVE_S,
      queueQoSZero: false,
      will: {
        topic: topics.presence(site, device),
        payload: new TextEncoder().encode(this.presence(false)) as Buffer,
        qos: 1,
        retain: true,
      },
    });
    this.client = client;
    const mine = () => this.client === client && !this.ended;
    client.on("connect", () => mine() && this.connected(client));
    client.on("message", (topic, payload) => mine() && this.message(topic, payload));
    client.on("error", (error) => {
      const { code } = error as { code?: unknown };
      if (mine() && REFUSED.includes(code as number)) this.refused.value = true;
    });
    client.on("close", () => {
      if (!mine()) return;
      this.down();
      client.end(true);
      this.client = null;
      if (!this.refused.value) this.retry(Math.random() * ceiling(this.tries++));
    });
  }

  private retry(afterMs: number): void {
    if (this.ended || this.client !== null) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.client === null && !this.ended && this.open(), afterMs);
  }

  private connected(client: MqttClient): void {
    this.tries = 0;
    client.subscribe([...this.handlers.keys()], { qos: 1 }, () => {
      if (this.client !== client) return;
      this.linked = true;
      const here = this.presence(true);
      client.publish(topics.presence(this.me.site, this.me.device), here, { qos: 1, retain: true });
      this.ups.forEach((handler) => handler());
    });
  }

  private down(): void {
    this.linked = false;
    this.online.value = false;
  }

  private heard(payload: Uint8Array): void {
    const status = decode<ControllerStatus>(payload);
    if (status === null) return;
    const restarted = this.startedAt !== null && this.startedAt !== status.started_at;
    this.startedAt = status.started_at;
    this.online.value = status.online;
    if (status.screen_lock_s !== undefined) this.screenLockMs.value = status.screen_lock_s * 1_000;
    // What went to the controller that stopped may be lost with it: say it again.
    if (status.online && restarted && this.linked) this.ups.forEach((handler) => handler());
  }

  private message(topic: string, payload: Uint8Array): void {
    batch(() => {
      for (const [filter, handler] of this.handlers) {
        const below = filter.endsWith("#") && topic.startsWith(filter.slice(0, -1));
        if (filter === topic || below) handler(topic, payload);
      }
    });
  }
}
