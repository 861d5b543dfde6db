// What the staff's page is in the middle of: the lobby, or one session; and what moves it on.
import { computed, effect, signal } from "@preact/signals";
import { type Answer, type FacilityView, type FieldChange, type FlowLine, type HeldLine, type IdentifyPatient, type KioskLine, type Lobby, type LobbyLine, type TimelineLine, topics } from "../../generated/wire.ts";
import { Connection } from "../lib/connection.ts";
import { type Flow, readFlow } from "../lib/flow.ts";
import { claim, CODE_LENGTH, PairingRefused, plainCode } from "../lib/pairing.ts";
import { decode } from "../lib/payload.ts";
import { present } from "../lib/present.ts";
import { type AnswerOf, type Asked, messageOf, Refused, Requests } from "../lib/requests.ts";
import { type Intent, Session } from "../lib/session.ts";
import { type Credential, deviceStorage } from "../lib/storage.ts";
import * as desk from "./desk.ts";
import { box, type Message, t } from "./messages.ts";
import { withKnown } from "./queue.ts";

export const connection = signal<Connection | null>(null);
export const lobby = signal<LobbyLine[] | null>(null);
/** Completed, and not delivered: the patient is not identified. */
export const held = signal<HeldLine[]>([]);
/** How many deliveries facility IT has to look at. */
export const stuck = signal(0);
export const flows = signal<FlowLine[]>([]);
export const kiosks = signal<KioskLine[]>([]);
export const known = signal<ReadonlyMap<string, Flow>>(new Map());
/** Why this screen could not be enrolled. */
export const fault = signal<Message | null>(null);
export const pairing = signal(false);
export const room = signal<Room | null>(null);
export const showHelp = signal(false);
export const shortcuts = signal(deviceStorage.setting<boolean>("shortcuts") ?? true);
/** Who asks for signatures on this screen, if they said so; kept on this screen alone. */
export const staffName = signal(deviceStorage.setting<string>("staffName") ?? "");
/** Who asks: the person who is signed in, or else the name that was typed here. */
export const actingName = computed(() => {
  const who = desk.signedIn.value;
  return who?.name ?? staffName.value.trim();
});
export const online = computed(() => connection.value?.online.value ?? false);

let requests: Requests | null = null;

/** Ask the box. Raises `Refused`. */
export const ask = <T extends Answer["type"]>(asked: Asked, answer: T): Promise<AnswerOf<T>> => present(requests).ask(asked, answer);
const followed = new Map<string, () => void>();

export interface Moment {
  revision: number;
  view: FacilityView;
}

/** One session as this page shows it. */
export interface Room {
  session: Session<FacilityView>;
  selected: ReturnType<typeof signal<string | null>>;
  fault: ReturnType<typeof signal<string | null>>;
  /** The moment of the past that is shown, or null for now. */
  past: ReturnType<typeof signal<Moment | null>>;
  events: ReturnType<typeof signal<TimelineLine[]>>;
  pictures: ReturnType<typeof signal<ReadonlyMap<string, Fetched>>>;
  close: () => void;
}

export interface Fetched {
  upload: string;
  size: number;
  got: number;
  blob: Blob | null;
  /** Where a picture is shown from. */
  url: string | null;
  mediaType: string;
}

export const me = () => connection.peek()?.me.device ?? "";

/** A kiosk's name, with the room that it is in. */
export function nameAndRoom(kiosk: KioskLine): string {
  return kiosk.room ? `${kiosk.name}, ${kiosk.room}` : kiosk.name;
}

/** Where a patient's screen is, shortly: its tablet with the room, or a phone of their own. */
export function placeOf(device: string): string {
  const kiosk = kiosks.value.find((one) => one.device === device);
  return kiosk ? nameAndRoom(kiosk) : t("own_screen");
}

/** What people call a screen: a tablet's name, or what its id was made from. */
export function nameOf(device: string): string {
  const named = kiosks.value.find((one) => one.device === device)?.name;
  const words = device.replaceAll("-", " ");
  return named ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export function start(): void {
  const credential = deviceStorage.enrolled("facility");
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (credential) connect(credential);
  else if (code) void enterCode(code);
  addEventListener("hashchange", follow);
}

export async function enterCode(text: string): Promise<void> {
  fault.value = null;
  if (plainCode(text).length !== CODE_LENGTH) {
    fault.value = "enrol.short";
    return;
  }
  pairing.value = true;
  try {
    const grant = await claim(text, "Front desk");
    if (grant.role === "patient") {
      if (grant.session) throw new PairingRefused();
      deviceStorage.enrol("patient", grant);
      location.replace("/patient");
      return;
    }
    deviceStorage.enrol("facility", grant);
    history.replaceState(null, "", location.pathname);
    connect(grant);
  } catch (error) {
    fault.value =
      error instanceof PairingRefused
        ? "enrol.refused"
        : "enrol.unreachable";
  } finally {
    pairing.value = false;
  }
}

function connect(credential: Credential): void {
  const made = new Connection(credential);
  connection.value = made;
  requests = new Requests(made);
  made.on(topics.lobby(credential.site, credential.device), (_, payload) => {
    const heard = decode<Lobby>(payload);
    if (!heard) return;
    desk.heard(heard.desk ?? null);
    lobby.value = withKnown(heard.sessions, lobby.peek() ?? []);
    held.value = withKnown(heard.held ?? [], held.peek());
    stuck.value = heard.stuck ?? 0;
    for (const line of [...heard.sessions, ...held.value]) followFlow(line.flow_ref);
  });
  desk.attach(made, requests);
  made.onUp(() => void refresh());
  effect(() => {
    if (!desk.isShut.value) return follow();
    room.peek()?.close();
    room.value = null;
  });
  effect(() => {
    if (!made.elsewhere.value) return;
    room.peek()?.close();
    room.value = null;
    [lobby.value, held.value, stuck.value] = [null, [], 0];
  });
  effect(() => {
    if (!made.refused.value) return;
    deviceStorage.enrol("facility", null);
    connection.value = null;
    fault.value = "enrol.forgotten";
  });
  follow();
}

/** Ask again for what changes seldom. */
export async function refresh(): Promise<void> {
  const current = requests;
  if (current === null) return;
  const [gotFlows, gotKiosks] = await Promise.all([
    current.ask({ type: "LIST_FLOWS" }, "FLOWS"),
    current.ask({ type: "LIST_KIOSKS" }, "KIOSKS"),
  ]);
  flows.value = gotFlows.flows.filter((one) => !one.not_offered);
  kiosks.value = gotKiosks.kiosks;
}

export function followFlow(ref: string): void {
  const made = connection.peek();
  if (made === null || followed.has(ref)) return;
  const stop = made.on(topics.flow(made.me.site, ref), (_, payload) => {
    const raw = decode<Record<string, unknown>>(payload);
    if (raw && !known.peek().has(ref)) known.value = new Map(known.peek()).set(ref, readFlow(ref, raw));
  });
  followed.set(ref, stop);
}

// -- sessions ----------------------------------------------------------------------------------

export function go(session: string | null): void {
  if (session === null) history.pushState(null, "", location.pathname);
  else location.hash = `session=${session}`;
  if (session === null) follow();
}

/** The address says which session is shown, so that it can be reloaded and left with Back. */
function follow(): void {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("session");
  const current = room.peek();
  if (wanted === (current?.session.id ?? null)) return;
  current?.close();
  room.value = null;
  if (wanted !== null && connection.peek() !== null && !desk.isShut.peek()) void enter(wanted);
}

async function enter(id: string): Promise<void> {
  const made = present(connection.peek());
  const { site, device } = made.me;
  const session = new Session<FacilityView>(made, id);
  const pictures = signal<ReadonlyMap<string, Fetched>>(new Map());
  const parts = new Map<string, Map<number, Uint8Array>>();
  const base = topics.document(site, id, device, "", "").replace(/\/+$/, "");
  const stops = [
    made.on(`${base}/#`, (topic, payload) => {
      const [upload = "", offset = "0"] = topic.slice(base.length + 1).split("/");
      if (![...pictures.peek().values()].some((one) => one.upload === upload)) return;
      const pieces = parts.get(upload) ?? new Map<number, Uint8Array>();
      parts.set(upload, pieces.set(Number(offset), payload.slice()));
      assemble(pictures, upload, pieces);
    }),
    effect(() => {
      if (session.view.value) followFlow(session.view.value.flow_ref);
    }),
  ];
  const opened: Room = {
    session,
    selected: signal<string | null>(null),
    fault: signal<string | null>(null),
    past: signal<Moment | null>(null),
    events: signal<TimelineLine[]>([]),
    pictures,
    close: () => {
      stops.forEach((stop) => stop());
      session.close();
      for (const one of pictures.peek().values()) if (one.url) URL.revokeObjectURL(one.url);
    },
  };
  room.value = opened;
  try {
    await present(requests).ask({ type: "JOIN_SESSION", session: id }, "SESSION_JOINED");
  } catch (error) {
    // An ended session is still shown, as it was at the last.
    try {
      const shown = await present(requests).ask({ type: "SHOW_SESSION", session: id }, "SESSION_SHOWN");
      if (session.view.peek() === null) session.view.value = shown.view;
    } catch {
      opened.fault.value = messageOf(error);
    }
  }
}

function assemble(pictures: Room["pictures"], upload: string, pieces: Map<number, Uint8Array>): void {
  for (const [id, one] of pictures.value ?? []) {
    if (one.upload !== upload || one.blob !== null) continue;
    const ordered = [...pieces].sort(([a], [b]) => a - b);
    let got = 0;
    for (const [offset, bytes] of ordered) if (offset === got) got += bytes.length;
    const whole = got >= one.size;
    const blob = whole ? new Blob(ordered.map(([, bytes]) => bytes as BlobPart), { type: one.mediaType }) : null;
    const isPicture = blob?.type.startsWith("image/") === true;
    const next = { ...one, got, blob, url: isPicture ? URL.createObjectURL(blob) : null };
    pictures.value = new Map(pictures.value).set(id, next);
  }
}

/** Request a document, unless it is here already. */
export async function fetchDocument(current: Room, id: string): Promise<void> {
  const document = current.session.view.peek()?.documents[id];
  if (!document?.upload || current.pictures.peek()?.get(id)?.upload === document.upload) return;
  const waiting = { upload: document.upload, size: document.size ?? 0, got: 0, blob: null, url: null, mediaType: document.media_type ?? "" };
  current.pictures.value = new Map(current.pictures.peek()).set(id, waiting);
  try {
    await current.session.send({ type: "FETCH_DOCUMENT", field_id: id });
  } catch (error) {
    const next = new Map(current.pictures.peek());
    next.delete(id);
    current.pictures.value = next;
    throw error;
  }
}

export interface NewSession {
  flow_id: string;
  label: string | null;
  patient_device: string | null;
}

/** Raises `Refused`. */
export async function open(wanted: NewSession): Promise<void> {
  const opened = await present(requests).ask({ type: "OPEN_SESSION", ...wanted }, "SESSION_OPENED");
  go(opened.session);
}

/** State who the patient of a completed session is. Raises `Refused`. */
export async function identify(stated: Omit<IdentifyPatient, "v" | "type" | "request_id">): Promise<void> {
  await present(requests).ask({ type: "IDENTIFY_PATIENT", ...stated }, "PATIENT_IDENTIFIED");
}

/** End a check-in that another screen leads, or nobody; for supervisors. Raises `Refused`. */
export async function cancelSession(session: string, reason: string): Promise<void> {
  await ask({ type: "CANCEL_SESSION", session, reason }, "SESSION_CANCELLED");
}

/** The value of a field that is masked; the box notes who saw it. Raises `Refused`. */
export async function reveal(current: Room, field_id: string): Promise<unknown> {
  return (await ask({ type: "REVEAL_FIELD", session: current.session.id, field_id }, "FIELD_REVEALED")).value;
}

export function command(current: Room, intent: Intent): Promise<void> {
  return current.session.send(intent);
}

export const wordsOf = (error: unknown): string =>
  error instanceof Refused ? box(error.message) : t("failed");

// -- time line ---------------------------------------------------------------------------------

export async function loadEvents(current: Room): Promise<void> {
  let more = true;
  while (more) {
    const after = current.events.peek()?.at(-1)?.revision ?? 0;
    const page = await present(requests).ask({ type: "SESSION_TIMELINE", session: current.session.id, after }, "TIMELINE");
    const events = [...(current.events.peek() ?? []), ...page.events];
    if (room.peek() !== current || page.events.length === 0) return;
    current.events.value = events;
    more = page.more;
  }
}

/** What was changed in a field, in order. */
export async function fieldHistory(current: Room, field_id: string): Promise<FieldChange[]> {
  const found: FieldChange[] = [];
  for (let more = true; more; ) {
    const after = found.at(-1)?.revision ?? 0;
    const page = await present(requests).ask({ type: "FIELD_HISTORY", session: current.session.id, field_id, after }, "FIELD_CHANGES");
    found.push(...page.changes);
    more = page.more && page.changes.length > 0;
  }
  return found;
}

let wanted: number | null = null;
let looking = false;

/** Whether, while the past was awaited, the present was asked for. */
const backToNow = () => wanted === null;

/** Show the session as it was at a revision; of many asked for in a row, the last one counts. */
export async function lookBack(current: Room, revision: number | null): Promise<void> {
  wanted = revision;
  if (revision === null) current.past.value = null;
  if (looking) return;
  looking = true;
  try {
    while (wanted !== null && wanted !== current.past.peek()?.revision) {
      const at: number = wanted;
      const shown = await present(requests).ask({ type: "SHOW_SESSION", session: current.session.id, revision: at }, "SESSION_SHOWN");
      if (backToNow()) break;
      current.past.value = { revision: at, view: shown.view };
    }
  } finally {
    looking = false;
  }
}
