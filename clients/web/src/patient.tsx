// The patient's page.
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { StepScreen } from "./fields/step";
import type { Hands, Sheet } from "./fields/sheet";
import type { PatientView } from "../generated/wire";
import { type Flow, itemOf, type Step } from "./lib/flow";
import * as app from "./patient/app";
import { Mark } from "./mark";
import { Calm, LanguageButtons, LanguageChoice, Pairing, Waiting } from "./patient/screens";
import { Signing } from "./patient/signing";

/** Without touch for so long, the answers are hidden: the chair may be empty. */
const IDLE_MS = 120_000;

function Page() {
  const say = app.say.value;
  const { value: connection } = app.connection;
  const { value: room } = app.room;
  if (connection?.elsewhere.value) {
    return <Calm title="elsewhere" why="elsewhereWhy" say={say} action={{ word: "useHere", run: app.useHere }} />;
  }
  if (app.ending.value !== null) return <End how={app.ending.value} />;
  if (room === null) return app.kiosk.value ? <Waiting /> : <Pairing />;
  const view = room.side.view.value;
  const flow = app.flow.value;
  if (view === null || flow === null) {
    return (
      <main class="calm">
        <Mark />
        <h1>{say("welcome")}</h1>
        <p class="lead" role="status">{say(app.online.value || view === null ? "waitingFlow" : "reconnecting")}</p>
      </main>
    );
  }
  return <InSession room={room} view={view} flow={flow} />;
}

function End({ how }: { how: app.Ending }) {
  const words = {
    completed: ["thanks", "thanksWhy"],
    ended: ["ended", "endedWhy"],
    moved: ["moved", "movedWhy"],
  } as const;
  const [title, why] = words[how];
  return <Calm title={title} why={why} say={app.say.value} action={{ word: "startAgain", run: app.again }} />;
}

function useIdle(): [boolean, () => void] {
  const [idle, setIdle] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const touched = () => {
      clearTimeout(timer);
      timer = setTimeout(() => setIdle(true), IDLE_MS);
    };
    const signs = ["pointerdown", "pointermove", "keydown", "scroll", "input"];
    signs.forEach((sign) => addEventListener(sign, touched, { passive: true, capture: true }));
    touched();
    return () => {
      clearTimeout(timer);
      signs.forEach((sign) => removeEventListener(sign, touched, { capture: true }));
    };
  }, []);
  return [idle, () => setIdle(false)];
}

function InSession({ room, view, flow }: { room: app.Room; view: PatientView; flow: Flow }) {
  const say = app.say.value;
  const [idle, wake] = useIdle();
  const cover = view.covered ? "covered" : view.status === "paused" ? "paused" : idle ? "idle" : null;
  const signing = view.signature?.status === "requested";
  return (
    <>
      {cover !== null && <Cover why={cover} wake={wake} />}
      {/* Hidden, not taken away: what was begun is still there afterwards. */}
      <div class="session" hidden={cover !== null}>
        <Header room={room} view={view} locked={signing} />
        <main>
          {signing ? (
            <Signing flow={flow} view={view} language={app.language.value} say={say} send={(intent) => room.side.send(intent)} />
          ) : (
            <Form room={room} view={view} flow={flow} />
          )}
        </main>
      </div>
    </>
  );
}

function Cover({ why, wake }: { why: "covered" | "paused" | "idle"; wake: () => void }) {
  const say = app.say.value;
  const action = why === "idle" ? { word: "idleGo" as const, run: wake } : undefined;
  return <Calm title={why} why={`${why}Why`} say={say} action={action} />;
}

function Header({ room, view, locked }: { room: app.Room; view: PatientView; locked: boolean }) {
  const say = app.say.value;
  const online = app.online.value;
  const unsent = room.side.waiting.value;
  const part = ((view.step_index + 1) / view.steps_total) * 100;
  return (
    <header class="bar">
      <div class="bar-row">
        <Mark />
        <p class="check-words" title={say("checkWordsHint")}>
          <span class="visually-hidden">{say("checkWords")}: </span>
          <strong>{view.check_words.join(" · ")}</strong>
        </p>
        <span class="grow" />
        <LanguageChoice />
        {!locked && (
          <button
            type="button"
            class="help"
            disabled={view.help_requested}
            onClick={() => room.side.send({ type: "ASK_FOR_HELP" }).catch(() => undefined)}
          >
            {say(view.help_requested ? "helpAsked" : "help")}
          </button>
        )}
      </div>
      <div class="bar-progress">
        <span style={{ width: `${part}%` }} />
      </div>
      <div role="status" aria-live="polite">
        {!online && (
          <p class="banner warn">
            {say("reconnecting")} {unsent > 0 && say("unsent", { n: unsent })}
          </p>
        )}
        {online && !view.host_online && <p class="banner">{say("hostAway")}</p>}
      </div>
    </header>
  );
}

function handsOf(room: app.Room): Hands {
  const { entries, side, uploads } = room;
  return {
    value: (id) => entries.value(id),
    problem: (id) => entries.problems.value.get(id),
    enter: (id, value, how) => entries.enter(id, value, how),
    clear: (id) => void side.send({ type: "CLEAR_FIELD", field_id: id }).catch((error: Error) => entries.fault(id, error.message)),
    read: (id, fraction, seconds) =>
      void side.send({ type: "REPORT_READING", field_id: id, fraction, seconds }).catch(() => undefined),
    withdraw: (id, reason) => side.send({ type: "WITHDRAW_SIGNATURE", field_id: id, reason }),
    upload: (id, bytes, mediaType) => {
      entries.fault(id);
      uploads.begin(id, bytes, mediaType);
    },
    uploading: (id) => uploads.progress.value.get(id),
  };
}

function Form({ room, view, flow }: { room: app.Room; view: PatientView; flow: Flow }) {
  const say = app.say.value;
  const language = app.language.value;
  const step = flow.steps.find((one) => one.id === view.step_id) ?? flow.steps[0]!;
  const hands = useMemo(() => handsOf(room), [room]);
  const drafts = room.entries.drafts.value;
  const problems = room.entries.problems.value;
  const sending = room.uploads.progress.value;
  const sheet = useMemo(
    (): Sheet => ({
      flow,
      language,
      say,
      enabled: new Set(view.enabled),
      shown: view,
      hands,
      pointing: null,
    }),
    [flow, language, view, hands, drafts, problems, sending],
  );
  return (
    <>
      <StepHead view={view} step={step} />
      {view.step_index === 0 && <LanguageButtons />}
      <Announcer view={view} flow={flow} />
      <form
        autocomplete="off"
        onSubmit={(event) => event.preventDefault()}
        onFocusCapture={(event) => {
          const id = (event.target as Element).closest<HTMLElement>("[data-field]")?.dataset.field;
          if (id && view.enabled.includes(id)) room.entries.focus(id);
        }}
        onBlurCapture={() => room.entries.flush()}
      >
        <StepScreen sheet={sheet} step={step} />
      </form>
      <p class="step-foot">{say("stepDone")}</p>
    </>
  );
}

function StepHead({ view, step }: { view: PatientView; step: Step }) {
  const say = app.say.value;
  const title = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  useEffect(() => {
    // Taken to another step: begin at its top. On arrival, the page is where it should be.
    if (!first.current) {
      scrollTo({ top: 0 });
      title.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [step.id]);
  return (
    <div class="step-head">
      <p class="step-count">{say("stepOf", { n: view.step_index + 1, total: view.steps_total })}</p>
      <h1 ref={title} tabIndex={-1} dir="auto">{step.title(app.language.value)}</h1>
    </div>
  );
}

/** Tells a screen reader where the staff points. */
function Announcer({ view, flow }: { view: PatientView; flow: Flow }) {
  const item = view.highlight ? itemOf(flow, view.highlight) : undefined;
  const label = item?.text(app.language.value).slice(0, 120) ?? "";
  return (
    <p class="visually-hidden" role="status" aria-live="assertive">
      {item && app.say.value("pointedAt", { label })}
    </p>
  );
}

app.start();
render(<Page />, document.getElementById("app")!);
