// The check-ins that ended today. The lobby holds open ones alone, so these are asked for.
import { effect, signal } from "@preact/signals";
import type { LobbyLine } from "../../generated/wire.ts";
import * as app from "./app.ts";
import { isShut } from "./desk.ts";
import { withKnown } from "./queue.ts";

/** Of this day, by this screen's clock. */
export const ended = signal<LobbyLine[]>([]);

const OPEN = ["waiting", "active", "paused"];
/** A session that was opened so long before the day may have ended in it. */
const LONGEST_MS = 24 * 3_600_000;
/** Several that end at once are asked for once. */
const SOON_MS = 400;

const midnight = () => new Date().setHours(0, 0, 0, 0);

function isOfToday(line: LobbyLine): boolean {
  return !OPEN.includes(line.status) && Date.parse(line.updated_at) >= midnight();
}

let known: Map<string, LobbyLine> | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let openedSince = Infinity;

function askSoon(since: number): void {
  openedSince = Math.min(openedSince, since);
  clearTimeout(timer);
  timer = setTimeout(() => void load().catch(() => undefined), SOON_MS);
}

/** Ask for what was opened since the oldest that is wanted, page by page. */
async function load(): Promise<void> {
  const opened_since = new Date(openedSince).toISOString();
  openedSince = Infinity;
  const found: LobbyLine[] = [];
  for (let page: string | null | undefined = null; page !== undefined; ) {
    const answer: { sessions: LobbyLine[]; next_page?: string | null } = await app.ask(
      { type: "LIST_SESSIONS", ended: true, opened_since, page },
      "SESSIONS",
    );
    found.push(...answer.sessions);
    page = answer.next_page ?? undefined;
  }
  const rest = ended.peek().filter((one) => !found.some(({ session }) => session === one.session));
  ended.value = withKnown([...rest, ...found].filter(isOfToday), ended.peek());
  for (const line of ended.value) app.followFlow(line.flow_ref);
}

/** Follow the lobby: what leaves it has ended. Nothing is kept while nobody is signed in. */
export function follow(): void {
  effect(() => {
    const lines = app.lobby.value;
    if (lines === null || isShut.value) {
      known = null;
      ended.value = [];
      return;
    }
    const now = new Map(lines.map((line) => [line.session, line]));
    const gone = [...(known ?? now).values()].filter(({ session }) => !now.has(session));
    if (known === null) askSoon(midnight() - LONGEST_MS);
    known = now;
    if (gone.length > 0) askSoon(Math.min(...gone.map(({ opened_at }) => Date.parse(opened_at))));
  });
  setInterval(() => {
    if (!ended.peek().every(isOfToday)) ended.value = ended.peek().filter(isOfToday);
  }, 60_000);
}
