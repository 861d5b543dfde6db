// The queue: which check-in needs staff, why and since when, and in which part it stands.
import type { HeldLine, LobbyLine } from "../../generated/wire.ts";

/** Why a check-in needs staff; the most urgent first. */
export const REASONS = ["help", "ready", "review", "locked", "idle", "away", "coming", "held"] as const;
export type Reason = (typeof REASONS)[number];

export const PARTS = ["needs", "filling", "waiting", "done"] as const;
export type Part = (typeof PARTS)[number];

export interface Entry {
  session: string;
  part: Part;
  /** All of them, the most urgent first. */
  reasons: Reason[];
  since: string;
  line: LobbyLine;
  /** Why it is not delivered, if it is complete and held. */
  held: HeldLine | null;
}

export type Queue = Record<Part, Entry[]>;

const HAS_ENDED = ["completed", "cancelled", "expired"];

/** The reasons of an open check-in, each with its beginning. */
function reasonsOf(line: LobbyLine): [Reason, string][] {
  const now = line.updated_at;
  const found: [Reason, string | null | undefined | false][] = [
    ["help", line.help_requested && line.help?.status !== "coming" && (line.help?.since ?? now)],
    ["ready", line.ready_since],
    ["review", (line.to_review ?? 0) > 0 && (line.to_review_since ?? now)],
    ["locked", line.patient_locked === true && (line.idle_since ?? now)],
    ["idle", line.patient_idle === true && line.patient_locked !== true && (line.idle_since ?? now)],
    ["coming", line.help_requested && line.help?.status === "coming" && line.help.since],
    ["away", line.status === "active" && !line.patient_online && (line.patient_since ?? now)],
  ];
  return found.filter((one): one is [Reason, string] => typeof one[1] === "string");
}

function openEntry(line: LobbyLine): Entry {
  const reasons = reasonsOf(line);
  const common = { session: line.session, line, held: null, reasons: reasons.map(([reason]) => reason) };
  const first = reasons[0];
  if (first) return { ...common, part: "needs", since: first[1] };
  if (line.status === "waiting") return { ...common, part: "waiting", since: line.opened_at };
  return { ...common, part: "filling", since: line.step_since ?? line.opened_at };
}

function heldEntry(held: HeldLine): Entry {
  const { session, label, flow_ref, completed_at } = held;
  const line: LobbyLine = {
    session,
    label,
    flow_ref,
    status: "completed",
    step_id: "",
    step_index: 0,
    steps_total: 0,
    patient_online: false,
    help_requested: false,
    host: null,
    opened_at: completed_at,
    updated_at: completed_at,
  };
  return { session, part: "needs", reasons: ["held"], since: completed_at, line, held };
}

const doneEntry = (line: LobbyLine): Entry => ({
  session: line.session,
  part: "done",
  reasons: [],
  since: line.updated_at,
  line,
  held: null,
});

const urgency = (entry: Entry) => REASONS.findIndex((one) => one === entry.reasons[0]);

/** What has waited longest comes first; of what is done, the newest. */
function sorted(part: Part, entries: Entry[]): Entry[] {
  const bySince = (a: Entry, b: Entry) => a.since.localeCompare(b.since) || a.session.localeCompare(b.session);
  if (part === "needs") return entries.sort((a, b) => urgency(a) - urgency(b) || bySince(a, b));
  return part === "done" ? entries.sort((a, b) => bySince(b, a)) : entries.sort(bySince);
}

/** Put all check-ins in order. `ended` are those of today; what is held stands under 'needs' alone. */
export function queueOf(open: readonly LobbyLine[], held: readonly HeldLine[], ended: readonly LobbyLine[]): Queue {
  const queue: Queue = { needs: [], filling: [], waiting: [], done: [] };
  const seen = new Set<string>();
  const add = (entry: Entry) => {
    if (seen.has(entry.session)) return;
    seen.add(entry.session);
    queue[entry.part].push(entry);
  };
  held.forEach((line) => add(heldEntry(line)));
  open.filter((line) => !HAS_ENDED.includes(line.status)).forEach((line) => add(openEntry(line)));
  ended.forEach((line) => add(doneEntry(line)));
  for (const part of PARTS) sorted(part, queue[part]);
  return queue;
}

/** Lines with the objects of before where nothing in them changed, so that only changed rows are drawn. */
export function withKnown<T extends { session: string }>(lines: readonly T[], before: readonly T[]): T[] {
  const known = new Map(before.map((one) => [one.session, one]));
  return lines.map((line) => {
    const old = known.get(line.session);
    return old && JSON.stringify(old) === JSON.stringify(line) ? old : line;
  });
}

/** Text as it is searched: without case, accents and outer space. */
export const plain = (text: string): string =>
  text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase().trim();

/** Whether all words that are searched for stand in one of the texts. */
export function matches(wanted: string, texts: (string | null | undefined)[]): boolean {
  const whole = plain(texts.filter(Boolean).join(" "));
  return plain(wanted).split(/\s+/).every((word) => whole.includes(word));
}
