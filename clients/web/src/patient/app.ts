// What the patient's page is in the middle of, and what moves it on.
import { computed, effect, signal } from "@preact/signals";
import { type Assignment, type PairingGrant, type PatientView, topics } from "../../generated/wire.ts";
import { whyUnfit } from "../fields/unfit.ts";
import { Connection } from "../lib/connection.ts";
import { type Flow, offeredLanguage, readFlow } from "../lib/flow.ts";
import { claim, CODE_LENGTH, PairingRefused, plainCode } from "../lib/pairing.ts";
import { decode } from "../lib/payload.ts";
import { forgetUnsent } from "../lib/photo-store.ts";
import { present } from "../lib/present.ts";
import { type AnswerOf, Refused, Requests } from "../lib/requests.ts";
import { Session } from "../lib/session.ts";
import { type Credential, deviceStorage, tabStorage } from "../lib/storage.ts";
import { directionOf, PAGE_LANGUAGES, type Word, wordsIn } from "../words.ts";
import { Entries } from "./entries.ts";
import { reportScreen } from "./screen-report.ts";
import { Uploads } from "./uploads.ts";

export type Ending = "completed" | "ended" | "moved";

/** Asks the box for a link to a copy of the record. */
export type AskForCopy = () => Promise<AnswerOf<"COPY_LINK">>;

/** A session as this page holds it. */
export interface Room {
  session: Session<PatientView>;
  entries: Entries;
  uploads: Uploads;
  /** The name that was last printed below a signature here, offered to the next one. */
  printed: string;
  close: () => void;
}

/** The browser's language, where the form is translated into it. */
function browsers(form: Flow): string | null {
  const offered = offeredLanguage(form, navigator.language);
  return offered === form.language ? null : offered;
}

/** How long the thank-you stays on a kiosk before it waits for the next patient. */
const THANKS_MS = 20_000;

const chosenLanguage = signal<string | null>(tabStorage.get<string>("language"));
export const say = computed(() => wordsIn(language.value ?? navigator.language));
export const connection = signal<Connection | null>(null);
export const room = signal<Room | null>(null);
export const flow = signal<Flow | null>(null);
/** What the patient chose, else the browser's where the form comes in it; null: the form's own. */
export const language = computed(() => chosenLanguage.value ?? (flow.value && browsers(flow.value)));
export const ending = signal<Ending | null>(null);
/** How many answers the session had not taken when it ended. */
export const left = signal(0);
/** Where the session that ended offers the patient a copy. */
export const copyLink = signal<AskForCopy | null>(null);
export const pairing = signal(false);
export const fault = signal<Word | null>(null);
/** Enrolled once, and waiting between sessions. */
export const kiosk = signal(false);

export const languages = computed(() => {
  const offered = flow.value?.languages ?? [];
  return offered.length > 0 ? offered : PAGE_LANGUAGES;
});
/** By how much A+ is larger than A. */
const LARGER = 1.25;
/** The text size that the patient chose, on a kiosk alone. */
export const large = signal(tabStorage.get<boolean>("large") ?? false);
/** Without a connection for so long that it is worth a word: at load, none is expected at once. */
export const lost = signal(false);
export const online = computed(() => connection.value?.online.value ?? false);

let requests: Requests | null = null;
let stopFlow: (() => void) | null = null;

export function start(): void {
  effect(() => {
    document.documentElement.lang = language.value ?? navigator.language;
    document.documentElement.dir = directionOf(language.value ?? navigator.language);
  });
  effect(() => {
    document.documentElement.dataset["text"] = !kiosk.value ? "" : large.value ? "larger" : "large";
  });
  effect(() => {
    const isOnline = online.value;
    const timer = isOnline ? undefined : setTimeout(() => (lost.value = true), beenOnline ? LOST_AFTER_MS : LOST_AT_LOAD_MS);
    if (isOnline) [lost.value, beenOnline] = [false, true];
    return () => clearTimeout(timer);
  });
  const guest = tabStorage.get<Credential>("guest");
  const enrolled = deviceStorage.enrolled("patient");
  const code = codeOfLink();
  if (guest) connectGuest(guest);
  else if (enrolled) connectKiosk(enrolled);
  if (code && !guest) void enterCode(code);
  addEventListener("pagehide", () => room.value?.entries.flush());
}

const LOST_AFTER_MS = 600;
const LOST_AT_LOAD_MS = 4_000;
let beenOnline = false;

export function chooseSize(isLarge: boolean): void {
  large.value = isLarge;
  tabStorage.put("large", isLarge);
}

export function chooseLanguage(chosen: string): void {
  chosenLanguage.value = chosen;
  tabStorage.put("language", chosen);
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
    if (kiosk.value && requests) await requests.ask({ type: "JOIN_SESSION", code: plainCode(text) }, "SESSION_JOINED");
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
    deviceStorage.enrol("facility", credential);
    location.replace("/facility");
  } else if (grant.session) {
    tabStorage.put("guest", credential);
    connectGuest(credential);
  } else {
    deviceStorage.enrol("patient", credential);
    connectKiosk(credential);
  }
}

function connect(credential: Credential): Connection {
  const made = new Connection(credential);
  connection.value = made;
  requests = new Requests(made);
  effect(() => {
    if (made.refused.value) forgotten(credential);
  });
  effect(() => {
    if (made.elsewhere.value) setAside();
  });
  return made;
}

/** Another tab goes on: this one holds nothing of the patient, in memory or on the page. What was not
 * sent yet stays stored, encrypted, for when this tab is used again. */
function setAside(): void {
  room.peek()?.entries.flush();
  closeRoom();
  requests = null;
}

/** The credential has ended: with its session, or because it was revoked. */
function forgotten(credential: Credential): void {
  if (connection.peek()?.me !== credential) return;
  const inSession = room.peek() !== null;
  if (inSession) countLeft();
  leave();
  if (kiosk.peek()) deviceStorage.enrol("patient", null);
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
    const current = room.peek()?.session.id ?? null;
    if (session === current) return;
    // The last view of a session that ended says how it ended; then only that is shown.
    if (session === null) setTimeout(() => room.peek()?.session.id === current && finish("moved"), 1_000);
    else {
      if (current !== null) closeRoom();
      enter(session);
    }
  });
}

function enter(id: string): void {
  const made = present(connection.value);
  // The thank-you was in the words and the size that the last patient chose.
  if (ending.peek() !== null) [chosenLanguage.value, large.value] = [null, false];
  ending.value = copyLink.value = null;
  left.value = 0;
  const session = new Session<PatientView>(made, id);
  const entries = new Entries(session);
  const uploads = new Uploads(made, session, (field, rejection) => {
    entries.fault(field, rejection ? whyUnfit(say.peek(), rejection) : "");
  });
  const stops = [
    reportScreen(session, () => language.value, () => (kiosk.value && large.value ? LARGER : 1)),
    effect(() => {
      const ref = session.view.value?.flow_ref;
      if (ref && flow.peek()?.ref !== ref) followFlow(made, ref);
    }),
    effect(() => {
      const status = session.view.value?.status;
      if (status === "completed") queueMicrotask(() => finish("completed"));
      else if (status === "cancelled" || status === "expired") queueMicrotask(() => finish("ended"));
      else if (session.departed.value) queueMicrotask(() => finish("moved"));
    }),
    effect(() => {
      const now = session.view.value?.step_id;
      if (now) queueMicrotask(() => stepChanged(now));
    }),
  ];
  let isTakenUp = false;
  stops.push(
    effect(() => {
      if (isTakenUp || session.view.value === null) return;
      isTakenUp = true;
      queueMicrotask(() => void uploads.takeUp());
    }),
  );
  let step: string | null = null;
  const stepChanged = (now: string) => {
    if (step !== null && step !== now) entries.leave();
    step = now;
  };
  const close = () => {
    stops.forEach((stop) => stop());
    uploads.stop();
    session.close();
  };
  room.value = { session, entries, uploads, printed: "", close };
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
  const session = room.peek()?.session;
  if (!session) return;
  countLeft();
  copyLink.value = how === "completed" && session.view.peek()?.copy_offered ? offerCopy(session.id) : null;
  ending.value = how;
  closeRoom();
  clear();
  if (kiosk.peek()) stay(THANKS_MS);
  else if (copyLink.peek() === null) leave();
}

/** A guest asks at once, and leaves then: the box ends its connection some seconds after the session. */
function offerCopy(session: string): AskForCopy {
  const asking = present(requests);
  const ask: AskForCopy = () => asking.ask({ type: "CREATE_COPY_LINK", session }, "COPY_LINK");
  if (kiosk.peek()) return ask;
  const asked = ask();
  void asked.finally(leave).catch(() => undefined);
  return () => asked;
}

let staying: ReturnType<typeof setTimeout> | undefined;

/** Show the end on a kiosk for so long from now on, before it waits for the next patient. */
export function stay(ms: number): void {
  const how = ending.peek();
  clearTimeout(staying);
  if (how !== null) staying = setTimeout(() => ending.peek() === how && again(), ms);
}

function countLeft(): void {
  room.peek()?.entries.flush();
  left.value = room.peek()?.session.undecided ?? 0;
}

function leave(): void {
  closeRoom();
  connection.peek()?.end();
  connection.value = null;
  requests = null;
  clear();
}

function clear(): void {
  tabStorage.forget();
  forgetUnsent();
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
