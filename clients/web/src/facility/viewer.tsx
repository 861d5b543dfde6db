// A document of the patient's, in the page: pictures as they are, PDF drawn by pdf.js.
import { useEffect, useState } from "preact/hooks";
import { present } from "../lib/present.ts";
import * as app from "./app.ts";
import { t } from "./messages.ts";
import { PdfPages } from "./pdf-pages.tsx";

interface Props {
  room: app.Room;
  id: string;
  label: string;
}

const ZOOMS = [1, 1.5, 2, 3, 4];

export function Viewer({ room, id, label }: Props) {
  const [fault, setFault] = useState<string | null>(null);
  const upload = room.session.view.value?.documents[id]?.upload;
  useEffect(() => {
    setFault(null);
    app.fetchDocument(room, id).catch((error: unknown) => setFault(app.wordsOf(error)));
  }, [id, upload]);
  const fetched = room.pictures.value?.get(id);
  if (fault) return <Frame label={label}><p class="error" role="alert">{fault}</p></Frame>;
  if (!fetched?.blob) {
    return (
      <Frame label={label}>
        <progress max={fetched?.size || 1} value={fetched?.got ?? 0} aria-label={t("viewer.loading")} />
      </Frame>
    );
  }
  return <Document blob={fetched.blob} url={fetched.url} label={label} />;
}

function Frame({ label, children }: { label: string; children: preact.ComponentChildren }) {
  return (
    <div class="viewer" tabIndex={0} role="region" aria-label={t("viewer.of", { label })}>
      {children}
    </div>
  );
}

/** A document with what makes it larger and turns it; both work for pictures and for PDF. */
export function Document({ blob, url, label }: { blob: Blob; url: string | null; label: string }) {
  const [zoom, setZoom] = useState(0);
  const [quarters, setQuarters] = useState(0);
  const scale = present(ZOOMS[zoom]);
  const pdf = blob.type === "application/pdf";
  if (!pdf && url === null) return <Frame label={label}><p class="viewer-note">{t("viewer.cannot", { type: blob.type })}</p></Frame>;
  return (
    <>
      <Frame label={label}>
        {pdf ? (
          <PdfPages blob={blob} scale={scale} quarters={quarters} label={label} />
        ) : (
          <div class="viewer-fit" style={{ width: `${100 * scale}%`, height: `${100 * scale}%` }}>
            <img src={url ?? ""} alt={t("viewer.picture", { label })} style={{ transform: `rotate(${quarters * 90}deg)` }} data-lying={quarters % 2 === 1 || undefined} />
          </div>
        )}
      </Frame>
      <div class="viewer-tools" role="group" aria-label={t("viewer.tools")}>
        <button type="button" class="quiet small" disabled={zoom === 0} onClick={() => setZoom(zoom - 1)}>{t("viewer.smaller")}</button>
        <button type="button" class="quiet small" disabled={zoom === ZOOMS.length - 1} onClick={() => setZoom(zoom + 1)}>{t("viewer.larger")}</button>
        <button type="button" class="quiet small" onClick={() => setQuarters((quarters + 1) % 4)}>{t("viewer.turn")}</button>
      </div>
    </>
  );
}
