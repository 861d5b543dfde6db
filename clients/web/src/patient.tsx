// The patient's page.
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { StepScreen } from "./fields/step.tsx";
import { asText, saidBack } from "./fields/said.ts";
import { problemOf } from "./fields/problem.ts";
import { type Hands, type Sheet, valueOf } from "./fields/sheet.ts";
import type { PatientView } from "../generated/wire.ts";
import { type Flow, itemOf, listOf, type Step } from "./lib/flow.ts";
import { present } from "./lib/present.ts";
import { messageOf } from "./lib/requests.ts";
import { tabStorage } from "./lib/storage.ts";
import * as app from "./patient/app.ts";
import { Mark } from "./mark.tsx";
import { fieldAt, useLeaving } from "./patient/leaving.ts";
import { Calm, LanguageButtons, LanguageChoice, Pairing, Waiting } from "./patient/screens.tsx";
import { Signing } from "./patient/signing.tsx";
import { sentenceIn, wordsIn } from "./words.ts";

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
  const view = room.session.view.value;
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
  return <Calm title={title} why={why} say={app.say.value} left={app.left.value} action={{ word: "startAgain", run: app.again }} />;
}

function useIdle(): [boolean, () => void] {
  // A page that is loaded again asks again: the box has been told that nobody is there.
  const [idle, setIdle] = useState(tabStorage.get<boolean>("idle") ?? false);
  useEffect(() => tabStorage.put("idle", idle), [idle]);
  const restart = useRef<() => void>(() => undefined);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const touched = () => {
      clearTimeout(timer);
      timer = setTimeout(() => setIdle(true), IDLE_MS);
    };
    const signs = ["pointerdown", "pointermove", "keydown", "scroll", "input"];
    signs.forEach((sign) => addEventListener(sign, touched, { passive: true, capture: true }));
    restart.current = touched;
    touched();
    return () => {
      clearTimeout(timer);
      signs.forEach((sign) => removeEventListener(sign, touched, { capture: true }));
    };
  }, []);
  const wake = () => {
    setIdle(false);
    restart.current();
  };
  return [idle, wake];
}

/** Locked by the controller, or by this page where it cannot be told for as long. */
function useLock(room: app.Room, view: PatientView, idle: boolean): boolean {
  const [alone, setAlone] = useState(false);
  const after = app.connection.value?.screenLockMs.value ?? 0;
  useEffect(() => {
    if (!idle) return;
    void room.session.send({ type: "REPORT_IDLE", idle: true }).catch(() => undefined);
    const timer = setTimeout(() => setAlone(true), after);
    return () => {
      clearTimeout(timer);
      void room.session.send({ type: "REPORT_IDLE", idle: false }).catch(() => undefined);
    };
  }, [idle, room]);
  const opened = !view.locked && !view.covered;
  const before = useRef(opened);
  useEffect(() => {
    // The staff showed the screen again.
    if (opened && !before.current) setAlone(false);
    before.current = opened;
  }, [opened]);
  const locked = view.locked || alone;
  useEffect(() => {
    if (locked) room.entries.forgetAll();
  }, [locked]);
  return locked;
}

function InSession({ room, view, flow }: { room: app.Room; view: PatientView; flow: Flow }) {
  const say = app.say.value;
  const [idle, wake] = useIdle();
  const locked = useLock(room, view, idle);
  const wasLocked = useRef(view.locked);
  useEffect(() => {
    if (wasLocked.current && !view.locked) wake();
    wasLocked.current = view.locked;
  }, [view.locked]);
  // Taken away, not hidden: no value stays on the page.
  if (locked) return <Calm title="locked" why="lockedWhy" say={say} />;
  const cover = view.covered ? "covered" : view.status === "paused" ? "paused" : idle ? "idle" : null;
  const signing = view.signature?.status === "requested";
  return (
    <>
      {cover !== null && <Cover why={cover} wake={wake} />}
      {/* Hidden, not taken away: what was begun is still there afterwards. */}
      <div class="session" hidden={cover !== null}>
        <Header room={room} view={view} />
        <main>
          {signing ? (
            <Signing
              flow={flow}
              view={view}
              language={app.language.value}
              say={say}
              printed={room.printed}
              send={(intent) => {
                if (intent.type === "SUBMIT_SIGNATURE") room.printed = intent.printed_name ?? "";
                return room.session.send(intent);
              }}
            />
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

function Header({ room, view }: { room: app.Room; view: PatientView }) {
  const say = app.say.value;
  const online = app.online.value;
  const unsent = room.session.waiting.value;
  const part = ((view.step_index + 1) / view.steps_total) * 100;
  return (
    <header class="bar">
      <div class="bar-row">
        <Mark />
        <p class="check-words" title={say("checkWordsHint")}>
          <span class="visually-hidden">{say("checkWords")}: </span>
          <strong>{view.check_words.join(" · ")}</strong>
        </p>
        {view.test && <span class="badge">{say("test")}</span>}
        <span class="grow" />
        <LanguageChoice />
        <button
          type="button"
          class="help"
          disabled={view.help_requested}
          onClick={() => void room.session.send({ type: "ASK_FOR_HELP" }).catch(() => undefined)}
        >
          {say(view.help_requested ? "helpAsked" : "help")}
        </button>
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
  const { entries, session, uploads } = room;
  return {
    personal: !app.kiosk.peek(),
    value: (id) => entries.value(id),
    problem: (id) => entries.problem(id),
    editing: (id) => entries.editing.value === id,
    typed: (id) => entries.typed(id),
    enter: (id, value, how) => entries.enter(id, value, how),
    clear: (id) => void session.send({ type: "CLEAR_FIELD", field_id: id }).catch((error: unknown) => entries.fault(id, messageOf(error))),
    read: (id, fraction, seconds) =>
      void session.send({ type: "REPORT_READING", field_id: id, fraction, seconds }).catch(() => undefined),
    withdraw: (id, reason) => session.send({ type: "WITHDRAW_SIGNATURE", field_id: id, reason }),
    upload: (id, bytes, mediaType) => {
      entries.fault(id);
      uploads.begin(id, bytes, mediaType);
    },
    uploading: (id) => uploads.progress.value.get(id),
    askToChange: (step_id) => void session.send({ type: "ASK_FOR_HELP", step_id }).catch(() => undefined),
  };
}

function Form({ room, view, flow }: { room: app.Room; view: PatientView; flow: Flow }) {
  const say = app.say.value;
  const language = app.language.value;
  const step = flow.steps.find((one) => one.id === view.step_id) ?? present(flow.steps[0]);
  const hands = useMemo(() => handsOf(room), [room]);
  const leaving = useLeaving(room.entries.done);
  const drafts = room.entries.drafts.value;
  const problems = room.entries.problems.value;
  const editing = room.entries.editing.value;
  const sending = room.uploads.progress.value;
  const sheet = useMemo(
    (): Sheet => ({
      flow,
      language,
      // In the form's language, like the questions, where the patient has chosen none.
      say: language === null && flow.language !== null ? wordsIn(flow.language) : say,
      enabled: new Set(view.enabled),
      shown: view,
      hands,
      pointing: null,
    }),
    [flow, language, view, hands, drafts, problems, editing, sending],
  );
  return (
    <>
      <StepHead view={view} step={step} />
      {view.step_index === 0 && <LanguageButtons />}
      <Announcer view={view} flow={flow} />
      <Outcome room={room} sheet={sheet} />
      <NotTaken room={room} view={view} flow={flow} />
      <form
        autocomplete="off"
        onSubmit={(event) => event.preventDefault()}
        onFocusCapture={({ target }) => {
          const id = fieldAt(target);
          if (id && view.enabled.includes(id)) room.entries.focus(id);
        }}
        {...leaving}
      >
        <StepScreen sheet={sheet} step={step} />
      </form>
      <p class="step-foot">{say("stepDone")}</p>
    </>
  );
}

/** Answers of other steps that were not taken: they stay here until the patient lets them go. */
function NotTaken({ room, view, flow }: { room: app.Room; view: PatientView; flow: Flow }) {
  const say = app.say.value;
  const language = app.language.value;
  const kept = room.entries.notTaken(view.enabled);
  if (kept.length === 0) return null;
  return (
    <section class="not-taken" role="alert" aria-labelledby="not-taken">
      <h2 id="not-taken">{say("notTaken")}</h2>
      <p>{say("notTakenWhy")}</p>
      <ul>
        {kept.map(({ id, value, why }) => (
          <li key={id}>
            <strong dir="auto">{itemOf(flow, id)?.text(language) ?? id}</strong>
            <q dir="auto">{listOf(value).map(asText).join(", ")}</q>
            <p>{sentenceIn(language, why)}</p>
            <button type="button" class="secondary small" onClick={() => room.entries.letGo(id)}>{say("letGo")}</button>
          </li>
        ))}
      </ul>
    </section>
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

/** Announces to a screen reader where the staff points. */
function Announcer({ view, flow }: { view: PatientView; flow: Flow }) {
  const item = view.highlight ? itemOf(flow, view.highlight) : undefined;
  const label = item?.text(app.language.value).slice(0, 120) ?? "";
  return (
    <p class="visually-hidden" role="status" aria-live="assertive">
      {item && app.say.value("pointedAt", { label })}
    </p>
  );
}

/** Announces to a screen reader what is wrong with the field that was left, or what was understood. */
function Outcome({ room, sheet }: { room: app.Room; sheet: Sheet }) {
  const id = room.entries.left.value;
  const item = id === null ? undefined : itemOf(sheet.flow, id);
  const said = id === null || item === undefined ? "" : (problemOf(sheet, item, id) ?? saidBack(sheet, item, valueOf(sheet, id)));
  return (
    <p class="visually-hidden" role="status" aria-live="polite">
      {said && `${item?.text(sheet.language)} ${said}`}
    </p>
  );
}

app.start();
render(<Page />, present(document.getElementById("app")));
