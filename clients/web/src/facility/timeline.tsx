// The time line: what happened, and what the patient's screen showed at any moment.
import { useEffect, useRef } from "preact/hooks";
import type { FacilityView, TimelineLine } from "../../generated/wire.ts";
import { type Flow, itemOf } from "../lib/flow.ts";
import * as app from "./app.ts";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  onClose: () => void;
}

/** `FieldEntered` → `Field entered`. */
const spoken = (event: string) => {
  const words = event.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

function about(line: TimelineLine, flow: Flow, room: FacilityView): string {
  const [first = "", ...rest] = line.summary.split(" ");
  const item = itemOf(flow, first);
  if (item) return [item.text(null).slice(0, 80) || first, ...rest].join(" ");
  if (room.participants[first]) return [app.nameOf(first), ...rest].join(" ");
  return line.summary;
}

export function TimeLine({ room, view, flow, onClose }: Props) {
  const events = room.events.value ?? [];
  const past = room.past.value ?? null;
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    // A burst of events is asked for once.
    const timer = setTimeout(() => void app.loadEvents(room), 300);
    return () => clearTimeout(timer);
  }, [view.revision]);
  useEffect(() => () => void app.lookBack(room, null), []);
  const at = past?.revision ?? view.revision;
  useEffect(() => {
    list.current?.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  }, [at, events.length]);
  const current = events.findLast((one) => one.revision <= at);
  const look = (revision: number) => void app.lookBack(room, revision >= view.revision ? null : revision);
  return (
    <section class="timeline" aria-label="Time line">
      <div class="timeline-head">
        <h2>Time line</h2>
        <output>
          {current ? `${new Date(current.at).toLocaleTimeString()} · ${spoken(current.event)} ${about(current, flow, view)}` : ""}
        </output>
        <span class="grow" />
        {past && (
          <button type="button" class="primary small" onClick={() => void app.lookBack(room, null)}>
            Back to now
          </button>
        )}
        <button type="button" class="quiet small" aria-label="Close the time line" onClick={onClose}>✕</button>
      </div>
      <input
        type="range"
        aria-label="Moment of the session"
        aria-valuetext={current ? `${new Date(current.at).toLocaleTimeString()}, ${spoken(current.event)}` : undefined}
        min={1}
        max={Math.max(1, view.revision)}
        value={at}
        onInput={({ currentTarget }) => look(Number(currentTarget.value))}
      />
      <ol ref={list}>
        {events.map((line, n) => (
          <li key={n}>
            <button type="button" aria-current={line === current} onClick={() => look(line.revision)}>
              <time>{new Date(line.at).toLocaleTimeString()}</time>
              <span>{spoken(line.event)}</span>
              <span class="about" dir="auto">{about(line, flow, view)}</span>
              {line.person && <span class="about" dir="auto">{line.person_name ?? line.person}</span>}
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
