// The patient's screens beside the form: pairing, waiting, covers, the end.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { CODE_LENGTH, plainCode, shownCode } from "../lib/pairing.ts";
import { Mark } from "../mark.tsx";
import { nameOf, type Say, type Word } from "../words.ts";
import { useAnnounced } from "../lib/announcer.tsx";
import * as app from "./app.ts";

export function LanguageChoice() {
  const say = app.say.value;
  const current = app.language.value ?? document.documentElement.lang;
  const offered = app.languages.value;
  const chosen = offered.find((one) => one === current) ?? offered.find((one) => current.startsWith(one.split("-", 1).join()));
  if (offered.length < 2) return null;
  return (
    <label class="language">
      <span class="visually-hidden">{say("language")}</span>
      <select value={chosen ?? offered[0]} onChange={({ currentTarget }) => app.chooseLanguage(currentTarget.value)}>
        {offered.map((one) => (
          <option value={one} lang={one}>
            {nameOf(one)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The same two or three languages as large buttons, for the first screen. */
export function LanguageButtons() {
  const current = app.language.value ?? document.documentElement.lang;
  return (
    <div class="language-buttons" role="group" aria-label={app.say.value("language")}>
      {app.languages.value.map((one) => (
        <button type="button" class="secondary" lang={one} aria-pressed={current.split("-")[0] === one} onClick={() => app.chooseLanguage(one)}>
          {nameOf(one)}
        </button>
      ))}
    </div>
  );
}

export function CodeForm() {
  const say = app.say.value;
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const fault = app.fault.value;
  const submit = (event?: Event) => {
    event?.preventDefault();
    if (!app.pairing.value) void app.enterCode(text).then(() => app.fault.value && input.current?.focus());
  };
  return (
    <form class="code-form" autocomplete="off" onSubmit={submit}>
      <label for="code">{say("enterCode")}</label>
      <input
        ref={input}
        id="code"
        class="code"
        type="text"
        value={shownCode(text)}
        autocomplete="off"
        autocapitalize="characters"
        autoCorrect="off"
        spellcheck={false}
        inputMode="text"
        maxLength={CODE_LENGTH + 3}
        placeholder="····-····"
        aria-describedby="code-hint code-fault"
        aria-invalid={fault !== null || undefined}
        onInput={({ currentTarget }) => {
          app.fault.value = null;
          setText(plainCode(currentTarget.value));
        }}
      />
      <p class="hint" id="code-hint">{say("codeHint")}</p>
      <p class="error" id="code-fault" role="alert">{fault && say(fault)}</p>
      <button type="submit" class="primary large" disabled={app.pairing.value}>
        {say(app.pairing.value ? "pairing" : "go")}
      </button>
    </form>
  );
}

export function Pairing() {
  const say = app.say.value;
  useTitle(say("welcome"));
  return (
    <main class="calm">
      <Mark />
      <h1>{say("welcome")}</h1>
      <LanguageButtons />
      <CodeForm />
    </main>
  );
}

export function Waiting() {
  const say = app.say.value;
  const [asked, setAsked] = useState(false);
  useTitle(say("kioskReady"));
  useAnnounced(app.lost.value ? say("noBox") : "");
  return (
    <main class="calm">
      <Mark />
      <h1>{say("kioskReady")}</h1>
      <p class="lead">{say("kioskWait")}</p>
      {app.lost.value && <p class="notice">{say("noBox")}</p>}
      {asked ? (
        <CodeForm />
      ) : (
        <button type="button" class="quiet" onClick={() => setAsked(true)}>
          {say("haveCode")}
        </button>
      )}
      <LanguageButtons />
      <SizeChoice />
    </main>
  );
}

interface CalmProps {
  title: Word;
  why: Word;
  say: Say;
  /** How many answers the session had not taken when it ended. */
  left?: number;
  action?: { word: Word; run: () => void } | undefined;
  children?: ComponentChildren;
}

/** What the page's title says of the page, and of what covers it. */
const titles = { page: "", cover: "" };

/** The title says where the patient is: a screen reader reads it first. */
export function useTitle(text: string, of: keyof typeof titles = "page"): void {
  const name = app.say.value("appName");
  useEffect(() => {
    const show = (now: string) => {
      titles[of] = now;
      document.title = `${titles.cover || titles.page} · ${name}`;
    };
    show(text);
    // What was covered is still there.
    if (of === "cover") return () => titles.page && show("");
  }, [text, name]);
}

/** A and A+, where the screen is the clinic's: on their own phone people have set it themselves. */
export function SizeChoice() {
  const say = app.say.value;
  if (!app.kiosk.value) return null;
  return (
    <div class="sizes" role="group" aria-label={say("textSize")}>
      {[false, true].map((isLarge) => (
        <button
          type="button"
          class="secondary"
          aria-label={say(isLarge ? "textLarger" : "textLarge")}
          aria-pressed={app.large.value === isLarge}
          onClick={() => app.chooseSize(isLarge)}
        >
          <span aria-hidden="true">{isLarge ? "A+" : "A"}</span>
        </button>
      ))}
    </div>
  );
}

/** A page with one thing to say. */
export function Calm({ title, why, say, left = 0, action, children }: CalmProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [title]);
  useTitle(say(title), "cover");
  useAnnounced(left > 0 ? say(left === 1 ? "answerLeft" : "answersLeft", { n: left }) : "", { atFirst: true });
  return (
    <main class="calm">
      <Mark />
      <h1 ref={heading} tabIndex={-1} aria-describedby="calm-why">{say(title)}</h1>
      <p class="lead" id="calm-why">{say(why)}</p>
      {left > 0 && <p class="notice">{say(left === 1 ? "answerLeft" : "answersLeft", { n: left })}</p>}
      {action && (
        <button type="button" class="primary large" onClick={action.run}>
          {say(action.word)}
        </button>
      )}
      {children}
    </main>
  );
}
