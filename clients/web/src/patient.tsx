// The patient's page.
import { type ComponentChildren, render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { cannedIn } from "./canned.ts";
import { StepScreen } from "./fields/step.tsx";
import { asText, saidBack } from "./fields/said.ts";
import { problemOf } from "./fields/problem.ts";
import { type Hands, type Sheet, valueOf } from "./fields/sheet.ts";
import type { PatientView } from "../generated/wire.ts";
import { type Flow, itemOf, listOf, type Step } from "./lib/flow.ts";
import { present } from "./lib/present.ts";
import { messageOf } from "./lib/requests.ts";
import { tabStorage } from "./lib/storage.ts";
import { announce, Announcer, saidOf, useAnnounced } from "./lib/announcer.tsx";
import * as app from "./patient/app.ts";
import { Done } from "./patient/done.tsx";
import { useFocusKept } from "./patient/focus.ts";
import { callForHelp, HelpButton, HelpLine, useHelpAnnounced } from "./patient/help.tsx";
import { Mark } from "./mark.tsx";
import { fieldAt, useLeaving } from "./patient/leaving.ts";
import { Calm, LanguageButtons, LanguageChoice, Pairing, SizeChoice, useTitle, Waiting } from "./patient/screens.tsx";
import { Signing } from "./patient/signing.tsx";
import { LAPSED, sentenceIn, wordsIn } from "./words.ts";

/** Without touch for so long, the answers are hidden: the chair may be empty. */
const IDLE_MS = 120_000;

function Page() {
  useFocusKept();
  return (
    <>
      <Screen />
      <Announcer />
    </>
  );
}

function Screen() {
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
  if (view === null || flow === null) return <Calm title="welcome" why={app.lost.value ? "reconnecting" : "waitingFlow"} say={say} />;
  return <InSession room={room} view={view} flow={flow} />;
}

function End({ how }: { how: app.Ending }) {
  const words = {
    completed: ["thanks", "thanksWhy"],
    ended: ["ended", "endedWhy"],
    moved: ["moved", "movedWhy"],
  } as const;
  const [title, why] = words[how];
  const link = how === "completed" ? app.copyLink.value : null;
  return (
    <Calm title={title} why={why} say={app.say.value} left={app.left.value} action={link ? undefined : { word: "startAgain", run: app.again }}>
      {link && <Copy link={link} />}
    </Calm>
  );
}

/** Loaded at the end: no check-in waits for what takes a copy along. */
function Copy({ link }: { link: app.AskForCopy }) {
  const [part, setPart] = useState<typeof import("./patient/take-copy.tsx") | null>(null);
  useEffect(() => void import("./patient/take-copy.tsx").then(setPart, () => (app.copyLink.value = null)), []);
  return part && <part.TakeCopy link={link} />;
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
    if (!locked) return;
    room.entries.forgetAll();
    room.uploads.forgetPictures();
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
  useHelpAnnounced(room, view);
  if (locked) {
    return (
      <Calm title="locked" why="lockedWhy" say={say}>
        <CalmHelp room={room} view={view} />
      </Calm>
    );
  }
  const cover = view.covered ? "covered" : view.status === "paused" ? "paused" : idle ? "idle" : null;
  return <Unlocked room={room} view={view} flow={flow} cover={cover} wake={wake} />;
}

/** The end of signing: it is signed, declined, or no longer asked for. Its beginning takes the focus. */
function useSigningAnnounced(view: PatientView): void {
  const say = app.say.value;
  const status = view.signature?.status ?? "none";
  const before = useRef(status);
  useEffect(() => {
    if (before.current === "requested" && status !== "requested") {
      announce(say(status === "signed" ? "signed" : status === "declined" ? "declined" : "signCancelled"));
    }
    before.current = status;
  }, [status]);
}

type CoverKind = "covered" | "paused" | "idle";

interface UnlockedProps {
  room: app.Room;
  view: PatientView;
  flow: Flow;
  cover: CoverKind | null;
  wake: () => void;
}

/** What was in use before a cover is in use again after it. */
function useBack(cover: CoverKind | null) {
  const area = useRef<HTMLDivElement>(null);
  const last = useRef<HTMLElement | null>(null);
  const kept = useRef<HTMLElement | null>(null);
  const isCovered = cover !== null;
  // At once: who watches for a lost focus has no reason to move it first.
  useLayoutEffect(() => {
    if (!isCovered) return;
    kept.current = last.current;
    return () => {
      if (!area.current?.isConnected) return;
      const back = kept.current?.isConnected ? kept.current : area.current.querySelector<HTMLElement>("main h1");
      back?.focus({ preventScroll: true });
      announce(app.say.peek()("uncovered"));
    };
  }, [isCovered]);
  const onFocusCapture = ({ target }: FocusEvent) => {
    if (target instanceof HTMLElement) last.current = target;
  };
  return { ref: area, onFocusCapture };
}

function Unlocked({ room, view, flow, cover, wake }: UnlockedProps) {
  const say = app.say.value;
  const back = useBack(cover);
  const signing = view.signature?.status === "requested";
  useSigningAnnounced(view);
  return (
    <>
      {cover !== null && (
        <Cover why={cover} wake={wake}>
          <CalmHelp room={room} view={view} />
        </Cover>
      )}
      {/* Hidden, not taken away: what was begun is still there afterwards. */}
      <div class="session" data-signing={signing || undefined} hidden={cover !== null} {...back}>
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

function Cover({ why, wake, children }: { why: CoverKind; wake: () => void; children: ComponentChildren }) {
  const say = app.say.value;
  const action = why === "idle" ? { word: "idleGo" as const, run: wake } : undefined;
  return (
    <Calm title={why} why={`${why}Why`} say={say} action={action}>
      {children}
    </Calm>
  );
}

/** The call for help where nothing else is shown. */
function CalmHelp({ room, view }: { room: app.Room; view: PatientView }) {
  return (
    <>
      <HelpLine room={room} view={view} />
      <HelpButton room={room} view={view} />
    </>
  );
}

function Header({ room, view }: { room: app.Room; view: PatientView }) {
  const say = app.say.value;
  const lost = app.lost.value;
  const unsent = room.session.unsent.value;
  const trouble = lost ? say("reconnecting") : app.online.value && !view.host_online ? say("hostAway") : "";
  useAnnounced(trouble || (lost ? "" : say("reconnected")));
  const part = ((view.step_index + 1) / view.steps_total) * 100;
  return (
    <header class="bar">
      <div class="bar-row">
        <Mark />
        <p class="check-words">
          <span class="check-label">{say("checkWords")}: </span>
          <strong>{view.check_words.join(" · ")}</strong>
        </p>
        {view.test && <span class="badge">{say("test")}</span>}
        <span class="grow" />
        <SizeChoice />
        <LanguageChoice />
        <HelpButton room={room} view={view} />
      </div>
      <div class="bar-progress">
        <span style={{ width: `${part}%` }} />
      </div>
      {trouble && (
        <p class={`banner ${lost ? "warn" : ""}`}>
          {trouble} {lost && unsent > 0 && say(unsent === 1 ? "unsentOne" : "unsent", { n: unsent })}
        </p>
      )}
      <HelpLine room={room} view={view} />
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
    picture: (id) => uploads.pictures.value.get(id),
    askToChange: (step_id) => callForHelp(room, step_id),
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
  const pictures = room.uploads.pictures.value;
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
    [flow, language, view, hands, drafts, problems, editing, sending, pictures],
  );
  return (
    <>
      <StepHead view={view} step={step} spoken={language === null ? (flow.language ?? undefined) : undefined} />
      {view.step_index === 0 && (
        <>
          <LanguageButtons />
          <p class="check-note">
            {say("checkWordsHint")} <strong>{view.check_words.join(" · ")}</strong>
          </p>
        </>
      )}
      <Pointed view={view} flow={flow} />
      <Corrections view={view} flow={flow} />
      <Outcome room={room} sheet={sheet} />
      <NotTaken room={room} view={view} flow={flow} />
      <form
        autocomplete="off"
        lang={language === null ? (flow.language ?? undefined) : undefined}
        noValidate
        onSubmit={(event) => event.preventDefault()}
        onFocusCapture={({ target }) => {
          const id = fieldAt(target);
          if (id && view.enabled.includes(id)) room.entries.focus(id);
        }}
        {...leaving}
      >
        <StepScreen sheet={sheet} step={step} />
      </form>
      <Done room={room} view={view} flow={flow} />
    </>
  );
}

/** Answers of other steps that were not taken: they stay here until the patient lets them go. */
function NotTaken({ room, view, flow }: { room: app.Room; view: PatientView; flow: Flow }) {
  const say = app.say.value;
  const language = app.language.value;
  const kept = room.entries.notTaken(view.enabled);
  useAnnounced(kept.length > 0 ? `${say("notTaken")}. ${say("notTakenWhy")}` : "", { atFirst: true });
  if (kept.length === 0) return null;
  return (
    <section class="not-taken" aria-labelledby="not-taken">
      <h2 id="not-taken">{say("notTaken")}</h2>
      <p>{say("notTakenWhy")}</p>
      <ul>
        {kept.map(({ id, value, why }) => (
          <li key={id}>
            <strong dir="auto">{itemOf(flow, id)?.text(language) || say("unnamed")}</strong>
            <q dir="auto">{listOf(value).map(asText).join(", ")}</q>
            <p>{sentenceIn(language, why)}</p>
            <button type="button" class="secondary small" onClick={() => room.entries.letGo(id)}>{say("letGo")}</button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function StepHead({ view, step, spoken }: { view: PatientView; step: Step; spoken: string | undefined }) {
  const say = app.say.value;
  const title = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  const count = say("stepOf", { n: view.step_index + 1, total: view.steps_total });
  useTitle(`${view.ready_since ? `${say("doneReady")} · ` : ""}${count}: ${step.title(app.language.value, view.enabled)}`);
  useEffect(() => {
    // Taken to another step: begin at its top. On arrival, the page is where it should be.
    if (!first.current) scrollTo({ top: 0 });
    title.current?.focus({ preventScroll: true });
    first.current = false;
  }, [step.id]);
  return (
    <div class="step-head">
      <p class="step-count" id="step-count">{count}</p>
      <h1 aria-describedby="step-count" ref={title} tabIndex={-1} dir="auto" lang={spoken}>{step.title(app.language.value, view.enabled)}</h1>
    </div>
  );
}

/** Announces where the staff points. */
function Pointed({ view, flow }: { view: PatientView; flow: Flow }) {
  const item = view.highlight ? itemOf(flow, view.highlight) : undefined;
  const label = item?.text(app.language.value).slice(0, 120) ?? "";
  useAnnounced(item ? app.say.value("pointedAt", { label }) : "", { atFirst: true });
  return null;
}

/** Announces what staff ask to be corrected, each request once. */
function Corrections({ view, flow }: { view: PatientView; flow: Flow }) {
  const say = app.say.value;
  const language = app.language.value;
  const known = useRef<Record<string, string>>({});
  useEffect(() => {
    const now: Record<string, string> = {};
    for (const [id, { correction, correction_code: code }] of Object.entries(view.fields)) {
      if (!correction) continue;
      now[id] = correction;
      if (known.current[id] === correction) continue;
      const asked = correction === LAPSED ? sentenceIn(language, LAPSED) : say("correction", { message: correction });
      const said = code ? cannedIn(language ?? flow.language, code) : asked;
      announce(saidOf(itemOf(flow, id)?.text(language) ?? "", said));
    }
    known.current = now;
  }, [view.fields]);
  return null;
}

/** Announces what is wrong with the field that was left, or what was understood. */
function Outcome({ room, sheet }: { room: app.Room; sheet: Sheet }) {
  const id = room.entries.left.value;
  const item = id === null ? undefined : itemOf(sheet.flow, id);
  const said = id === null || item === undefined ? "" : (problemOf(sheet, item, id) ?? saidBack(sheet, item, valueOf(sheet, id)));
  useAnnounced(said && item ? saidOf(item.text(sheet.language), said) : "");
  return null;
}

app.start();
render(<Page />, present(document.getElementById("app")));
