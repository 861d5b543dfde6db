// Who is signed in at this screen, for how long, and who can sign in. The box decides all of it.
import { computed, signal } from "@preact/signals";
import type { DeskState, EmergencyAccessLine, PersonName, SignedIn } from "../../generated/wire.ts";
import type { Connection } from "../lib/connection.ts";
import { present } from "../lib/present.ts";
import { messageOf, type Requests } from "../lib/requests.ts";
import { pageAddress, type Returned, takeReturned } from "./provider.ts";

/** Null: nobody has to sign in. Undefined: the box has not said it yet. */
export const state = signal<DeskState | null | undefined>(undefined);
export const persons = signal<PersonName[]>([]);
/** Signed out here; the box is told as soon as it can be reached. */
export const leaving = signal(false);
/** Seconds until the box signs out; null: it does not. Counted here from what the box said. */
export const secondsLeft = signal<number | null>(null);
/** Who is signed in; nobody once the time is over, also while the box cannot be reached. */
export const signedIn = computed(() =>
  leaving.value || secondsLeft.value === 0 ? null : (state.value?.signed_in ?? null),
);
/** Nobody is signed in who may see patients. */
export const isShut = computed(() => state.value != null && !leads(signedIn.value?.roles ?? []));
export const isSupervisor = computed(() => signedIn.value?.roles.includes("supervisor") ?? false);
/** Why the person was signed out, if the person did not do it. */
export const wasLoggedOff = signal(false);
/** The name of the provider with which people can sign in, if there is one. */
export const provider = signal<string | null>(null);
/** Somebody has come back from the provider, and the box asks it who. */
export const returning = signal(false);
/** Why whoever came back from the provider is not signed in. */
export const notReturned = signal<string | null>(null);
/** Why the box did not sign the person out. */
export const notSignedOut = signal<string | null>(null);
export const accesses = signal<EmergencyAccessLine[]>([]);

/** How long before the log-off this screen warns. */
export const WARNING_S = 60;
/** A touch is told to the box at most this often. */
const TELL_EVERY_MS = 20_000;

let requests: Requests | null = null;
let endsAt: number | null = null;
let toldAt = 0;
let returned = takeReturned();

const leads = (roles: string[]) => roles.includes("front-desk") || roles.includes("supervisor");

export function attach(connection: Connection, asked: Requests): void {
  if (requests === null) {
    setInterval(count, 1_000);
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, touched, { capture: true });
  }
  requests = asked;
  state.value = undefined;
  connection.onUp(() => void load());
  if (returned !== null) void comeBack(returned);
  returned = null;
}

/** Use what a lobby says. */
export function heard(desk: DeskState | null): void {
  const before = signedIn.peek();
  state.value = desk;
  if (desk?.signed_in != null) {
    if (before?.person !== desk.signed_in.person) void load();
    return;
  }
  endsAt = secondsLeft.value = null;
  accesses.value = [];
  if (before !== null && desk !== null) wasLoggedOff.value = true;
}

/** Ask who is here, and who can sign in. */
export async function load(): Promise<void> {
  const shown = await present(requests).ask({ type: "SHOW_DESK" }, "DESK_SHOWN");
  persons.value = shown.persons;
  provider.value = shown.provider?.name ?? null;
  if (state.peek() === undefined) state.value = shown.desk;
  lasts(shown.seconds_left);
  if (isSupervisor.peek()) await loadAccesses();
}

function lasts(seconds: number | null): void {
  endsAt = seconds === null ? null : performance.now() + seconds * 1_000;
  count();
}

function count(): void {
  secondsLeft.value = endsAt === null ? null : Math.max(0, Math.ceil((endsAt - performance.now()) / 1_000));
}

/** Somebody is at the screen: the box begins to count anew. */
function touched(): void {
  const desk = state.peek();
  const pause = Math.min(TELL_EVERY_MS, (desk?.log_off_s ?? 0) * 100);
  if (desk?.signed_in == null || performance.now() - toldAt < pause) return;
  toldAt = performance.now();
  stay().catch(() => undefined);
}

export async function stay(): Promise<void> {
  lasts((await present(requests).ask({ type: "STAY_SIGNED_IN" }, "SIGNED_IN")).seconds_left);
}

/** Raises `Refused`. */
export async function signIn(person: string, pin: string): Promise<void> {
  begun(await present(requests).ask({ type: "SIGN_IN", person, pin }, "SIGNED_IN"));
}

/** Leave this page for the provider's. Raises `Refused`. */
export async function goToProvider(): Promise<void> {
  notReturned.value = null;
  const begun = await present(requests).ask({ type: "BEGIN_SIGN_IN", page: pageAddress() }, "SIGN_IN_BEGUN");
  location.assign(begun.url);
}

async function comeBack(what: Returned): Promise<void> {
  returning.value = true;
  try {
    begun(await present(requests).ask({ type: "FINISH_SIGN_IN", ...what }, "SIGNED_IN"));
  } catch (error) {
    notReturned.value = messageOf(error);
  } finally {
    returning.value = false;
  }
}

/** Raises `Refused`. */
export async function beginEmergency(name: string, reason: string): Promise<void> {
  begun(await present(requests).ask({ type: "BEGIN_EMERGENCY_ACCESS", name, reason }, "SIGNED_IN"));
}

function begun(answer: SignedIn): void {
  notReturned.value = notSignedOut.value = null;
  wasLoggedOff.value = leaving.value = false;
  toldAt = performance.now();
  state.value = { log_off_s: state.peek()?.log_off_s ?? 0, signed_in: answer.signed_in };
  lasts(answer.seconds_left);
  if (isSupervisor.peek()) void loadAccesses();
}

/** Shows nothing from now on, whether or not the box can be reached; a refusal is said where it was asked. */
export async function signOut(): Promise<void> {
  notSignedOut.value = null;
  leaving.value = true;
  try {
    await present(requests).ask({ type: "SIGN_OUT" }, "SIGNED_OUT");
  } catch (error) {
    notSignedOut.value = messageOf(error);
    return;
  } finally {
    leaving.value = false;
  }
  if (state.peek() != null) state.value = { ...present(state.peek()), signed_in: null };
  endsAt = secondsLeft.value = null;
  accesses.value = [];
}

async function loadAccesses(): Promise<void> {
  accesses.value = (await present(requests).ask({ type: "LIST_EMERGENCY_ACCESS" }, "EMERGENCY_ACCESS_LIST")).accesses;
}

/** Raises `Refused`. */
export async function review(access: string): Promise<void> {
  await present(requests).ask({ type: "REVIEW_EMERGENCY_ACCESS", access }, "EMERGENCY_ACCESS_REVIEWED");
  await loadAccesses();
}
