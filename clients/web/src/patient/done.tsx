// 'I'm done here': what is missing, or that staff know that the patient is ready.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { PatientView } from "../../generated/wire.ts";
import { domId } from "../fields/sheet.ts";
import { type Flow, isEmpty, type Item, itemOf } from "../lib/flow.ts";
import { present } from "../lib/present.ts";
import { messageOf, Refused } from "../lib/requests.ts";
import { type Say, sentenceIn } from "../words.ts";
import { announce, useAnnounced } from "../lib/announcer.tsx";
import * as app from "./app.ts";
import { goToField } from "./focus.ts";

/** The step whose missing answers were asked for, and whether the word is on its way. */
const asked = signal<string | null>(null);
const sending = signal(false);
/** Why the box did not take it, in its words. */
const refusal = signal("");

interface Props {
  room: app.Room;
  view: PatientView;
  flow: Flow;
}

/** What is left to do here, as far as this page knows: what is on its way is done. */
export function leftToDo(room: app.Room, view: PatientView): string[] {
  const { drafts, problems } = room.entries;
  const wrong = view.enabled.filter((id) => drafts.value.get(id)?.kept && problems.value.has(id));
  const left = (view.to_do ?? []).filter((id) => {
    const draft = drafts.value.get(id);
    return draft === undefined || isEmpty(draft.value) || draft.kept;
  });
  return [...new Set([...wrong, ...left])];
}

/** The documents with a picture that was chosen and not used yet: this page alone has it. */
function unused(): string[] {
  const chosen = [...document.querySelectorAll("main .adjust")];
  return chosen.flatMap((one) => one.closest<HTMLElement>("[data-field]")?.dataset["field"] ?? []);
}

function useUnused(): string[] {
  const [ids, setIds] = useState<string[]>([]);
  useEffect(() => {
    const look = () => setIds((before) => (unused().join(" ") === before.join(" ") ? before : unused()));
    const watching = new MutationObserver(look);
    watching.observe(present(document.querySelector("main")), { childList: true, subtree: true });
    return () => watching.disconnect();
  }, []);
  return ids;
}

/** What is said at a field that was left out; in English, as the controller's sentences. */
const UNREAD = "Please read this to the end.";
const UNSENT = "Please add this document.";
const UNUSED = "Please use this picture, or cancel.";
const UNANSWERED = "Please answer this question.";
const LEFT_OUT = [UNREAD, UNSENT, UNUSED, UNANSWERED];

function missingAt(id: string, item: Item | undefined): string {
  if (unused().includes(id)) return UNUSED;
  if (item?.consent && item.type === "display") return UNREAD;
  return item?.type === "attachment" ? UNSENT : UNANSWERED;
}

/** Remove what was said at fields that are no longer missing. */
function tidy(room: app.Room, left: readonly string[]): void {
  for (const [id, said] of room.entries.problems.peek()) {
    if (LEFT_OUT.includes(said) && !left.includes(id)) room.entries.fault(id);
  }
}

export function Done({ room, view, flow }: Props) {
  const say = app.say.value;
  const online = app.online.value;
  const left = [...new Set([...leftToDo(room, view), ...useUnused()])];
  const ready = Boolean(view.ready_since);
  const last = view.step_index + 1 >= view.steps_total;
  const shown = asked.value === view.step_id && left.length > 0 ? left : [];
  useEffect(() => {
    if (left.length === 0) asked.value = null;
    tidy(room, left);
  }, [left.join(" ")]);
  useEffect(() => () => void (refusal.value = ""), [view.step_id]);
  const run = () => {
    if (ready || sending.value) return;
    refusal.value = "";
    room.entries.done();
    const now = [...new Set([...leftToDo(room, view), ...unused()])];
    if (now.length > 0) refuse(room, view, flow, now);
    else void send(room, view, flow);
  };
  const waits = sending.value && !online ? say("doneWaiting") : sentenceIn(app.language.value ?? flow.language, refusal.value);
  const words = ready ? said(view, say, last) : waits;
  useAnnounced(words);
  return (
    <div class="done">
      {shown.length > 0 && <Left ids={shown} flow={flow} />}
      <button
        type="button"
        class={`large wide ${ready ? "ready" : "primary"}`}
        aria-disabled={ready || sending.value || undefined}
        onClick={run}
      >
        {ready && <span aria-hidden="true">✓ </span>}
        {say(ready ? "doneReady" : view.may_advance ? "doneNext" : "done")}
      </button>
      <p class="done-hint">{words || next(view, say, last)}</p>
    </div>
  );
}

/** What happens once the patient is done. */
function next(view: PatientView, say: Say, last: boolean): string {
  if (view.may_advance) return say("nextBySelf");
  const name = view.host_name;
  if (last) return name ? say("lastBy", { name }) : say("last");
  return name ? say("stepDoneBy", { name }) : say("stepDone");
}

/** What the patient who is done waits for. */
function said(view: PatientView, say: Say, last: boolean): string {
  const name = view.host_name;
  if (last) return name ? say("readyLastBy", { name }) : say("readyLast");
  return name ? say("readyBy", { name }) : say("ready");
}

function Left({ ids, flow }: { ids: string[]; flow: Flow }) {
  const say = app.say.value;
  return (
    <div class="left" role="group" aria-labelledby="left-title">
      <h2 id="left-title">{leftSaid(ids.length, say)}</h2>
      <ul>
        {ids.map((id) => (
          <li key={id}>
            <a
              href={`#${domId(id)}`}
              dir="auto"
              onClick={(event) => {
                event.preventDefault();
                goToField(id);
              }}
            >
              {labelOf(flow, id)}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

const leftSaid = (n: number, say: Say) => say(n === 1 ? "leftOne" : "leftMany", { n });

function labelOf(flow: Flow, id: string): string {
  const text = itemOf(flow, id)?.text(app.language.value) || app.say.value("unnamed");
  return text.length > 80 ? `${text.slice(0, 80).trimEnd()}…` : text;
}

function refuse(room: app.Room, view: PatientView, flow: Flow, ids: string[]): void {
  asked.value = view.step_id;
  for (const id of ids) {
    const isSaid = room.entries.problem(id) !== undefined || Boolean(view.fields[id]?.correction);
    if (!isSaid) room.entries.fault(id, missingAt(id, itemOf(flow, id)));
  }
  const [first] = ids;
  // Which is the first of them, the focus says.
  announce(leftSaid(ids.length, app.say.peek()));
  // Once what is wrong stands at the field.
  if (first) requestAnimationFrame(() => goToField(first));
}

async function send(room: app.Room, view: PatientView, flow: Flow): Promise<void> {
  sending.value = true;
  try {
    await room.session.send({ type: "REPORT_READY", step_id: view.step_id });
  } catch (error) {
    const fields = error instanceof Refused ? error.rejection.details?.["fields"] : null;
    const now = room.session.view.peek();
    // Of a step that is no longer shown, nothing is left to say.
    if (now?.step_id !== view.step_id) return;
    if (Array.isArray(fields)) refuse(room, now, flow, fields.map(String));
    else refusal.value = messageOf(error);
  } finally {
    sending.value = false;
  }
}
