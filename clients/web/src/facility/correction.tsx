// Asking the patient to correct an answer: ready-made, or in the staff's own words.
import { useState } from "preact/hooks";
import type { CorrectionFault, FacilityView } from "../../generated/wire.ts";
import { cannedIn, CORRECTIONS, READY_IN } from "../canned.ts";
import type { Flow } from "../lib/flow.ts";
import { nameOf as languageName } from "../words.ts";
import * as app from "./app.ts";
import { language, t } from "./messages.ts";
import { Action } from "./parts.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  id: string;
  onDone: () => void;
}

/** The patient's language, as far as what is ready-made comes in it. */
export function theirs(view: FacilityView, flow: Flow): string {
  const chosen = view.patient_screen?.language ?? flow.language ?? "en";
  return READY_IN.includes(chosen.split("-")[0] ?? "") ? chosen : "en";
}

export function Correction({ room, view, flow, id, onDone }: Props) {
  const [code, setCode] = useState<CorrectionFault | null>(null);
  const [message, setMessage] = useState("");
  const text = message.trim();
  const patients = theirs(view, flow);
  const send = () =>
    app
      .command(room, {
        type: "REQUEST_CORRECTION",
        field_id: id,
        ...(code ? { message: cannedIn(patients, code), message_code: code, language: patients } : { message: text, language: language.value }),
      })
      .then(onDone);
  return (
    <div class="stack">
      <fieldset class="field ready-made">
        <legend>{t("correct.ready")}</legend>
        {CORRECTIONS.map((one) => (
          <label class="pick" key={one}>
            <input type="radio" name="ready-made" checked={code === one} onChange={() => setCode(one)} />
            <span>{cannedIn(language.value, one)}</span>
          </label>
        ))}
        <label class="pick">
          <input type="radio" name="ready-made" checked={code === null} onChange={() => setCode(null)} />
          <span>{t("correct.own")}</span>
        </label>
      </fieldset>
      {code ? (
        <p class="travels" data-canned>{t("canned.goes_as", { words: cannedIn(patients, code), language: languageName(patients) })}</p>
      ) : (
        <>
          <label for="correction">{t("correct.what")}</label>
          <textarea id="correction" rows={2} dir="auto" maxLength={500} autocomplete="off" value={message} onInput={({ currentTarget }) => setMessage(currentTarget.value)} />
          <p class="travels">{t("correct.travels", { language: languageName(language.value) })}</p>
        </>
      )}
      <Action
        label={t("correct.send")}
        identity="send"
        kind="primary"
        reason={view.blocked?.["REQUEST_CORRECTION"] ?? (code || text ? null : t("correct.first"))}
        run={send}
      />
    </div>
  );
}
