// The call for help, from the tap until staff say that it is done.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { PatientView } from "../../generated/wire.ts";
import { messageOf } from "../lib/requests.ts";
import { type Say, sentenceIn } from "../words.ts";
import { useAnnounced } from "../lib/announcer.tsx";
import * as app from "./app.ts";

export type HelpState = "none" | "waiting" | "asked" | "coming";

/** Why the box did not take the last call, in its words. */
const refusal = signal("");

/** `waiting`: the call has not reached the box yet. */
export function helpState(room: app.Room, view: PatientView): HelpState {
  if (room.session.waiting.value > 0 && room.session.holds("ASK_FOR_HELP")) return "waiting";
  if (view.help?.status === "coming") return "coming";
  return view.help_requested ? "asked" : "none";
}

/** What the patient reads of it; nothing where nobody was called. */
export function helpSaid(view: PatientView, state: HelpState, say: Say, online: boolean): string {
  const name = view.help?.staff_name;
  if (state === "coming") return name ? say("helpComingBy", { name }) : say("helpComing");
  if (state === "waiting") return say(online ? "helpAsked" : "helpWaiting");
  if (state === "asked") return say("helpAsked");
  return sentenceIn(app.language.value, refusal.value);
}

/** Call for help, or ask that the answers of a step are changed; a refusal is said. */
export function callForHelp({ session }: app.Room, step_id?: string): void {
  refusal.value = "";
  session
    .send({ type: "ASK_FOR_HELP", ...(step_id === undefined ? {} : { step_id }) })
    .catch((error: unknown) => (refusal.value = messageOf(error)));
}

export function HelpButton({ room, view }: { room: app.Room; view: PatientView }) {
  const say = app.say.value;
  const state = helpState(room, view);
  const called = state === "waiting" || state === "asked";
  return (
    <button
      type="button"
      class="help"
      data-help={state}
      // Not switched off: the focus stays, and a screen reader finds it where it was.
      aria-disabled={called || undefined}
      onClick={() => !called && callForHelp(room)}
    >
      {say(called ? "helpCalled" : state === "coming" ? "helpAgain" : "help")}
    </button>
  );
}

/** How the call stands, in a sentence. */
export function HelpLine({ room, view }: { room: app.Room; view: PatientView }) {
  const state = helpState(room, view);
  const said = helpSaid(view, state, app.say.value, app.online.value);
  return said ? <p class="banner" data-help={state}>{said}</p> : null;
}

/** Told to a screen reader wherever the call was made; its end too. */
export function useHelpAnnounced(room: app.Room, view: PatientView): void {
  useEffect(() => () => void (refusal.value = ""), [room]);
  const state = helpState(room, view);
  const said = helpSaid(view, state, app.say.value, app.online.value);
  useAnnounced(said || app.say.value("helpDone"));
}
