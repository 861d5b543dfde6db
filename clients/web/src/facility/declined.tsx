// Going on although the patient declined to sign: staff say why, and the record keeps it.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import { Refused } from "../lib/requests.ts";
import type { Intent } from "../lib/session.ts";
import * as app from "./app.ts";
import { t } from "./messages.ts";
import { Action } from "./parts.tsx";

export type Overridable = Extract<Intent, { type: "NAVIGATE" | "COMPLETE" }>;

/** Whether nothing is missing on the step but signatures that the patient declined. */
export function onlyDeclined(view: FacilityView): boolean {
  const missing = view.missing ?? [];
  const stands = (id: string) => view.signatures[id]?.status === "declined" && !view.signatures[id].changed;
  return missing.length > 0 && missing.every(stands);
}

/** Handle a refusal of a command: have a reason asked for where that is all that is missing. */
export function orReason<T extends Overridable>(intent: T, ask: (intent: T) => void): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof Refused) || error.rejection.details?.["declined"] !== true) throw error;
    ask(intent);
  };
}

interface Props {
  room: app.Room;
  intent: Overridable;
  onClose: () => void;
}

export function DeclinedReason({ room, intent, onClose }: Props) {
  const [reason, setReason] = useState("");
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const override_reason = reason.trim();
  return (
    <div class="stack declined-reason">
      <label for={id}>{t("declined.why")}</label>
      <textarea
        ref={field}
        id={id}
        rows={3}
        dir="auto"
        maxLength={500}
        autocomplete="off"
        value={reason}
        onInput={({ currentTarget }) => setReason(currentTarget.value)}
      />
      <Action
        label={t(intent.type === "COMPLETE" ? "declined.finish" : "declined.go_on")}
        kind="primary"
        reason={override_reason ? null : t("reason.first")}
        run={() => app.command(room, { ...intent, override_reason }).then(onClose)}
      />
      <button type="button" class="quiet small" onClick={onClose}>{t("cancel")}</button>
    </div>
  );
}
