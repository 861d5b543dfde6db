// The bar on top: where one is, who else needs staff, and whether the box and the sound are there.
import * as app from "./app.ts";
import * as sound from "./sound.ts";
import { t } from "./messages.ts";
import { Mark } from "../mark.tsx";
import { Who } from "./sign-in.tsx";

export function Bar() {
  const inSession = app.room.value !== null;
  const online = app.online.value;
  const calling = (app.lobby.value ?? []).filter((one) => one.help_requested && one.session !== app.room.value?.session.id);
  return (
    <header class="bar desk-bar">
      <div class="bar-row">
        {inSession ? (
          <button type="button" class="quiet" aria-keyshortcuts="l" onClick={() => app.go(null)}>
            <span aria-hidden="true">←</span> {t("bar.all")}
          </button>
        ) : (
          <>
            <Mark />
            <strong>Handrail</strong>
          </>
        )}
        <span class="grow" />
        {inSession &&
          calling.map((line) => (
            <a class="badge alert" key={line.session} href={`#session=${line.session}`} dir="auto">
              {t("bar.asks", { who: line.label ?? t("bar.a_patient") })}
            </a>
          ))}
        <span class="state" role="status">
          <span class={`dot ${online ? "on" : "off"}`} aria-hidden="true" />
          {online ? app.nameOf(app.me()) : t("bar.reconnecting")}
        </span>
        <Who />
        <Sound />
        <button type="button" class="quiet" aria-label={t("settings.title")} aria-keyshortcuts="?" onClick={() => (app.showHelp.value = true)}>
          ?
        </button>
      </div>
      {!online && <p class="banner warn" role="status">{t("bar.offline")}</p>}
    </header>
  );
}

/** On, off, or kept back by the browser until somebody touches the page. */
function Sound() {
  const on = sound.wanted.value;
  const blocked = sound.isBlocked.value;
  return (
    <button type="button" class={`quiet${blocked ? " care" : ""}`} aria-pressed={on} data-sound={blocked ? "blocked" : on ? "on" : "off"} onClick={() => !blocked && sound.turn(!on)}>
      {t(blocked ? "sound.blocked" : on ? "sound.on" : "sound.off")}
    </button>
  );
}
