// A signature on its step, once it was asked for: how it stands, and the way to take it back.
import { useState } from "preact/hooks";
import { useAnnounced } from "../lib/announcer.tsx";
import { messageOf } from "../lib/requests.ts";
import { WithReason } from "./why.tsx";
import type { Say, Word } from "../words.ts";
import { domId, useSheet } from "./sheet.ts";

const WORDS: Record<string, Word> = {
  signed: "signed",
  changed: "signedChanged",
  declined: "declined",
  withdrawn: "withdrawn",
};

export function SignatureState({ id }: { id: string }) {
  const { shown, say, hands } = useSheet();
  const mine = (shown.step_signatures ?? shown.signatures)?.[id];
  const status = !mine?.changed ? (mine?.status ?? "none") : mine.status === "declined" ? "none" : "changed";
  return (
    <>
      <p class="signature-state" data-status={status}>
        {say(WORDS[status] ?? "signSoon")}
      </p>
      {hands && mine?.status === "signed" && <Withdraw id={id} say={say} withdraw={hands.withdraw} />}
    </>
  );
}

interface Props {
  id: string;
  say: Say;
  withdraw: (id: string, reason: string | null) => Promise<void>;
}

function Withdraw({ id, say, withdraw }: Props) {
  const [asking, setAsking] = useState(false);
  const [sending, setSending] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  useAnnounced(refusal ?? "");
  const run = (reason: string | null) => {
    setSending(true);
    withdraw(id, reason)
      .catch((error: unknown) => setRefusal(messageOf(error)))
      .finally(() => setSending(false));
  };
  return (
    <div class="withdraw">
      <button type="button" class="quiet small" aria-expanded={asking} onClick={() => setAsking(!asking)}>
        {say("withdraw")}
      </button>
      {asking && <WithReason id={domId(id, "withdraw")} say={say} confirm="withdrawConfirm" disabled={sending} run={run} />}
      {refusal && <p class="error">{refusal}</p>}
    </div>
  );
}
