// Something that may be said with a reason, or without one.
import { useState } from "preact/hooks";
import type { Say, Word } from "../words.ts";

interface Props {
  id: string;
  say: Say;
  confirm: Word;
  disabled?: boolean;
  run: (reason: string | null) => void;
}

export function WithReason({ id, say, confirm, disabled, run }: Props) {
  const [reason, setReason] = useState("");
  return (
    <div class="field with-reason">
      <label for={`${id}-reason`}>{say("declineReason")}</label>
      <textarea
        id={`${id}-reason`}
        dir="auto"
        rows={2}
        maxLength={500}
        autocomplete="off"
        value={reason}
        onInput={({ currentTarget }) => setReason(currentTarget.value)}
      />
      <button type="button" class="secondary" disabled={disabled} onClick={() => run(reason.trim() || null)}>
        {say(confirm)}
      </button>
    </div>
  );
}
