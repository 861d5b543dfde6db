// The keys, the language of this screen, and whether single keys work.
import { deviceStorage } from "../lib/storage.ts";
import { nameOf as languageName } from "../words.ts";
import * as app from "./app.ts";
import { choose, language, LANGUAGES, type Message, t } from "./messages.ts";
import { Dialog } from "./parts.tsx";

const KEYS: [string, Message][] = [
  ["n", "key.next"],
  ["b", "key.back"],
  ["s", "key.sign"],
  ["c", "key.cover"],
  ["p", "key.pause"],
  ["h", "key.help"],
  ["t", "key.timeline"],
  ["l", "key.all"],
  ["/", "key.search"],
  ["↑ ↓", "key.rows"],
  ["?", "key.this"],
];

export function Settings() {
  return (
    <Dialog title={t("settings.title")} onClose={() => (app.showHelp.value = false)}>
      <div class="stack">
        <LanguageChoice />
        <label class="choice">
          <input
            type="checkbox"
            checked={app.shortcuts.value}
            onChange={({ currentTarget }) => {
              app.shortcuts.value = currentTarget.checked;
              deviceStorage.set("shortcuts", currentTarget.checked);
            }}
          />
          <span>{t("settings.keys")}</span>
        </label>
        <dl class="keys">
          {KEYS.map(([key, what]) => (
            <div key={key}>
              <dt><kbd>{key}</kbd></dt>
              <dd>{t(what)}</dd>
            </div>
          ))}
        </dl>
      </div>
    </Dialog>
  );
}

/** Names the languages in themselves: whoever needs one can read it. */
export function LanguageChoice() {
  return (
    <div class="field">
      <label for="desk-language">{t("settings.language")}</label>
      <select id="desk-language" value={language.value} onChange={({ currentTarget }) => choose(currentTarget.value)}>
        {LANGUAGES.map((one) => (
          <option value={one} lang={one}>{languageName(one)}</option>
        ))}
      </select>
    </div>
  );
}
