// A document: taken or chosen, turned and cropped, sent; and how far it is.
import { useEffect, useRef, useState } from "preact/hooks";
import type { DocumentView } from "../../generated/wire.ts";
import { DOCUMENT_REASONS } from "../canned.ts";
import type { Item } from "../lib/flow.ts";
import { saidOf, useAnnounced } from "../lib/announcer.tsx";
import type { Say } from "../words.ts";
import { accepts, type Crop, drawTurned, dropPicture, loadPicture, toBytes, WHOLE, writableType } from "./picture.ts";
import { domId, type Progress, useSheet } from "./sheet.ts";

const PREVIEW = 900;

export function Document({ item, id, inputId }: { item: Item; id: string; inputId: string }) {
  const { hands, say, shown, language } = useSheet();
  const document = shown.documents[id] ?? { status: "missing" };
  const [picture, setPicture] = useState<HTMLImageElement | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const latest = useRef<HTMLImageElement | null>(null);
  latest.current = picture;
  useEffect(() => () => dropPicture(latest.current), []);
  const progress = hands?.uploading(id);
  const drop = () => {
    dropPicture(picture);
    setPicture(null);
  };
  const send = (bytes: Uint8Array, mediaType: string) => {
    if (item.maxSize !== null && bytes.length > item.maxSize) {
      setFault(say("docTooLarge", { size: inMegabytes(item.maxSize) }));
    } else {
      hands?.upload(id, bytes, mediaType);
    }
  };
  const chosen = async (file: File | undefined) => {
    if (file === undefined) return;
    setFault(null);
    if (file.type.startsWith("image/") && writableType(item.mediaTypes) !== null) {
      try {
        setPicture(await loadPicture(file));
      } catch {
        setFault(say(isHeic(file) ? "docHeic" : "docUnreadable"));
      }
    } else if (isHeic(file)) {
      setFault(say("docHeic"));
    } else if (accepts(item.mediaTypes, file.type)) {
      send(new Uint8Array(await file.arrayBuffer()), file.type || "application/octet-stream");
    } else {
      setFault(say("docWrongType"));
    }
  };
  const use = async (chosen: HTMLImageElement, quarters: number, crop: Crop) => {
    const type = writableType(item.mediaTypes) ?? "image/jpeg";
    try {
      send(await toBytes(chosen, quarters, crop, type), type);
    } catch {
      setFault(say("docUnreadable"));
    }
    drop();
  };
  const busy = progress !== undefined;
  const done = document.status === "received" || document.status === "accepted";
  const label = item.text(language) || say("unnamed");
  const sent = document.status === "missing" && !busy ? undefined : hands?.picture(id);
  const said = stateOf(document, progress, hands && { refused: Boolean(hands.problem(id)) }, say);
  // How far it is stands there to be read; a screen reader is told that it began, and what came of it.
  useAnnounced(hands && !busy ? saidOf(label, said) : "");
  useAnnounced(fault ? saidOf(label, fault) : "");
  return (
    <div class="document" data-status={document.status}>
      {hands && sent && !picture && <img class="thumbnail" src={sent} alt={say("docPicture", { label })} />}
      {!(picture && document.status === "missing") && <p class="document-state">{said}</p>}
      {(busy || (document.status === "receiving" && hands === null)) && (
        <progress max={progress?.size ?? document.size ?? 1} value={progress?.sent ?? document.received ?? 0} aria-label={say("docSending", { percent: "" })} />
      )}
      {fault && <p class="error">{fault}</p>}
      {hands && picture && (
        <Adjust
          picture={picture}
          id={id}
          onCancel={drop}
          onUse={(quarters, crop) => void use(picture, quarters, crop)}
        />
      )}
      {hands && !picture && (
        <div class="buttons">
          <FileButton id={inputId} label={say(done ? "retake" : "takePhoto")} of={label} accept="image/*" camera primary={!done} onFile={(file) => void chosen(file)} />
          <FileButton
            id={`${inputId}-file`}
            label={say("chooseFile")}
            of={label}
            accept={item.mediaTypes.join(",") || "image/*,application/pdf"}
            onFile={(file) => void chosen(file)}
          />
        </div>
      )}
    </div>
  );
}

function stateOf(
  document: DocumentView,
  progress: Progress | undefined,
  mine: { refused: boolean } | null,
  say: Say,
): string {
  const percent = (sent: number, size: number) => Math.round((100 * sent) / Math.max(1, size));
  if (progress) return say("docSending", { percent: percent(progress.sent, progress.size) });
  switch (document.status) {
    case "receiving":
      if (mine) return say(mine.refused ? "docRejected" : "docInterrupted");
      return say("docSending", { percent: percent(document.received ?? 0, document.size ?? 1) });
    case "received":
      return say("docReceived");
    case "accepted":
      return say("docAccepted");
    case "rejected": {
      const reason = reasonOf(document, say);
      return reason ? say("docRejectedReason", { reason }) : say("docRejected");
    }
    default:
      return say("docMissing");
  }
}

/** What iPhones keep photos in: Safari shows it, and it leaves the page as JPEG; others cannot. */
const isHeic = (file: File) => /^image\/hei[cf]/.test(file.type) || /\.hei[cf]$/i.test(file.name);

/** Why staff sent it back: in the patient's language where they chose a reason, then as they wrote it. */
function reasonOf(document: DocumentView, say: Say): string {
  const word = document.reason_code && DOCUMENT_REASONS[document.reason_code];
  return [word && say(word), document.reason].filter(Boolean).join(" ");
}

const inMegabytes = (bytes: number) => `${Math.round(bytes / 104_857.6) / 10} MB`;

interface FileButtonProps {
  id: string;
  label: string;
  /** The document that it is for. */
  of: string;
  accept: string;
  camera?: boolean;
  primary?: boolean;
  onFile: (file: File | undefined) => void;
}

function FileButton({ id, label, of, accept, camera, primary, onFile }: FileButtonProps) {
  return (
    <label class={`file ${primary ? "primary" : "secondary"}`} for={id}>
      <input
        id={id}
        type="file"
        accept={accept}
        {...(camera ? { capture: "environment" } : {})}
        onChange={({ currentTarget }) => {
          onFile(currentTarget.files?.[0]);
          currentTarget.value = "";
        }}
      />
      {label}
      <span class="visually-hidden">: {of}</span>
    </label>
  );
}

// -- turning and cropping ----------------------------------------------------------------------

interface AdjustProps {
  picture: HTMLImageElement;
  id: string;
  onCancel: () => void;
  onUse: (quarters: number, crop: Crop) => void;
}

type Corner = ["left" | "right", "top" | "bottom"];
const CORNERS: Corner[] = [
  ["left", "top"],
  ["right", "top"],
  ["right", "bottom"],
  ["left", "bottom"],
];
const LEAST = 0.1;
const NUDGE = 0.02;
const NUDGES = new Map<string, [number, number]>([
  ["ArrowLeft", [-NUDGE, 0]],
  ["ArrowRight", [NUDGE, 0]],
  ["ArrowUp", [0, -NUDGE]],
  ["ArrowDown", [0, NUDGE]],
]);

function moved(crop: Crop, [side, edge]: Corner, x: number, y: number): Crop {
  const next = { ...crop };
  next[side] = side === "left" ? Math.min(Math.max(0, x), crop.right - LEAST) : Math.max(Math.min(1, x), crop.left + LEAST);
  next[edge] = edge === "top" ? Math.min(Math.max(0, y), crop.bottom - LEAST) : Math.max(Math.min(1, y), crop.top + LEAST);
  return next;
}

function Adjust({ picture, id, onCancel, onUse }: AdjustProps) {
  const { say } = useSheet();
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const [quarters, setQuarters] = useState(0);
  const [crop, setCrop] = useState<Crop>(WHOLE);
  const [cropping, setCropping] = useState(false);
  useEffect(() => {
    if (canvas.current) drawTurned(canvas.current, picture, quarters, PREVIEW);
  }, [picture, quarters]);
  useEffect(() => frame.current?.scrollIntoView({ block: "nearest" }), []);
  const drag = (corner: Corner) => (event: PointerEvent) => {
    const area = frame.current?.getBoundingClientRect();
    if (!area || !(event.currentTarget as Element).hasPointerCapture(event.pointerId)) return;
    const [x, y] = [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
    setCrop((before) => moved(before, corner, x, y));
  };
  const nudge = (corner: Corner) => (event: KeyboardEvent) => {
    const by = NUDGES.get(event.key);
    if (!by) return;
    event.preventDefault();
    const [x, y] = by;
    setCrop((before) => moved(before, corner, before[corner[0]] + x, before[corner[1]] + y));
  };
  const percent = (fraction: number) => `${fraction * 100}%`;
  return (
    <div class="adjust">
      <div class="adjust-frame" ref={frame}>
        <canvas ref={canvas} />
        {cropping && (
          <>
            <div
              class="crop"
              style={{
                left: percent(crop.left),
                top: percent(crop.top),
                width: percent(crop.right - crop.left),
                height: percent(crop.bottom - crop.top),
              }}
            />
            {CORNERS.map((corner, n) => (
              <button
                type="button"
                class="corner"
                key={n}
                aria-label={say("cropCorner", { n: n + 1 })}
                aria-describedby={domId(id, "crop")}
                style={{ left: percent(crop[corner[0]]), top: percent(crop[corner[1]]) }}
                onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
                onPointerMove={drag(corner)}
                onKeyDown={nudge(corner)}
              />
            ))}
          </>
        )}
      </div>
      {cropping && <p class="hint" id={domId(id, "crop")}>{say("cropHint")}</p>}
      <div class="buttons">
        <button type="button" class="primary" onClick={() => onUse(quarters, cropping ? crop : WHOLE)}>
          {say("usePhoto")}
        </button>
        <button
          type="button"
          class="secondary"
          onClick={() => {
            setQuarters((before) => (before + 1) % 4);
            setCrop(WHOLE);
          }}
        >
          {say("rotate")}
        </button>
        <button type="button" class="secondary" aria-pressed={cropping} onClick={() => setCropping(!cropping)}>
          {say("crop")}
        </button>
        <button type="button" class="quiet" onClick={onCancel}>
          {say("cancel")}
        </button>
      </div>
    </div>
  );
}
