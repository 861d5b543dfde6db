// Signing: the text, who signs, the pad, and no way out but signing, declining, or the staff.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { PatientView } from "../../generated/wire";
import { type Flow, itemOf, offeredLanguage } from "../lib/flow";
import { sha256Hex } from "../lib/ids";
import type { Intent } from "../lib/side";
import type { Say } from "../words";
import { Pad, Typed } from "./pad";
import { type Faults, faultsOf, relationshipOf, stillOf, useSigner, WhoSigns } from "./signer";
import { type Stroke, strokesOfName } from "./strokes";
import { WithReason } from "../fields/why";

interface Props {
  flow: Flow;
  view: PatientView;
  language: string | null;
  say: Say;
  send: (intent: Intent) => Promise<void>;
}

/** The text that a signature binds: what is to be read on its step, and its own. */
export function signedText(flow: Flow, view: PatientView, fieldId: string, language: string | null): string {
  const consents = view.enabled
    .map((id) => itemOf(flow, id))
    .filter((item) => item?.consent && !item.signature)
    .map((item) => item!.text(language));
  return [...consents, itemOf(flow, fieldId)?.text(language) ?? ""].join("\n\n");
}

/** The text as it is shown, and the hash that the controller wants for it in that language. */
function useBound({ flow, view, language }: Props) {
  const { field_id: fieldId, document_sha256: original, documents_sha256: hashes } = view.signature!;
  const spoken = hashes ? offeredLanguage(flow, language) : null;
  const wanted = (spoken !== null && hashes?.[spoken]) || original;
  const text = useMemo(() => signedText(flow, view, fieldId, language), [flow, view.enabled, fieldId, language]);
  const same = useMemo(() => sha256Hex(text) === wanted, [text, wanted]);
  return { fieldId, text, wanted, same, spoken };
}

/** Send a command, and tell what was refused. */
function useSending(send: Props["send"]) {
  const [sending, setSending] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const give = async (intent: Intent) => {
    setSending(true);
    setRefusal(null);
    try {
      await send(intent);
    } catch (error) {
      setRefusal((error as Error).message);
    } finally {
      setSending(false);
    }
  };
  return { sending, refusal, give };
}

export function Signing(props: Props) {
  const { flow, view, language, say, send } = props;
  const bound = useBound(props);
  const { sending, refusal, give } = useSending(send);
  const [signer, change] = useSigner(flow, view);
  const [typing, setTyping] = useState(false);
  const [drawn, setDrawn] = useState<Stroke[]>([]);
  const [shownFaults, setFaults] = useState<Faults>({});
  const [declining, setDeclining] = useState(false);
  const screen = useRef<HTMLDivElement>(null);
  useEffect(() => screen.current?.querySelector("h1")?.focus(), []);
  useEffect(() => screen.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus(), [shownFaults]);
  const name = signer.name.trim();
  const found = faultsOf(signer, typing || drawn.length > 0);
  const faults = stillOf(shownFaults, found);
  const sign = () => {
    setFaults(found);
    if (Object.keys(found).length > 0) return;
    void give({
      type: "SUBMIT_SIGNATURE",
      field_id: bound.fieldId,
      strokes: typing ? strokesOfName(name) : drawn,
      document_sha256: bound.wanted,
      ...(bound.spoken === null ? {} : { language: bound.spoken }),
      printed_name: name,
      ...(signer.forOther ? { relationship: relationshipOf(signer) } : {}),
    });
  };
  return (
    <div class="signing" ref={screen}>
      <h1 tabIndex={-1}>{say("signHere")}</h1>
      <section>
        <h2 id="sign-text">{say("signText")}</h2>
        <div class="reading-text" role="region" aria-labelledby="sign-text" tabIndex={0} dir="auto" lang={bound.spoken ?? flow.language ?? language ?? undefined}>
          {bound.text}
        </div>
      </section>
      {!bound.same && <p class="notice" role="status">{say("signChanged")}</p>}
      <WhoSigns say={say} signer={signer} faults={faults} change={change} />
      {typing ? <Typed say={say} name={name} /> : <Pad say={say} onStrokes={setDrawn} />}
      {faults.pad && <p class="error" role="alert">{say(faults.pad)}</p>}
      <div class="buttons">
        <button type="button" class="primary large" disabled={!bound.same || sending} onClick={sign}>
          {say("signSubmit")}
        </button>
        <button
          type="button"
          class="secondary"
          onClick={() => {
            setDrawn([]);
            setFaults({});
            setTyping(!typing);
          }}
        >
          {say(typing ? "signDraw" : "signTyped")}
        </button>
        <button type="button" class="quiet" aria-expanded={declining} onClick={() => setDeclining(!declining)}>
          {say("decline")}
        </button>
      </div>
      {refusal && <p class="error" role="alert">{refusal}</p>}
      {declining && (
        <WithReason id="decline" say={say} confirm="declineConfirm" disabled={sending} run={(reason) => give({ type: "DECLINE_SIGNATURE", reason })} />
      )}
    </div>
  );
}
