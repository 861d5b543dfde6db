// The staff's page.
import { render } from "preact";
import { Alerts } from "./facility/alerts.tsx";
import * as app from "./facility/app.ts";
import { Bar } from "./facility/bar.tsx";
import * as desk from "./facility/desk.ts";
import { Enrol } from "./facility/enrol.tsx";
import { speakFirst, t } from "./facility/messages.ts";
import { QueueScreen } from "./facility/queue.tsx";
import { SessionScreen } from "./facility/session.tsx";
import { Settings } from "./facility/settings.tsx";
import { LogOffWarning, SignInSheet } from "./facility/sign-in.tsx";
import * as sound from "./facility/sound.ts";
import * as today from "./facility/today.ts";
import { present } from "./lib/present.ts";
import { Mark } from "./mark.tsx";

function Page() {
  const connection = app.connection.value;
  if (connection?.elsewhere.value) return <Elsewhere />;
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
        <QueueScreen />
      )}
      <LogOffWarning />
      {app.showHelp.value && <Settings />}
      <Alerts />
    </div>
  );
}

function Elsewhere() {
  return (
    <main class="calm">
      <Mark />
      <h1>{t("elsewhere.title")}</h1>
      <p class="lead">{t("elsewhere.hint")}</p>
      <button type="button" class="primary large" onClick={() => location.reload()}>
        {t("elsewhere.go")}
      </button>
    </main>
  );
}

// -- by keyboard -------------------------------------------------------------------------------

/** What a single key does that is no button of the session. */
const KEYS: Record<string, () => void> = {
  l: () => app.room.peek() && app.go(null),
  t: () => dispatchEvent(new Event("handrail-timeline")),
  "/": () => dispatchEvent(new Event("handrail-find")),
};

function pressed(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  const typing = target.closest("input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (!app.shortcuts.peek() || event.repeat) return;
  if (event.key === "?") app.showHelp.value = true;
  const known = KEYS[event.key];
  if (known) {
    event.preventDefault();
    known();
  } else if (event.key === "n" && !app.room.peek()) {
    dispatchEvent(new Event("handrail-new"));
  } else {
    document.querySelector<HTMLButtonElement>(`.room [aria-keyshortcuts="${CSS.escape(event.key)}"]`)?.click();
  }
}

async function begin(): Promise<void> {
  await speakFirst();
  app.start();
  today.follow();
  sound.prepare();
  addEventListener("keydown", pressed);
  render(<Page />, present(document.getElementById("app")));
}

void begin();
