// One session: its steps, the patient's screen as it is now, and what can be done.
import { useEffect, useState } from "preact/hooks";
import { Actions } from "./actions.tsx";
import * as app from "./app.ts";
import { exactly, t } from "./messages.ts";
import { Mirror } from "./mirror.tsx";
import { RoomHead } from "./room-head.tsx";
import { Steps } from "./steps.tsx";
import { TimeLine } from "./timeline.tsx";

export function SessionScreen({ room }: { room: app.Room }) {
  const now = room.session.view.value;
  const flow = now ? app.known.value.get(now.flow_ref) : undefined;
  const [timeline, setTimeline] = useState(false);
  useEffect(() => scrollTo({ top: 0 }), [room]);
  useEffect(() => {
    const listen = () => setTimeline((open) => !open);
    addEventListener("handrail-timeline", listen);
    return () => removeEventListener("handrail-timeline", listen);
  }, []);
  if (room.session.departed.value) return <Gone why={t("room.departed")} />;
  if (room.fault.value) return <Gone why={room.fault.value} />;
  if (now === null || flow === undefined) return <main class="calm"><p class="lead" role="status">{t("loading")}</p></main>;
  const past = room.past.value ?? null;
  const view = past?.view ?? now;
  return (
    <main class="room" data-past={past ? true : undefined}>
      <RoomHead view={now} flow={flow} timeline={timeline} onTimeline={() => setTimeline(!timeline)} />
      <Steps room={room} view={view} flow={flow} live={past === null} />
      <aside class="actions" aria-label={t("room.actions")}>
        {past ? <PastNote room={room} at={past.view.updated_at} /> : <Actions room={room} view={now} flow={flow} />}
      </aside>
      <Mirror room={room} view={view} flow={flow} live={past === null} />
      {timeline && <TimeLine room={room} view={now} flow={flow} onClose={() => setTimeline(false)} />}
    </main>
  );
}

function Gone({ why }: { why: string }) {
  return (
    <main class="calm">
      <p class="lead">{why}</p>
      <button type="button" class="primary" onClick={() => app.go(null)}>
        {t("room.back")}
      </button>
    </main>
  );
}

function PastNote({ room, at }: { room: app.Room; at: string }) {
  return (
    <div class="past-note">
      <p>{t("past.at", { time: exactly(at) })}</p>
      <button type="button" class="primary" onClick={() => void app.lookBack(room, null)}>
        {t("past.back")}
      </button>
    </div>
  );
}
