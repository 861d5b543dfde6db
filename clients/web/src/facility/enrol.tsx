// Making this browser a screen of the desk.
import { useState } from "preact/hooks";
import { plainCode, shownCode } from "../lib/pairing.ts";
import { Mark } from "../mark.tsx";
import * as app from "./app.ts";
import { t } from "./messages.ts";

export function Enrol() {
  const [text, setText] = useState("");
  return (
    <main class="calm">
      <Mark />
      <h1>{t("enrol.title")}</h1>
      <form
        class="code-form"
        autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void app.enterCode(text);
        }}
      >
        <label for="code">{t("enrol.code")}</label>
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
          onInput={({ currentTarget }) => {
            app.fault.value = null;
            setText(plainCode(currentTarget.value));
          }}
        />
        <p class="hint" id="code-hint">
          {t("enrol.hint")} <code>handrail device enrol NAME --role facility --code</code>
        </p>
        <p class="error" id="code-fault" role="alert">{app.fault.value && t(app.fault.value)}</p>
        <button type="submit" class="primary large" disabled={app.pairing.value}>
          {t(app.pairing.value ? "moment" : "enrol.go")}
        </button>
      </form>
    </main>
  );
}
