// A document, large: accept it, or send it back with a reason.
import { useEffect, useRef, useState } from "preact/hooks";
import type { DocumentFault, FacilityView } from "../../generated/wire.ts";
import { DOCUMENT_FAULTS, DOCUMENT_REASONS } from "../canned.ts";
import type { Flow } from "../lib/flow.ts";
import { wordsIn } from "../words.ts";
import * as app from "./app.ts";
import { t } from "./messages.ts";
import { Action, Dialog, questionOf } from "./parts.tsx";
import { ReadyMade, theirs } from "./ready-made.tsx";
import { Viewer } from "./viewer.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  id: string;
  onClose: () => void;
}

export function Review({ room, view, flow, id, onClose }: Props) {
  const [sending, setSending] = useState(false);
  const refused = view.blocked?.["REVIEW_DOCUMENT"];
  const accept = () => app.command(room, { type: "REVIEW_DOCUMENT", field_id: id, accepted: true, reason: null }).then(onClose);
  return (
    <Dialog title={questionOf(flow, id)} onClose={onClose} wide>
      <Viewer room={room} id={id} label={questionOf(flow, id)} />
      {sending ? (
        <SendBack room={room} view={view} flow={flow} id={id} onDone={onClose} onBack={() => setSending(false)} />
      ) : (
        <div class="buttons verdict">
          <span class="grow" />
          <Action label={t("review.send_back")} reason={refused} run={() => setSending(true)} />
          <Action label={t("review.accept")} kind="primary" reason={refused} run={accept} />
        </div>
      )}
    </Dialog>
  );
}

const wordsOf = (tag: string, fault: DocumentFault) => wordsIn(tag)(DOCUMENT_REASONS[fault]);

interface SendBackProps {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  id: string;
  onDone: () => void;
  onBack: () => void;
}

/** Why it is sent back: ready-made in the patient's language, in the staff's own words, or both. */
function SendBack({ room, view, flow, id, onDone, onBack }: SendBackProps) {
  const form = useRef<HTMLDivElement>(null);
  useEffect(() => form.current?.querySelector<HTMLElement>("input:checked")?.focus(), []);
  const [code, setCode] = useState<DocumentFault | null>(null);
  const [typed, setTyped] = useState("");
  const reason = typed.trim();
  const send = () =>
    app
      .command(room, {
        type: "REVIEW_DOCUMENT",
        field_id: id,
        accepted: false,
        ...(code && { reason_code: code }),
        reason: reason || null,
      })
      .then(onDone);
  return (
    <div class="stack send-back" ref={form}>
      <ReadyMade legend={t("review.what")} codes={DOCUMENT_FAULTS} chosen={code} choose={setCode} wordsIn={wordsOf} patients={theirs(view, flow)} />
      <label for="review-reason" class={code ? "" : "visually-hidden"}>{t(code ? "review.more" : "correct.own")}</label>
      <textarea id="review-reason" rows={2} dir="auto" maxLength={500} autocomplete="off" value={typed} onInput={({ currentTarget }) => setTyped(currentTarget.value)} />
      <div class="buttons">
        <span class="grow" />
        <button type="button" class="quiet" onClick={onBack}>{t("cancel")}</button>
        <Action label={t("review.send")} kind="primary" reason={code || reason ? null : t("review.first")} run={send} />
      </div>
    </div>
  );
}
