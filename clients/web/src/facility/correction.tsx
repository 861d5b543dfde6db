// Asking the patient to correct an answer: ready-made, or in the staff's own words.
import { useEffect, useRef, useState } from "preact/hooks";
import type { CorrectionFault, FacilityView } from "../../generated/wire.ts";
import { cannedIn, CORRECTIONS } from "../canned.ts";
import type { Flow } from "../lib/flow.ts";
import { nameOf as languageName } from "../words.ts";
import * as app from "./app.ts";
import { language, t } from "./messages.ts";
import { Action } from "./parts.tsx";
import { ReadyMade, theirs } from "./ready-made.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  id: string;
  onDone: () => void;
}

export function Correction({ room, view, flow, id, onDone }: Props) {
  const [code, setCode] = useState<CorrectionFault | null>(null);
  const [message, setMessage] = useState("");
  const text = message.trim();
  const form = useRef<HTMLDivElement>(null);
  useEffect(() => {
    form.current?.scrollIntoView({ block: "nearest" });
    form.current?.querySelector<HTMLElement>("input:checked")?.focus({ preventScroll: true });
  }, []);
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
    <div class="stack" ref={form}>
      <ReadyMade legend={t("correct.ready")} codes={CORRECTIONS} chosen={code} choose={setCode} wordsIn={cannedIn} patients={patients} />
      {code === null && (
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
