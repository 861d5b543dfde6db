// One session: its steps, the patient's screen as it is now, and what can be done.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { StepScreen } from "../fields/step.tsx";
import type { Sheet } from "../fields/sheet.ts";
import type { FacilityView } from "../../generated/wire.ts";
import { type Flow, type Item, itemOf } from "../lib/flow.ts";
import { reviewSeenByStaff } from "../lib/review.ts";
import { present } from "../lib/present.ts";
import { nameOf as languageName, wordsIn } from "../words.ts";
import { Actions } from "./actions.tsx";
import { DeclinedReason, orReason, type Overridable } from "./declined.tsx";
import * as app from "./app.ts";
import { HeldNote } from "./identify.tsx";
import { QrCode, useNow } from "./parts.tsx";
import { isOver } from "./status.ts";
import { TimeLine } from "./timeline.tsx";

export function SessionScreen({ room }: { room: app.Room }) {
  const now = room.session.view.value;
  const flow = now ? app.known.value.get(now.flow_ref) : undefined;
  const [timeline, setTimeline] = useState(false);
  useEffect(() => {
    const listen = () => setTimeline((open) => !open);
    addEventListener("handrail-timeline", listen);
    return () => removeEventListener("handrail-timeline", listen);
  }, []);
  if (room.session.departed.value) return <Gone why="This session is not here any more." />;
  if (room.fault.value) return <Gone why={room.fault.value} />;
  if (now === null || flow === undefined) return <main class="calm"><p class="lead" role="status">Loading…</p></main>;
  const past = room.past.value ?? null;
  const view = past?.view ?? now;
  return (
    <main class="room" data-past={past ? true : undefined}>
      <RoomHead view={now} room={room} flow={flow} timeline={timeline} onTimeline={() => setTimeline(!timeline)} />
      <Steps room={room} view={view} flow={flow} live={past === null} />
      <Mirror room={room} view={view} flow={flow} live={past === null} />
      <aside class="actions" aria-label="What can be done now">
        {past ? <PastNote room={room} at={past.view.updated_at} /> : <Actions room={room} view={now} flow={flow} />}
      </aside>
      {timeline && <TimeLine room={room} view={now} flow={flow} onClose={() => setTimeline(false)} />}
    </main>
  );
}

function Gone({ why }: { why: string }) {
  return (
    <main class="calm">
      <p class="lead">{why}</p>
      <button type="button" class="primary" onClick={() => app.go(null)}>
        Back to all check-ins
      </button>
    </main>
  );
}

function PastNote({ room, at }: { room: app.Room; at: string }) {
  return (
    <div class="past-note">
      <p>
        You are looking at the session as it was at <strong>{new Date(at).toLocaleTimeString()}</strong>.
      </p>
      <button type="button" class="primary" onClick={() => void app.lookBack(room, null)}>
        Back to now
      </button>
    </div>
  );
}

const STATUS: Record<FacilityView["status"], string> = {
  waiting: "Waiting for the patient",
  active: "In progress",
  paused: "Paused",
  completed: "Completed",
  cancelled: "Cancelled",
  expired: "Expired",
};

interface HeadProps {
  view: FacilityView;
  room: app.Room;
  flow: Flow;
  timeline: boolean;
  onTimeline: () => void;
}

function RoomHead({ view, room, flow, timeline, onTimeline }: HeadProps) {
  const patient = Object.entries(view.participants).find(([, one]) => one.role === "patient");
  const staff = Object.entries(view.participants).filter(([, one]) => one.role !== "patient");
  const leads = view.participants[app.me()]?.host === true;
  return (
    <div class="room-head">
      <div class="room-title">
        <h1 dir="auto">{view.label ?? "No name given"}</h1>
        <p dir="auto">{flow.title(null)}</p>
        {view.test && <span class="badge">Test: never delivered</span>}
      </div>
      <dl class="facts">
        <div>
          <dt>Status</dt>
          <dd data-status={view.status}>{STATUS[view.status]}</dd>
        </div>
        <div>
          <dt>Patient</dt>
          <dd>
            <span class={`dot ${patient?.[1].online ? "on" : patient ? "off" : "wait"}`} aria-hidden="true" />
            {patient ? (patient[1].online ? "online" : "away") : "not here yet"}
          </dd>
        </div>
        <div>
          <dt>Check words</dt>
          <dd class="strong">{view.check_words.join(" · ")}</dd>
        </div>
        <div>
          <dt>Staff</dt>
          <dd>
            {staff.map(([device, one]) => (
              <span class="person" data-host={one.host || undefined} title={one.host ? "leads this session" : "observes"}>
                <span class={`dot ${one.online ? "on" : "off"}`} aria-hidden="true" />
                {device === app.me() ? "this screen" : app.nameOf(device)}
                {one.host && <span class="badge">host</span>}
              </span>
            ))}
          </dd>
        </div>
      </dl>
      <span class="grow" />
      {!leads && !isOver(view) && (
        <TakeOver room={room} view={view} />
      )}
      <button type="button" class="secondary" aria-expanded={timeline} aria-keyshortcuts="t" onClick={onTimeline}>
        Time line
      </button>
    </div>
  );
}

function TakeOver({ room, view }: { room: app.Room; view: FacilityView }) {
  const [refusal, setRefusal] = useState<string | null>(null);
  const reason = view.blocked?.["TAKE_OVER"];
  const take = () => {
    if (!reason) app.command(room, { type: "TAKE_OVER" }).catch((error: unknown) => setRefusal(app.wordsOf(error)));
  };
  return (
    <div class="take-over">
      <button
        type="button"
        class="primary"
        aria-disabled={reason ? true : undefined}
        onClick={take}
      >
        Take over
      </button>
      {(reason ?? refusal) && <p class="reason">{reason ?? refusal}</p>}
    </div>
  );
}

// -- steps -------------------------------------------------------------------------------------

interface PartProps {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  live: boolean;
}

const MARKS = { upcoming: "○", current: "●", complete: "✓", incomplete: "!" } as const;
const MEANING = { upcoming: "not yet", current: "now", complete: "complete", incomplete: "something is missing" } as const;

function Steps({ room, view, flow, live }: PartProps) {
  const [refusal, setRefusal] = useState<{ step: string; text: string } | null>(null);
  const [unsigned, setUnsigned] = useState<(Overridable & { type: "NAVIGATE" }) | null>(null);
  const blocked = live ? view.blocked?.["NAVIGATE"] : "This is the past.";
  const current = useRef<HTMLLIElement>(null);
  useEffect(() => {
    setRefusal(null);
    setUnsigned(null);
    current.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [view.step_id]);
  const goTo = (step_id: string) => {
    setRefusal(blocked ? { step: step_id, text: blocked } : null);
    if (blocked) return;
    const intent = { type: "NAVIGATE", step_id } as const;
    app
      .command(room, intent)
      .catch(orReason(intent, setUnsigned))
      .catch((error: unknown) => setRefusal({ step: step_id, text: app.wordsOf(error) }));
  };
  return (
    <nav class="steps" aria-label="Steps">
      <ol>
        {flow.steps.map((step, index) => {
          const state = view.steps[step.id];
          const status = state?.status ?? "upcoming";
          return (
            <li key={step.id} data-status={status} ref={status === "current" ? current : undefined}>
              <button
                type="button"
                aria-current={status === "current" ? "step" : undefined}
                aria-disabled={blocked ? true : undefined}
                onClick={() => status !== "current" && goTo(step.id)}
              >
                <span class="step-mark" aria-hidden="true">{status === "upcoming" ? index + 1 : MARKS[status]}</span>
                <span class="step-name" dir="auto">{step.title(null)}</span>
                <span class="step-filled">
                  <span class="visually-hidden">{MEANING[status]}, </span>
                  {state && state.required > 0 ? `${state.filled}/${state.required}` : ""}
                </span>
              </button>
              {refusal?.step === step.id && <p class="refusal" role="alert">{refusal.text}</p>}
              {unsigned?.step_id === step.id && <DeclinedReason room={room} intent={unsigned} onClose={() => setUnsigned(null)} />}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

// -- the mirror --------------------------------------------------------------------------------

function Mirror({ room, view, flow, live }: PartProps) {
  const [language, setLanguage] = useState<string | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const selected = room.selected.value ?? null;
  const step = flow.steps.find((one) => one.id === view.step_id) ?? present(flow.steps[0]);
  const patient = Object.values(view.participants).find((one) => one.role === "patient");
  const blocked = live ? view.blocked?.["HIGHLIGHT_FIELD"] : undefined;
  const wanted = flow.steps.find((one) => one.id === view.help_step);
  useEffect(() => {
    setRefusal(null);
    room.selected.value = null;
  }, [view.step_id]);
  const point = (id: string) => {
    if (!live) return;
    const again = view.highlight === id;
    room.selected.value = id;
    setRefusal(blocked ?? null);
    if (blocked) return;
    app.command(room, { type: "HIGHLIGHT_FIELD", field_id: again ? null : id }).catch((error: unknown) => setRefusal(app.wordsOf(error)));
  };
  const sheet = useMemo(
    (): Sheet => ({
      flow,
      language,
      say: wordsIn(language ?? flow.language),
      enabled: new Set(view.enabled),
      shown: step.items.some(asksForReview) ? { ...view, review: reviewSeenByStaff(flow, view) } : view,
      hands: null,
      pointing: {
        point,
        selected,
        patientFocus: view.patient_focus,
        missing: new Set(live ? view.missing : []),
        labels: { point: "Point to", here: "patient is here" },
      },
    }),
    [flow, language, view, selected, live],
  );
  const over = isOver(view);
  return (
    <section class="mirror-side" aria-label="What the patient sees">
      <div class="mirror-bar">
        <span class={`dot ${patient?.online ? "on" : patient ? "off" : "wait"}`} aria-hidden="true" />
        <span>{live ? "The patient's screen, live" : "The patient's screen, as it was"}</span>
        <span class="grow" />
        {flow.languages.length > 1 && (
          <label>
            <span class="visually-hidden">Show in</span>
            <select value={language ?? ""} onChange={({ currentTarget }) => setLanguage(currentTarget.value || null)}>
              <option value="">{flow.language ? languageName(flow.language) : "As written"}</option>
              {flow.languages.filter((one) => one !== flow.language).map((one) => (
                <option value={one}>{languageName(one)}</option>
              ))}
            </select>
          </label>
        )}
      </div>
      {view.code && live && <CodePanel view={view} />}
      {view.help_requested && live && (
        <p class="banner alert" role="alert">
          {wanted ? <>The patient asks to change “<span dir="auto">{wanted.title(null)}</span>”.</> : "The patient asks for help."}
        </p>
      )}
      {patient && !patient.online && live && !over && (
        <p class="banner warn" role="status">The patient's screen is away. When it is back, it shows this step. What is typed on it meanwhile is not here yet.</p>
      )}
      {view.patient_away_since && (
        <p class="banner warn" role="status">
          The patient's screen was away when {over ? "this session ended" : "it left this session"}. What was typed on it meanwhile may be missing: ask the patient.
        </p>
      )}
      {live && !over && view.locked && (
        <p class="banner warn" role="status">
          Nobody answered at the patient's screen, so it is locked and shows no values. “Show again” opens it.
        </p>
      )}
      {live && !over && view.patient_idle && !view.locked && (
        <p class="banner" role="status">Nobody answers at the patient's screen.</p>
      )}
      {refusal && <p class="banner refusal" role="alert">{refusal}</p>}
      {live && <NotTaken view={view} flow={flow} />}
      {over ? (
        <Over view={view} />
      ) : (
        <MirrorState view={view} flow={flow} />
      )}
      <div class="mirror" data-covered={view.covered || undefined}>
        <div class="step-head">
          <p class="step-count">
            Step {view.step_index + 1} of {view.steps_total}
          </p>
          <h2 dir="auto">{step.title(language)}</h2>
        </div>
        <StepScreen sheet={sheet} step={step} />
      </div>
    </section>
  );
}

const asksForReview = (item: Item): boolean => item.review || item.items.some(asksForReview);

const ENDED: Record<string, string> = {
  completed: "The check-in is complete and submitted.",
  cancelled: "The check-in was cancelled.",
  expired: "The check-in expired: it was not used for too long.",
};

/** How it ended; and whether its delivery waits for staff. */
function Over({ view }: { view: FacilityView }) {
  const waits = app.held.value.find((one) => one.session === view.session);
  const stated = view.identified;
  return (
    <>
      <p class="banner" role="status">{ENDED[view.status]}</p>
      {waits && (
        <div class="banner warn" role="status">
          <HeldNote line={waits} />
        </div>
      )}
      {stated && (
        <p class="banner" role="status">
          Identified by staff: <span dir="auto">{[...(stated.given ?? []), stated.family].filter(Boolean).join(" ")}</span>
          {[stated.birth_date, stated.gender].filter(Boolean).map((one) => `, ${one}`)}
        </p>
      )}
    </>
  );
}

/** What the patient entered and the controller refused. */
function NotTaken({ view, flow }: { view: FacilityView; flow: Flow }) {
  const all = Object.entries(view.not_taken ?? {});
  if (all.length === 0) return null;
  return (
    <div class="banner warn not-taken" role="status">
      <p>Not taken from the patient, who sees it too:</p>
      <ul>
        {all.map(([id, { message }]) => (
          <li key={id}>
            <strong dir="auto">{itemOf(flow, id)?.text(null) ?? id}</strong> – {message}
          </li>
        ))}
      </ul>
    </div>
  );
}

function MirrorState({ view, flow }: { view: FacilityView; flow: Flow }) {
  const signing = view.signature?.status === "requested" ? view.signature.field_id : null;
  if (signing) {
    return (
      <p class="banner signing-now" role="status">
        The patient is signing: {itemOf(flow, signing)?.text(null)}
      </p>
    );
  }
  if (view.covered) return <p class="banner" role="status">The patient's screen is covered.</p>;
  if (view.status === "paused") return <p class="banner" role="status">The session is paused; the patient's screen is covered.</p>;
  return null;
}

function CodePanel({ view }: { view: FacilityView }) {
  const now = useNow(1_000);
  const link = `${location.origin}/patient#code=${view.code}`;
  const left = view.code_expires_at ? Math.max(0, Math.round((Date.parse(view.code_expires_at) - now) / 1000)) : null;
  const local = /^(localhost|127\.|\[::1\])/.test(location.hostname);
  return (
    <section class="code-panel" aria-labelledby="code-title">
      <QrCode text={link} label="QR code with the link for the patient's phone" />
      <div>
        <h2 id="code-title">Bring the patient in</h2>
        <p>Scan with a phone, or enter this code at {location.host}/patient:</p>
        <p class="big-code">{view.code}</p>
        {left !== null && (
          <p class="hint">
            {left > 0 ? `Works once, for ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} more` : "This code has expired: take a new one with “Change the tablet”."}
          </p>
        )}
        {local && <p class="hint">You opened this page at an address of this machine alone: phones need the box's own address.</p>}
      </div>
    </section>
  );
}
