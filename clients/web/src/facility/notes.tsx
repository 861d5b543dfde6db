// What staff have to know above the mirror: help that is asked for, what was not taken, how it ended.
import type { FacilityView } from "../../generated/wire.ts";
import { type Flow, itemOf } from "../lib/flow.ts";
import * as app from "./app.ts";
import { HeldNote } from "./identify.tsx";
import { box, language, type Message, t } from "./messages.ts";
import { Action, questionOf } from "./parts.tsx";
import { isOver } from "./status.ts";

/** The call for help, with what answers it at two fixed places. */
export function HelpBanner({ room, view, flow }: { room: app.Room; view: FacilityView; flow: Flow }) {
  if (!view.help_requested) return null;
  const wanted = flow.steps.find((one) => one.id === view.help_step);
  const coming = view.help?.status === "coming";
  const staff_name = app.actingName.value || null;
  return (
    <div class={`banner help-call ${coming ? "" : "alert"}`}>
      <p role="alert">{saidOfHelp(view, wanted?.title(language.value, view.enabled))}</p>
      {wanted && (
        <Action
          small
          label={t("help.open", { step: wanted.title(language.value, view.enabled) })}
          reason={view.blocked?.["NAVIGATE"]}
          run={() => app.command(room, { type: "NAVIGATE", step_id: wanted.id })}
        />
      )}
      <Action
        small
        silent
        label={t("help.go")}
        hotkey={coming ? undefined : "h"}
        pressed={coming}
        reason={coming ? t("help.told") : view.blocked?.["SEND_HELP"]}
        run={() => app.command(room, { type: "SEND_HELP", staff_name })}
      />
      <Action
        small
        silent
        label={t("help.done")}
        hotkey={coming ? "h" : undefined}
        reason={view.blocked?.["ANSWER_HELP"]}
        run={() => app.command(room, { type: "ANSWER_HELP" })}
      />
    </div>
  );
}

function saidOfHelp({ help }: FacilityView, step: string | undefined): string {
  if (help?.status === "coming") return help.staff_name ? t("help.coming", { name: help.staff_name }) : t("help.coming_nameless");
  return step === undefined ? t("help.asked") : t("help.change", { step });
}

/** What is wrong with the patient's screen. */
export function Warnings({ view, patientOnline }: { view: FacilityView; patientOnline: boolean | null }) {
  const over = isOver(view);
  const said: [boolean, Message][] = [
    [patientOnline === false && !over, "warn.away"],
    [Boolean(view.patient_away_since), over ? "warn.was_away_ended" : "warn.was_away_left"],
    [!over && view.locked === true, "warn.locked"],
    [!over && view.patient_idle === true && view.locked !== true, "warn.idle"],
  ];
  return (
    <>
      {said.filter(([holds]) => holds).map(([, message]) => (
        <p class="banner warn" role="status" key={message}>
          {t(message)}
        </p>
      ))}
    </>
  );
}

const ENDED: Record<string, Message> = {
  completed: "over.completed",
  cancelled: "over.cancelled",
  expired: "over.expired",
};

/** How it ended; and whether its delivery waits for staff. */
export function Over({ view }: { view: FacilityView }) {
  const waits = app.held.value.find((one) => one.session === view.session);
  const stated = view.identified;
  const name = [...(stated?.given ?? []), stated?.family].filter(Boolean).join(" ");
  return (
    <>
      <p class="banner" role="status">{t(ENDED[view.status] ?? "over.completed")}</p>
      {waits && (
        <div class="banner warn" role="status">
          <HeldNote line={waits} />
        </div>
      )}
      {stated && (
        <p class="banner" role="status" dir="auto">
          {t("over.identified", { who: [name, stated.birth_date, stated.gender].filter(Boolean).join(", ") })}
        </p>
      )}
    </>
  );
}

/** What the patient entered and the box refused. */
export function NotTaken({ view, flow }: { view: FacilityView; flow: Flow }) {
  const all = Object.entries(view.not_taken ?? {});
  if (all.length === 0) return null;
  return (
    <div class="banner warn not-taken" role="status">
      <p>{t("not_taken")}</p>
      <ul>
        {all.map(([id, { message }]) => (
          <li key={id}>
            {!message.startsWith(`${itemOf(flow, id)?.text(null)}: `) && (
              <>
                <strong dir="auto">{questionOf(flow, id)}</strong> –{" "}
              </>
            )}
            {box(message)}
          </li>
        ))}
      </ul>
    </div>
  );
}
