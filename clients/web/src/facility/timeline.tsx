// The time line: what happened, in sentences, and what the patient's screen showed at any moment.
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import type { Flow } from "../lib/flow.ts";
import * as app from "./app.ts";
import { exactly, has, language, t } from "./messages.ts";
import { questionOf } from "./parts.tsx";
import { isPatients, storyOf, type Told, toldAt } from "./story.ts";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  onClose: () => void;
}

function whoOf(one: Told, view: FacilityView): string {
  if (one.person) return one.person;
  if (one.device === null) return t("who.box");
  if (isPatients(view, one.device)) return t("who.patient");
  return one.device === app.me() ? t("who.here") : app.nameOf(one.device);
}

/** An event in a sentence. One that the catalogue does not know is named as it is. */
export function sentenceOf(one: Told, flow: Flow, view: FacilityView): string {
  const key = `event.${one.event}`;
  const [first = "", ...rest] = one.about.split(" ");
  const about = one.field ? questionOf(flow, one.field).slice(0, 90) : view.participants[first] ? nameIn(first, view) : one.about;
  const parts = { who: whoOf(one, view), about, rest: rest.join(" "), times: one.times };
  return has(key) ? t(key, parts) : `${parts.who}: ${one.event} ${about}`;
}

const nameIn = (device: string, view: FacilityView) => (isPatients(view, device) ? t("who.patients_screen") : app.nameOf(device));

export function TimeLine({ room, view, flow, onClose }: Props) {
  const events = room.events.value ?? [];
  const past = room.past.value ?? null;
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // A burst of events is asked for once.
    const timer = setTimeout(() => void app.loadEvents(room), 300);
    return () => clearTimeout(timer);
  }, [view.revision]);
  useEffect(() => () => void app.lookBack(room, null), []);
  const at = past?.revision ?? view.revision;
  const story = useMemo(() => storyOf(events, flow), [events, flow]);
  const current = toldAt(story, at);
  useEffect(() => {
    list.current?.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  }, [at, events.length]);
  const look = (revision: number) => void app.lookBack(room, revision >= view.revision ? null : revision);
  const said = current ? sentenceOf(current, flow, view) : "";
  return (
    <section class="timeline" aria-label={t("timeline.title")}>
      <div class="timeline-head">
        <h2>{t("timeline.title")}</h2>
        <output dir="auto">{current ? `${exactly(current.at)} · ${said}` : ""}</output>
        <span class="grow" />
        {past && (
          <button type="button" class="primary small" onClick={() => void app.lookBack(room, null)}>
            {t("past.back")}
          </button>
        )}
        <button type="button" class="quiet small" aria-label={t("timeline.close")} onClick={onClose}>✕</button>
      </div>
      <input
        type="range"
        aria-label={t("timeline.moment")}
        aria-valuetext={current ? `${exactly(current.at)}, ${said}` : undefined}
        min={1}
        max={Math.max(1, view.revision)}
        value={at}
        onInput={({ currentTarget }) => look(Number(currentTarget.value))}
      />
      <div class="story" ref={list}>
        {story.map((chapter) => (
          <section class="chapter" key={chapter.told[0]?.revision}>
            <h3 dir="auto">{chapter.step?.title(language.value) ?? ""}</h3>
            <ol>
              {chapter.told.map((one) => (
                <li key={one.revision}>
                  <button type="button" aria-current={one === current} onClick={() => look(one.revision)}>
                    <time dateTime={one.at}>{exactly(one.at)}</time>
                    <span dir="auto">{sentenceOf(one, flow, view)}</span>
                  </button>
                </li>
              ))}
            </ol>
          </section>
        ))}
      </div>
    </section>
  );
}
