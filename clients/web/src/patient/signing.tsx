// Signing: the text, who signs, the pad, and no way out but signing, declining, or the staff.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { PatientView } from "../../generated/wire.ts";
import { type Flow, offeredLanguage, signedText } from "../lib/flow.ts";
import { sha256Hex } from "../lib/ids.ts";
import { present } from "../lib/present.ts";
import { messageOf } from "../lib/requests.ts";
import type { Intent } from "../lib/session.ts";
import type { Say } from "../words.ts";
import { Pad, Typed } from "./pad.tsx";
import { type Faults, faultsOf, relationshipOf, stillOf, useSigner, WhoSigns } from "./signer.tsx";
import { isTap, type Stroke, strokesOfName } from "./strokes.ts";
import { useAnnounced } from "../lib/announcer.tsx";
import { useTitle } from "./screens.tsx";
import { GivenFor } from "./given-for.tsx";
import { WithReason } from "../fields/why.tsx";

interface Props {
  flow: Flow;
  view: PatientView;
  language: string | null;
  say: Say;
  /** The name last printed below a signature in this session; empty if none was. */
  printed: string;
  send: (intent: Intent) => Promise<void>;
}

/** The text as it is shown, and the hash that the controller wants for it in that language. */
function useBound({ flow, view, language }: Props) {
  const { field_id: fieldId, document_sha256: original, documents_sha256: hashes } = present(view.signature);
  const spoken = hashes ? offeredLanguage(flow, language) : null;
  const wanted = (spoken !== null && hashes?.[spoken]) || original;
  const text = useMemo(() => signedText(flow, view.enabled, fieldId, language), [flow, view.enabled, fieldId, language]);
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
      setRefusal(messageOf(error));
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
  const [signer, change] = useSigner(flow, view, props.printed);
  const [typing, setTyping] = useState(false);
  const [drawn, setDrawn] = useState<Stroke[]>([]);
  const [shownFaults, setFaults] = useState<Faults>({});
  const [declining, setDeclining] = useState(false);
  const [doubted, setDoubted] = useState(false);
  const [pad, setPad] = useState(0);
  const screen = useRef<HTMLDivElement>(null);
  useEffect(() => {
    scrollTo({ top: 0 });
    screen.current?.querySelector("h1")?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    const wrong = screen.current?.querySelector<HTMLElement>("[aria-invalid]");
    // To the top: below, the sheet with the pad may be over it.
    wrong?.closest(".field")?.scrollIntoView({ block: "start" });
    wrong?.focus({ preventScroll: true });
  }, [shownFaults]);
  useEffect(() => {
    if (declining) screen.current?.querySelector(".decline")?.scrollIntoView({ block: "start" });
  }, [declining]);
  const name = signer.name.trim();
  const found = faultsOf(signer, typing || drawn.length > 0);
  const faults = stillOf(shownFaults, found);
  const sign = (sure: boolean) => {
    setFaults(found);
    if (Object.keys(found).length > 0) return;
    const doubtful = !sure && !typing && isTap(drawn);
    setDoubted(doubtful);
    if (doubtful) return;
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
  const draw = (strokes: Stroke[]) => {
    setDrawn(strokes);
    setDoubted(false);
  };
  const count = say("stepOf", { n: view.step_index + 1, total: view.steps_total });
  useTitle(`${say("signHere")} · ${count}`);
  useAnnounced(faults.pad ? say(faults.pad) : "");
  useAnnounced(typing ? say("typedHint") : "");
  useAnnounced(refusal ?? "");
  useAnnounced(bound.same ? "" : say("signChanged"));
  return (
    <div class="signing" ref={screen}>
      <div class="sign-side">
        <div class="step-head">
          <p class="step-count" id="step-count">{count}</p>
          <h1 tabIndex={-1} aria-describedby="step-count">{say("signHere")}</h1>
        </div>
        <section>
          <h2 id="sign-text">{say("signText")}</h2>
          <div class="reading-text" role="region" aria-labelledby="sign-text" tabIndex={0} dir="auto" lang={bound.spoken ?? flow.language ?? language ?? undefined}>
            {bound.text}
          </div>
        </section>
        <GivenFor flow={flow} view={view} language={language} say={say} />
        <WhoSigns say={say} signer={signer} faults={faults} change={change} />
        <div class="decline">
          <button type="button" class="quiet" aria-expanded={declining} onClick={() => setDeclining(!declining)}>
            {say("decline")}
          </button>
          {declining && (
            <WithReason id="decline" say={say} confirm="declineConfirm" disabled={sending} run={(reason) => void give({ type: "DECLINE_SIGNATURE", reason })} />
          )}
        </div>
      </div>
      <section class="sign-sheet" aria-label={say("signature")}>
        {!bound.same && <p class="notice">{say("signChanged")}</p>}
        {typing ? <Typed say={say} name={name} /> : <Pad key={pad} say={say} onStrokes={draw} />}
        {faults.pad && <p class="error">{say(faults.pad)}</p>}
        {doubted && (
          <AskBack
            say={say}
            yes={() => sign(true)}
            again={() => {
              draw([]);
              setPad(pad + 1);
            }}
          />
        )}
        <div class="buttons">
          <button type="button" class="primary large" disabled={!bound.same || sending} onClick={() => sign(false)}>
            {say("signSubmit")}
          </button>
          <button
            type="button"
            class="secondary"
            onClick={() => {
              draw([]);
              setFaults({});
              setTyping(!typing);
            }}
          >
            {say(typing ? "signDraw" : "signTyped")}
          </button>
        </div>
        {refusal && <p class="error">{refusal}</p>}
      </section>
    </div>
  );
}

/** One tap is sent only once the person says that it is their signature. */
function AskBack({ say, yes, again }: { say: Say; yes: () => void; again: () => void }) {
  const question = useRef<HTMLParagraphElement>(null);
  useEffect(() => question.current?.focus(), []);
  return (
    <div class="ask-back" role="group" aria-labelledby="ask-back">
      <p id="ask-back" ref={question} tabIndex={-1}>
        <strong>{say("isSignature")}</strong> {say("isSignatureWhy")}
      </p>
      <div class="buttons">
        <button type="button" class="secondary" onClick={yes}>{say("yes")}</button>
        <button type="button" class="secondary" onClick={again}>{say("signAgain")}</button>
      </div>
    </div>
  );
}
