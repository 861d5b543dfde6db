// The staff's page.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import * as app from "./facility/app.ts";
import * as desk from "./facility/desk.ts";
import { LobbyScreen } from "./facility/lobby.tsx";
import { chime, Dialog } from "./facility/parts.tsx";
import { SessionScreen } from "./facility/session.tsx";
import { LogOffWarning, SignInSheet, Who } from "./facility/sign-in.tsx";
import { deviceStorage } from "./lib/storage.ts";
import { plainCode, shownCode } from "./lib/pairing.ts";
import { present } from "./lib/present.ts";
import { Mark } from "./mark.tsx";

function Page() {
  const connection = app.connection.value;
  if (connection?.elsewhere.value) {
    return (
      <main class="calm">
        <Mark />
        <h1>This screen is open in another tab</h1>
        <p class="lead">Close that one, or go on here.</p>
        <button type="button" class="primary large" onClick={() => location.reload()}>
          Go on here
        </button>
      </main>
    );
  }
  if (connection === null) return <Enrol />;
  const room = app.room.value;
  return (
    <div class="desk" data-in-session={room !== null || undefined}>
      <Bar />
      {desk.isShut.value ? (
        <SignInSheet />
      ) : room ? (
        <SessionScreen key={room.session.id} room={room} />
      ) : (
        <LobbyScreen />
      )}
      <LogOffWarning />
      {app.showHelp.value && <Help />}
      <Alerts />
    </div>
  );
}

function Enrol() {
  const [text, setText] = useState("");
  return (
    <main class="calm">
      <Mark />
      <h1>Front desk</h1>
      <form
        class="code-form"
        autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void app.enterCode(text);
        }}
      >
        <label for="code">Enter the code that enrols this screen</label>
        <input
          id="code"
          class="code"
          type="text"
          autocomplete="off"
          autocapitalize="characters"
          autoCorrect="off"
          spellcheck={false}
          maxLength={11}
          placeholder="····-····"
          aria-describedby="code-hint code-fault"
          value={shownCode(text)}
          onInput={({ currentTarget }) => setText(plainCode(currentTarget.value))}
        />
        <p class="hint" id="code-hint">
          Whoever looks after the box makes one with <code>handrail device enrol NAME --role facility</code>.
        </p>
        <p class="error" id="code-fault" role="alert">{app.fault.value}</p>
        <button type="submit" class="primary large" disabled={app.pairing.value}>
          {app.pairing.value ? "One moment…" : "Enrol this screen"}
        </button>
      </form>
    </main>
  );
}

function Bar() {
  const inSession = app.room.value !== null;
  const online = app.online.value;
  const calling = (app.lobby.value ?? []).filter((one) => one.help_requested && one.session !== app.room.value?.session.id);
  return (
    <header class="bar desk-bar">
      <div class="bar-row">
        {inSession ? (
          <button type="button" class="quiet" aria-keyshortcuts="l" onClick={() => app.go(null)}>
            <span aria-hidden="true">←</span> All check-ins
          </button>
        ) : (
          <>
            <Mark />
            <strong>Handrail</strong>
          </>
        )}
        <span class="grow" />
        {calling.map((line) => (
          <a class="badge alert" href={`#session=${line.session}`}>
            {line.label ?? "A patient"} asks for help
          </a>
        ))}
        <span class="state" role="status">
          <span class={`dot ${online ? "on" : "off"}`} aria-hidden="true" />
          {online ? app.nameOf(app.me()) : "Reconnecting…"}
        </span>
        <Who />
        <button
          type="button"
          class="quiet"
          aria-pressed={app.sound.value}
          onClick={() => {
            app.sound.value = !app.sound.value;
            deviceStorage.set("sound", app.sound.value);
            chime();
          }}
        >
          {app.sound.value ? "Sound on" : "Sound off"}
        </button>
        <button type="button" class="quiet" aria-label="Keyboard shortcuts" onClick={() => (app.showHelp.value = true)}>
          ?
        </button>
      </div>
      {!online && <p class="banner warn" role="status">Reconnecting. What you see is the last that is known.</p>}
    </header>
  );
}

/** Heard and seen: whoever newly asks for help. */
function Alerts() {
  const calling = (app.lobby.value ?? []).filter((one) => one.help_requested).map((one) => one.session).sort().join(" ");
  const before = useRef("");
  useEffect(() => {
    const known = new Set(before.current.split(" "));
    if (calling.split(" ").some((one) => one && !known.has(one))) chime();
    before.current = calling;
    document.title = calling ? "● Help asked: Handrail" : "Handrail: front desk";
  }, [calling]);
  return null;
}

const KEYS: [string, string][] = [
  ["n", "Next step, or finish on the last one (in the lobby: new check-in)"],
  ["b", "Step back"],
  ["s", "Ask to sign"],
  ["c", "Cover the patient's screen, or show it again"],
  ["p", "Pause, or resume"],
  ["h", "Answer the call for help"],
  ["t", "Time line"],
  ["l", "All check-ins"],
  ["?", "This list"],
];

function Help() {
  return (
    <Dialog title="Keyboard shortcuts" onClose={() => (app.showHelp.value = false)}>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div>
            <dt><kbd>{key}</kbd></dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="choice">
        <input
          type="checkbox"
          checked={app.shortcuts.value}
          onChange={({ currentTarget }) => {
            app.shortcuts.value = currentTarget.checked;
            deviceStorage.set("shortcuts", currentTarget.checked);
          }}
        />
        <span>Use single keys as shortcuts</span>
      </label>
    </Dialog>
  );
}

function pressed(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  const typing = target.closest("input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "?") app.showHelp.value = true;
  if (!app.shortcuts.peek()) return;
  if (event.key === "l" && app.room.peek()) app.go(null);
  else if (event.key === "t") dispatchEvent(new Event("handrail-timeline"));
  else if (event.key === "n" && !app.room.peek()) dispatchEvent(new Event("handrail-new"));
  else document.querySelector<HTMLButtonElement>(`.actions [aria-keyshortcuts="${CSS.escape(event.key)}"]`)?.click();
}

app.start();
addEventListener("keydown", pressed);
render(<Page />, present(document.getElementById("app")));
