// The time line as a story: the events that say something, in sentences, by step.
import type { FacilityView, TimelineLine } from "../../generated/wire.ts";
import { type Flow, itemOf, type Step, stepOf } from "../lib/flow.ts";

/** What of an event is said: the name of a sentence, and its parts. */
export interface Told {
  revision: number;
  at: string;
  /** The event's name, which a sentence has. */
  event: string;
  /** Who did it: a device, or null for the box itself. */
  device: string | null;
  /** Who was signed in there, by name. */
  person: string | null;
  /** The field, step, device or words that it is about. */
  about: string;
  field: string | null;
  /** How many like it followed at once. */
  times: number;
}

export interface Chapter {
  step: Step | null;
  told: Told[];
}

/** What happens all the time and tells staff nothing. */
const NOISE = new Set(["FieldFocused", "UploadProgressed", "CommandRefused", "DocumentFetched", "FieldHighlighted", "CodeClosed"]);
/** Of these in a row, about the same, only the last is told. */
const REPEATS = new Set(["FieldEntered", "FieldCleared", "ReadingReported", "UploadBegun", "ScreenReported", "PresenceChanged", "Calculated"]);

/** Of what was calculated, only answers are told: conditions and bounds show themselves. */
const isWithoutAnswer = (line: TimelineLine) => line.event === "Calculated" && line.summary === "";

function toldOf(line: TimelineLine, flow: Flow): Told {
  const [first = ""] = line.summary.split(" ");
  const item = itemOf(flow, first);
  return {
    revision: line.revision,
    at: line.at,
    event: line.event,
    device: line.device ?? null,
    person: line.person_name ?? line.person ?? null,
    about: line.summary,
    field: item ? first : null,
    times: 1,
  };
}

const isRepeat = (one: Told, before: Told | undefined): before is Told =>
  before !== undefined && REPEATS.has(one.event) && one.event === before.event && subject(one) === subject(before) && one.device === before.device;

const subject = (one: Told) => one.field ?? one.about.split(" ")[0];

/** Which step an event moved to; null for one that moves nowhere. */
function destination(line: TimelineLine, flow: Flow): Step | null {
  if (line.event !== "Navigated" && line.event !== "StepPassed") return null;
  return flow.steps.find((step) => line.summary === step.title(null) || line.summary.startsWith(`${step.title(null)}: `)) ?? null;
}

/** Return the events by the step that was current. */
export function storyOf(lines: readonly TimelineLine[], flow: Flow): Chapter[] {
  const chapters: Chapter[] = [{ step: flow.steps[0] ?? null, told: [] }];
  for (const line of lines) {
    if (NOISE.has(line.event) || isWithoutAnswer(line)) continue;
    const one = toldOf(line, flow);
    const to = destination(line, flow);
    let chapter = chapters[chapters.length - 1];
    if (to !== null && to !== chapter?.step) chapters.push((chapter = { step: to, told: [] }));
    const before = chapter?.told.at(-1);
    if (isRepeat(one, before)) chapter?.told.splice(-1, 1, { ...one, times: before.times + 1 });
    else chapter?.told.push(one);
  }
  return chapters.filter((chapter) => chapter.told.length > 0);
}

/** The last that was told at a revision. */
export function toldAt(chapters: readonly Chapter[], revision: number): Told | undefined {
  return chapters.flatMap((chapter) => chapter.told).findLast((one) => one.revision <= revision);
}

/** The step that a field is on, where an event is about one of another step. */
export const otherStep = (flow: Flow, one: Told, here: Step | null): Step | null => {
  const step = one.field ? stepOf(flow, one.field) : undefined;
  return step && step !== here ? step : null;
};

/** Whether a device is the patient's in a session. */
export const isPatients = (view: FacilityView, device: string): boolean => view.participants[device]?.role === "patient";
