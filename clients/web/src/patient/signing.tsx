// Signing: the text, the pad, and no way out but signing, declining, or the staff's cancelling.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import SignaturePad from "signature_pad";
import type { PatientView } from "../../generated/wire";
import { sha256Hex } from "../lib/ids";
import { type Flow, itemOf } from "../lib/flow";
import type { Intent } from "../lib/side";
import { nameOf, type Say } from "../words";
import { type Stroke, strokesOf, strokesOfName } from "./strokes";

interface Props {
  flow: Flow;
  view: PatientView;
  language: string | null;
  say: Say;
  send: (intent: Intent) => Promise<void>;
}

/** The texts that a signature binds: what is to be read on its step, and its own. */
export function signedTexts(flow: Flow, view: PatientView, fieldId: string, language: string | null): string[] {
  const consents = view.enabled
    .map((id) => itemOf(flow, id))
    .filter((item) => item?.consent && !item.signature)
    .map((item) => item!.text(language));
  return [...consents, itemOf(flow, fieldId)?.text(language) ?? ""];
}

export function Signing({ flow, view, language, say, send }: Props) {
  const fieldId = view.signature!.field_id;
  const wanted = view.signature!.document_sha256;
  const original = useMemo(() => signedTexts(flow, view, fieldId, null), [flow, view.enabled, fieldId]);
  const shown = useMemo(() => signedTexts(flow, view, fieldId, language), [flow, view.enabled, fieldId, language]);
  const same = useMemo(() => sha256Hex(original.join("\n\n")) === wanted, [original, wanted]);
  const [typing, setTyping] = useState(false);
  const [strokes, setStrokes] = useState<Stroke[]>([]);
  const [declining, setDeclining] = useState(false);
  const [sending, setSending] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);
  const give = async (intent: Intent) => {
    setSending(true);
    setFault(null);
    try {
      await send(intent);
    } catch (error) {
      setFault((error as Error).message);
    } finally {
      setSending(false);
    }
  };
  const translated = shown.join("\n\n") !== original.join("\n\n");
  return (
    <div class="signing">
      <h1 ref={title} tabIndex={-1}>{say("signHere")}</h1>
      <section>
        <h2 id="sign-text">{say("signText")}</h2>
        <div class="reading-text" role="region" aria-labelledby="sign-text" tabIndex={0} dir="auto">
          {shown.join("\n\n")}
        </div>
        {translated && (
          <details>
            <summary>
              {say("original")} {flow.language ? nameOf(flow.language) : ""}
            </summary>
            <div class="reading-text" lang={flow.language ?? undefined} tabIndex={0} role="region" aria-label={say("original")}>
              {original.join("\n\n")}
            </div>
          </details>
        )}
      </section>
      {!same && <p class="notice" role="status">{say("signChanged")}</p>}
      {typing ? <Typed say={say} onStrokes={setStrokes} /> : <Pad say={say} onStrokes={setStrokes} />}
      <div class="buttons">
        <button
          type="button"
          class="primary large"
          disabled={strokes.length === 0 || !same || sending}
          onClick={() => give({ type: "SUBMIT_SIGNATURE", field_id: fieldId, strokes, document_sha256: wanted })}
        >
          {say("signSubmit")}
        </button>
        <button
          type="button"
          class="secondary"
          onClick={() => {
            setStrokes([]);
            setTyping(!typing);
          }}
        >
          {say(typing ? "signDraw" : "signTyped")}
        </button>
        <button type="button" class="quiet" aria-expanded={declining} onClick={() => setDeclining(!declining)}>
          {say("decline")}
        </button>
      </div>
      {fault && <p class="error" role="alert">{fault}</p>}
      {declining && <Decline say={say} disabled={sending} onDecline={(reason) => give({ type: "DECLINE_SIGNATURE", reason })} />}
    </div>
  );
}

interface PadProps {
  say: Say;
  onStrokes: (strokes: Stroke[]) => void;
}

function Pad({ say, onStrokes }: PadProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pad = useRef<SignaturePad | null>(null);
  const [empty, setEmpty] = useState(true);
  const told = () => {
    const area = canvas.current!;
    const drawn = pad.current!.toData();
    setEmpty(drawn.length === 0);
    onStrokes(strokesOf(drawn, area.clientWidth, area.clientHeight));
  };
  useEffect(() => {
    const area = canvas.current!;
    const made = new SignaturePad(area, { penColor: "#10242b", minWidth: 1, maxWidth: 3 });
    pad.current = made;
    const fit = () => {
      const scale = Math.max(1, devicePixelRatio);
      const [width, height] = [area.clientWidth, area.clientHeight];
      if (width === 0 || area.width === Math.round(width * scale)) return;
      const drawn = made.toData();
      area.width = Math.round(width * scale);
      area.height = Math.round(height * scale);
      area.getContext("2d")!.scale(scale, scale);
      made.clear();
      made.fromData(drawn);
    };
    fit();
    const watching = new ResizeObserver(fit);
    watching.observe(area);
    made.addEventListener("endStroke", told);
    return () => {
      watching.disconnect();
      made.off();
    };
  }, []);
  const change = (drawn: ReturnType<SignaturePad["toData"]>) => {
    pad.current!.clear();
    pad.current!.fromData(drawn);
    told();
  };
  return (
    <div class="pad">
      <canvas ref={canvas} role="img" aria-label={say("signPad")} />
      <p class="pad-hint" aria-hidden={!empty}>{say("signPad")}</p>
      <div class="pad-tools">
        <button type="button" class="quiet small" disabled={empty} onClick={() => change(pad.current!.toData().slice(0, -1))}>
          {say("undo")}
        </button>
        <button type="button" class="quiet small" disabled={empty} onClick={() => change([])}>
          {say("clear")}
        </button>
      </div>
    </div>
  );
}

function Typed({ say, onStrokes }: PadProps) {
  const [name, setName] = useState("");
  return (
    <div class="field typed-name">
      <label for="typed-name">{say("typedName")}</label>
      <div class="hint" id="typed-hint">{say("typedHint")}</div>
      <input
        id="typed-name"
        type="text"
        dir="auto"
        autocomplete="off"
        spellcheck={false}
        aria-describedby="typed-hint"
        maxLength={80}
        value={name}
        onInput={({ currentTarget: { value } }) => {
          setName(value);
          onStrokes(value.trim() === "" ? [] : strokesOfName(value.trim()));
        }}
      />
      {name.trim() !== "" && <p class="written-name" dir="auto" aria-hidden="true">{name}</p>}
    </div>
  );
}

function Decline({ say, disabled, onDecline }: { say: Say; disabled: boolean; onDecline: (reason: string | null) => void }) {
  const [reason, setReason] = useState("");
  return (
    <div class="field decline">
      <label for="decline-reason">{say("declineReason")}</label>
      <textarea
        id="decline-reason"
        dir="auto"
        rows={2}
        maxLength={500}
        autocomplete="off"
        value={reason}
        onInput={({ currentTarget }) => setReason(currentTarget.value)}
      />
      <button type="button" class="secondary" disabled={disabled} onClick={() => onDecline(reason.trim() || null)}>
        {say("declineConfirm")}
      </button>
    </div>
  );
}
