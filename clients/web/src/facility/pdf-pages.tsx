// The pages of a PDF, one below the other, with their words for a screen reader.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "./messages.ts";
import type { Pdf } from "./pdf.ts";

interface Props {
  blob: Blob;
  scale: number;
  quarters: number;
  label: string;
}

type Drawing = typeof import("./pdf.ts");

export function PdfPages({ blob, scale, quarters, label }: Props) {
  const [opened, setOpened] = useState<{ pdf: Pdf; draw: Drawing } | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let ended = false;
    let pdf: Pdf | null = null;
    const open = async () => {
      const draw = await import("./pdf.ts");
      pdf = await draw.openPdf(blob);
      if (ended) void pdf.loadingTask.destroy();
      else setOpened({ pdf, draw });
    };
    open().catch(() => setFailed(true));
    return () => {
      ended = true;
      void pdf?.loadingTask.destroy();
    };
  }, [blob]);
  if (failed) return <p class="viewer-note" role="alert">{t("viewer.unreadable")}</p>;
  if (!opened) return <progress aria-label={t("viewer.loading")} />;
  const { pdf, draw } = opened;
  return (
    <div class="pdf" style={{ width: `${100 * scale}%` }} data-pages={pdf.numPages}>
      {Array.from({ length: pdf.numPages }, (_, n) => (
        <Page key={n} pdf={pdf} draw={draw} number={n + 1} scale={scale} quarters={quarters} label={label} />
      ))}
    </div>
  );
}

interface PageProps {
  pdf: Pdf;
  draw: Drawing;
  number: number;
  scale: number;
  quarters: number;
  label: string;
}

function Page({ pdf, draw, number, scale, quarters, label }: PageProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drawn, setDrawn] = useState(false);
  const [words, setWords] = useState("");
  useEffect(() => {
    const target = canvas.current;
    if (!target) return;
    let ended = false;
    // Drawn apart: two drawings into one canvas exclude each other.
    const fresh = document.createElement("canvas");
    const width = (target.parentElement?.clientWidth ?? 800) * devicePixelRatio;
    draw
      .drawPage(pdf, number, fresh, width, quarters)
      .then(() => {
        if (ended) return;
        target.width = fresh.width;
        target.height = fresh.height;
        target.getContext("2d")?.drawImage(fresh, 0, 0);
        setDrawn(true);
      })
      .catch(() => undefined);
    return () => {
      ended = true;
    };
  }, [pdf, number, scale, quarters]);
  useEffect(() => {
    draw.textOf(pdf, number).then(setWords, () => undefined);
  }, [pdf, number]);
  const name = t("viewer.page", { label, n: number, total: pdf.numPages });
  return (
    <figure class="pdf-page" aria-label={name} data-drawn={drawn || undefined}>
      <canvas ref={canvas} aria-hidden="true" />
      <figcaption class="visually-hidden">{words}</figcaption>
    </figure>
  );
}
