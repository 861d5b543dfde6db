// Where the signature is made: drawn on a pad, or the printed name as it would be written.
import { useEffect, useRef, useState } from "preact/hooks";
import SignaturePad from "signature_pad";
import { present } from "../lib/present.ts";
import type { Say } from "../words.ts";
import { type Stroke, strokesOf } from "./strokes.ts";

interface PadProps {
  say: Say;
  onStrokes: (strokes: Stroke[]) => void;
}

export function Pad({ say, onStrokes }: PadProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pad = useRef<SignaturePad | null>(null);
  const [empty, setEmpty] = useState(true);
  const told = () => {
    const area = present(canvas.current);
    const drawn = present(pad.current).toData();
    setEmpty(drawn.length === 0);
    onStrokes(strokesOf(drawn, area.clientWidth, area.clientHeight));
  };
  useEffect(() => {
    const area = present(canvas.current);
    const made = new SignaturePad(area, { penColor: "#10242b", minWidth: 1, maxWidth: 3 });
    pad.current = made;
    const fit = () => {
      const scale = Math.max(1, devicePixelRatio);
      const [width, height] = [area.clientWidth, area.clientHeight];
      if (width === 0 || area.width === Math.round(width * scale)) return;
      const drawn = made.toData();
      area.width = Math.round(width * scale);
      area.height = Math.round(height * scale);
      present(area.getContext("2d")).scale(scale, scale);
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
    present(pad.current).clear();
    present(pad.current).fromData(drawn);
    told();
  };
  return (
    <div class="pad">
      <canvas ref={canvas} role="img" aria-label={say("signPad")} />
      <p class="pad-hint" aria-hidden={!empty}>{say("signPad")}</p>
      <div class="pad-tools">
        <button type="button" class="quiet small" disabled={empty} onClick={() => change(present(pad.current).toData().slice(0, -1))}>
          {say("undo")}
        </button>
        <button type="button" class="quiet small" disabled={empty} onClick={() => change([])}>
          {say("clear")}
        </button>
      </div>
    </div>
  );
}

/** The printed name stands for the signature: nothing is typed twice. */
export function Typed({ say, name }: { say: Say; name: string }) {
  return (
    <div class="typed-name">
      <p class="hint">{say("typedHint")}</p>
      {name !== "" && <p class="written-name" dir="auto" aria-hidden="true">{name}</p>}
    </div>
  );
}
