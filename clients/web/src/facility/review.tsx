// A document, large: zoom, turn, accept, or send back with a reason.
import { useEffect, useState } from "preact/hooks";
import type { FacilityView } from "../../generated/wire.ts";
import type { Item } from "../lib/flow.ts";
import { present } from "../lib/present.ts";
import * as app from "./app.ts";
import { Action, Dialog } from "./parts.tsx";

interface Props {
  room: app.Room;
  view: FacilityView;
  item: Item;
  id: string;
  onClose: () => void;
}

const ZOOMS = [1, 1.5, 2, 3, 4];

export function Review({ room, view, item, id, onClose }: Props) {
  const [zoom, setZoom] = useState(0);
  const [quarters, setQuarters] = useState(0);
  const [sending, setSending] = useState(false);
  const [reason, setReason] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const upload = view.documents[id]?.upload;
  useEffect(() => {
    setFault(null);
    app.fetchDocument(room, id).catch((error: unknown) => setFault(app.wordsOf(error)));
  }, [id, upload]);
  const fetched = room.pictures.value?.get(id);
  const review = (accepted: boolean) =>
    app.command(room, { type: "REVIEW_DOCUMENT", field_id: id, accepted, reason: accepted ? null : reason.trim() }).then(onClose);
  const scale = present(ZOOMS[zoom]);
  return (
    <Dialog title={item.text(null)} onClose={onClose} wide>
      <div class="viewer" tabIndex={0} role="region" aria-label="The document">
        {fault ? (
          <p class="error" role="alert">{fault}</p>
        ) : !fetched?.url ? (
          <progress max={fetched?.size || 1} value={fetched?.got ?? 0} aria-label="Loading the document" />
        ) : fetched.mediaType.startsWith("image/") ? (
          <div class="viewer-fit" style={{ width: `${100 * scale}%`, height: `${100 * scale}%` }}>
            <img src={fetched.url} alt={`The patient's document: ${item.text(null)}`} style={{ transform: `rotate(${quarters * 90}deg)` }} />
          </div>
        ) : (
          <p>
            <a class="button secondary" href={fetched.url} download={`document.${fetched.mediaType.split("/")[1]}`}>
              Open the file ({fetched.mediaType})
            </a>
          </p>
        )}
      </div>
      <div class="buttons">
        <button type="button" class="secondary" disabled={zoom === 0} onClick={() => setZoom(zoom - 1)}>Smaller</button>
        <button type="button" class="secondary" disabled={zoom === ZOOMS.length - 1} onClick={() => setZoom(zoom + 1)}>Larger</button>
        <button type="button" class="secondary" onClick={() => setQuarters((quarters + 1) % 4)}>Turn</button>
        <span class="grow" />
        <Action label="Send back…" reason={view.blocked?.["REVIEW_DOCUMENT"]} run={() => setSending(!sending)} />
        <Action label="Accept" kind="primary" reason={view.blocked?.["REVIEW_DOCUMENT"]} run={() => review(true)} />
      </div>
      {sending && (
        <div class="stack">
          <label for="review-reason">What should the patient do differently?</label>
          <textarea id="review-reason" rows={2} dir="auto" maxLength={500} autocomplete="off" value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
          <Action label="Send back" kind="primary" reason={reason.trim() ? null : "Write what is wrong first."} run={() => review(false)} />
        </div>
      )}
    </Dialog>
  );
}
