// A document, large: accept it, or send it back with a reason.
import { useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import type { Item } from "../lib/flow.ts";
import * as app from "./app.ts";
import { language, t } from "./messages.ts";
import { Action, Dialog } from "./parts.tsx";
import { Viewer } from "./viewer.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  item: Item;
  id: string;
  onClose: () => void;
}

export function Review({ room, view, item, id, onClose }: Props) {
  const [sending, setSending] = useState(false);
  const [reason, setReason] = useState("");
  const review = (accepted: boolean) =>
    app.command(room, { type: "REVIEW_DOCUMENT", field_id: id, accepted, reason: accepted ? null : reason.trim() }).then(onClose);
  return (
    <Dialog title={item.text(language.value)} onClose={onClose} wide>
      <Viewer room={room} id={id} label={item.text(language.value)} />
      <div class="buttons verdict">
        <span class="grow" />
        <Action label={t("review.send_back")} reason={view.blocked?.["REVIEW_DOCUMENT"]} run={() => setSending(!sending)} />
        <Action label={t("review.accept")} kind="primary" reason={view.blocked?.["REVIEW_DOCUMENT"]} run={() => review(true)} />
      </div>
      {sending && (
        <div class="stack">
          <label for="review-reason">{t("review.what")}</label>
          <textarea id="review-reason" rows={2} dir="auto" maxLength={500} autocomplete="off" value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
          <Action label={t("review.send")} kind="primary" reason={reason.trim() ? null : t("review.first")} run={() => review(false)} />
        </div>
      )}
    </Dialog>
  );
}
