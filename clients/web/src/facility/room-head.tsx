// Whose session this is, on which screens, and the words that both sides show.
import type { FacilityView } from "../../generated/wire.ts";
import type { Flow } from "../lib/flow.ts";
import * as app from "./app.ts";
import { language, t } from "./messages.ts";
import { statusWords } from "./status.ts";

interface Props {
  view: FacilityView;
  flow: Flow;
  timeline: boolean;
  onTimeline: () => void;
}

export function RoomHead({ view, flow, timeline, onTimeline }: Props) {
  const patient = Object.entries(view.participants).find(([, one]) => one.role === "patient");
  const staff = Object.entries(view.participants).filter(([, one]) => one.role !== "patient");
  return (
    <div class="room-head">
      <div class="room-title">
        <h1 dir="auto">{view.label ?? t("no_label")}</h1>
        <p dir="auto">{flow.title(language.value)}</p>
      </div>
      {view.test && <span class="badge">{t("room.test")}</span>}
      <dl class="facts">
        <div>
          <dt>{t("room.status")}</dt>
          <dd data-status={view.status}>{statusWords(view.status)}</dd>
        </div>
        <div>
          <dt>{t("room.patient")}</dt>
          <dd>
            <span class={`dot ${patient?.[1].online ? "on" : patient ? "off" : "wait"}`} aria-hidden="true" />
            {patient ? (patient[1].online ? t("room.online", { where: app.placeOf(patient[0]) }) : t("room.away", { where: app.placeOf(patient[0]) })) : t("room.not_here")}
          </dd>
        </div>
        <div>
          <dt>{t("room.check_words")}</dt>
          <dd class="strong">{view.check_words.join(" · ")}</dd>
        </div>
        <div>
          <dt>{t("room.staff")}</dt>
          <dd>
            {staff.map(([device, one]) => (
              <span class="person" key={device} data-host={one.host || undefined}>
                <span class={`dot ${one.online ? "on" : "off"}`} aria-hidden="true" />
                {device === app.me() ? t("room.this_screen") : app.nameOf(device)}
                {one.host && <span class="badge">{t("room.leads")}</span>}
              </span>
            ))}
          </dd>
        </div>
      </dl>
      <span class="grow" />
      <button type="button" class="quiet" aria-expanded={timeline} aria-keyshortcuts="t" onClick={onTimeline}>
        {t("timeline.title")}
        {app.shortcuts.value && <kbd aria-hidden="true">t</kbd>}
      </button>
    </div>
  );
}
