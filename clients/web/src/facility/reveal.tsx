// A masked value, seen while a button is held, beside the picture of the card that it stands on.
import { useEffect, useRef, useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import { asText } from "../fields/said.ts";
import { type Flow, itemOf, listOf, stepOf } from "../lib/flow.ts";
import * as app from "./app.ts";
import { t } from "./messages.ts";
import { Dialog, questionOf } from "./parts.tsx";
import { Viewer } from "./viewer.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  flow: Flow;
  id: string;
  onClose: () => void;
}

export function Reveal({ room, view, flow, id, onClose }: Props) {
  const pictures = picturesFor(view, flow, id);
  const [picture, setPicture] = useState(pictures[0] ?? null);
  return (
    <Dialog title={questionOf(flow, id)} onClose={onClose} wide={pictures.length > 0}>
      <p class="hint">{t("reveal.hint")}</p>
      <Held room={room} id={id} label={questionOf(flow, id)} />
      {pictures.length > 1 && (
        <label class="stack">
          {t("reveal.beside")}
          <select value={picture ?? ""} onChange={({ currentTarget }) => setPicture(currentTarget.value)}>
            {pictures.map((one) => (
              <option value={one}>{questionOf(flow, one)}</option>
            ))}
          </select>
        </label>
      )}
      {picture && <Viewer key={picture} room={room} id={picture} label={questionOf(flow, picture)} />}
    </Dialog>
  );
}

/** The documents that are there, those of the field's own step first. */
function picturesFor(view: FacilityView, flow: Flow, id: string): string[] {
  const here = stepOf(flow, id);
  const there = Object.entries(view.documents).filter(([, one]) => ["received", "accepted"].includes(one.status));
  const all = there.map(([one]) => one).filter((one) => itemOf(flow, one));
  return [...all.filter((one) => stepOf(flow, one) === here), ...all.filter((one) => stepOf(flow, one) !== here)];
}

/** What is longer on the screen than this was forgotten there. */
const LONGEST_MS = 30_000;

/** The value, asked for with each press and gone with each release. */
function Held({ room, id, label }: { room: app.Room; id: string; label: string }) {
  const [value, setValue] = useState<string | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const turn = useRef(0);
  const hide = () => {
    turn.current += 1;
    setValue(null);
  };
  const show = () => {
    const mine = ++turn.current;
    setRefusal(null);
    app.reveal(room, id).then(
      (found) => turn.current === mine && setValue(listOf(found).map(asText).join(", ")),
      (error: unknown) => turn.current === mine && setRefusal(app.wordsOf(error)),
    );
  };
  useEffect(() => {
    if (value === null) return;
    const timer = setTimeout(hide, LONGEST_MS);
    return () => clearTimeout(timer);
  }, [value]);
  useEffect(() => {
    for (const kind of ["blur", "pagehide"]) addEventListener(kind, hide);
    return () => {
      for (const kind of ["blur", "pagehide"]) removeEventListener(kind, hide);
    };
  }, []);
  const isKey = (event: KeyboardEvent) => event.key === " " || event.key === "Enter";
  return (
    <div class="revealed">
      <output class="revealed-value" aria-label={label} dir="auto">{value ?? "••••••"}</output>
      <button
        type="button"
        class="secondary hold"
        aria-pressed={value !== null}
        onPointerDown={show}
        onPointerUp={hide}
        onPointerLeave={hide}
        onPointerCancel={hide}
        onContextMenu={(event) => event.preventDefault()}
        onKeyDown={(event) => isKey(event) && !event.repeat && show()}
        onKeyUp={(event) => isKey(event) && hide()}
        onBlur={hide}
      >
        {t("reveal.hold")}
      </button>
      <p class="refusal" role="alert">{refusal}</p>
    </div>
  );
}
