// What the patient's page is in the middle of, and what moves it on.
import { computed, effect, signal } from "@preact/signals";
import { type Assignment, type PairingGrant, type PatientView, topics } from "../../generated/wire";
import { whyUnfit } from "../fields/unfit";
import { Asking, Refused } from "../lib/asking";
import { Connection, decode } from "../lib/connection";
import { type Flow, readFlow } from "../lib/flow";
import { type Credential, kept, ofSession } from "../lib/keep";
import { claim, CODE_LENGTH, PairingRefused, plainCode } from "../lib/pairing";
import { Side } from "../lib/side";
import { directionOf, PAGE_LANGUAGES, type Word, wordsIn } from "../words";
import { Entries } from "./entries";
import { Uploads } from "./uploads";

export type Ending = "completed" | "ended" | "moved";

/** A session as this page holds it. */
export interface Room {
  side: Side<PatientView>;
  entries: Entries;
  uploads: Uploads;
  close: () => void;
}

/** How long the thank-you stays on a kiosk before it waits for the next patient. */
const THANKS_MS = 20_000;

export const language = signal<string | null>(ofSession.get<string>("language"));
export const say = computed(() => wordsIn(language.value ?? navigator.language));
export const connection = signal<Connection | null>(null);
export const room = signal<Room | null>(null);
export const flow = signal<Flow | null>(null);
export const ending = signal<Ending | null>(null);
export const pairing = signal(false);
export const fault = signal<Word | null>(null);
/** Enrolled once, and waiting between sessions. */
export const kiosk = signal(false);

export const languages = computed(() => {
  const offered = flow.value?.languages ?? [];
  return offered.length > 0 ? offered : PAGE_LANGUAGES;
});
export const online = computed(() => connection.value?.online.value ?? false);

let asking: Asking | null = null;
let stopFlow: (() => void) | null = null;

export function start(): void {
  effect(() => {
    document.documentElement.lang = language.value ?? navigator.language;
    document.documentElement.dir = directionOf(language.value ?? navigator.language);
  });
  const guest = ofSession.get<Credential>("guest");
  const enrolled = kept.enrolled("patient");
  const code = codeOfLink();
  if (guest) connectGuest(guest);
  else if (enrolled) connectKiosk(enrolled);
  if (code && !guest) void enterCode(code);
  addEventListener("pagehide", () => room.value?.entries.flush());
}

export function chooseLanguage(chosen: string): void {
  language.value = chosen;
  ofSession.put("language", chosen);
}

/** The code stands in the fragment, which no server sees; it works once, so it may go at once. */
function codeOfLink(): string | null {
  const found = new URLSearchParams(location.hash.slice(1)).get("code");
  if (location.hash) history.replaceState(null, "", location.pathname);
  return found;
}

export async function enterCode(text: string): Promise<void> {
  fault.value = null;
  if (plainCode(text).length !== CODE_LENGTH) {
    fault.value = "codeShort";
    return;
  }
  pairing.value = true;
  try {
    if (kiosk.value && asking) await asking.ask({ type: "JOIN_SESSION", code: plainCode(text) }, "SESSION_JOINED");
    else granted(await claim(text, guestName()));
  } catch (error) {
    fault.value = error instanceof PairingRefused || error instanceof Refused ? "codeRefused" : "noBox";
  } finally {
    pairing.value = false;
  }
}

const guestName = () => (matchMedia("(pointer: coarse)").matches ? "Phone or tablet" : "Browser");

function granted(grant: PairingGrant): void {
  const credential: Credential = grant;
  if (grant.role !== "patient") {
    kept.enrol("facility", credential);
    location.replace("/facility");
  } else if (grant.session) {
    ofSession.put("guest", credential);
    connectGuest(credential);
  } else {
    kept.enrol("patient", credential);
    connectKiosk(credential);
  }
}

function connect(credential: Credential): Connection {
  const made = new Connection(credential);
  connection.value = made;
  asking = new Asking(made);
  effect(() => {
    if (made.refused.value) forgotten(credential);
  });
  return made;
}

/** The credential has ended: with its session, or because it was revoked. */
function forgotten(credential: Credential): void {
  if (connection.peek()?.me !== credential) return;
  const inSession = room.peek() !== null;
  leave();
  if (kiosk.peek()) kept.enrol("patient", null);
  kiosk.value = false;
  if (inSession) ending.value = "ended";
  else if (ending.peek() === null) fault.value = "refusedCredential";
}

function connectGuest(credential: Credential): void {
  connect(credential);
  if (credential.session) enter(credential.session);
}

function connectKiosk(credential: Credential): void {
  kiosk.value = true;
  const made = connect(credential);
  made.on(topics.assignment(credential.site, credential.device), (_, payload) => {
    const session = decode<Assignment>(payload)?.session ?? null;
    const current = room.peek()?.side.session ?? null;
    if (session === current) return;
    // The last view of a session that ended says how it ended; then only that is shown.
    if (session === null) setTimeout(() => room.peek()?.side.session === current && finish("moved"), 1_000);
    else {
      if (current !== null) closeRoom();
      enter(session);
    }
  });
}

function enter(session: string): void {
  const made = connection.value!;
  ending.value = null;
  const side = new Side<PatientView>(made, session);
  const entries = new Entries(side);
  const uploads = new Uploads(made, side, (id, rejection) => {
    entries.fault(id, rejection ? whyUnfit(say.peek(), rejection) : "");
  });
  const stops = [
    effect(() => {
      const ref = side.view.value?.flow_ref;
      if (ref && flow.peek()?.ref !== ref) followFlow(made, ref);
    }),
    effect(() => {
      const status = side.view.value?.status;
      if (status === "completed") queueMicrotask(() => finish("completed"));
      else if (status === "cancelled" || status === "expired") queueMicrotask(() => finish("ended"));
      else if (side.departed.value) queueMicrotask(() => finish("moved"));
    }),
    effect(() => {
      if (side.view.value?.step_id) queueMicrotask(() => stepChanged(side.view.peek()!.step_id));
    }),
  ];
  let step: string | null = null;
  const stepChanged = (now: string) => {
    if (step !== null && step !== now) entries.leave();
    step = now;
  };
  const close = () => {
    stops.forEach((stop) => stop());
    uploads.stop();
    side.close();
  };
  room.value = { side, entries, uploads, close };
  guardHistory();
}

function followFlow(made: Connection, ref: string): void {
  stopFlow?.();
  stopFlow = made.on(topics.flow(made.me.site, ref), (_, payload) => {
    const raw = decode<Record<string, unknown>>(payload);
    if (raw && flow.peek()?.ref !== ref) flow.value = readFlow(ref, raw);
  });
}

function closeRoom(): void {
  room.peek()?.close();
  room.value = null;
  stopFlow?.();
  stopFlow = null;
  flow.value = null;
}

/** The end: nothing of the patient stays, in no storage and on no page that Back could show. */
function finish(how: Ending): void {
  if (room.peek() === null) return;
  if (kiosk.peek()) {
    closeRoom();
    clear();
    setTimeout(() => ending.peek() === how && again(), THANKS_MS);
  } else {
    leave();
  }
  ending.value = how;
}

function leave(): void {
  closeRoom();
  void connection.peek()?.end();
  connection.value = null;
  asking = null;
  clear();
}

function clear(): void {
  ofSession.forget();
  language.value = null;
  (document.activeElement as HTMLElement | null)?.blur();
}

/** From the thank-you back to the beginning; a new page, so that nothing is left in memory. */
export function again(): void {
  location.replace(location.pathname);
}

export function useHere(): void {
  location.reload();
}

// -- Back must not leave a session, nor show what was before -----------------------------------

let guarded = false;

function guardHistory(): void {
  if (guarded) return;
  guarded = true;
  history.pushState("here", "");
  addEventListener("popstate", () => {
    if (room.peek() !== null) history.pushState("here", "");
  });
}
