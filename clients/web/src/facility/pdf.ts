// Drawing PDF by pdf.js. The browser's own viewer does not run in a sandboxed frame, and outside of one
// a patient's file would run beside this page.
import { getDocument, GlobalWorkerOptions, type PDFDocumentProxy } from "pdfjs-dist";
import worker from "pdfjs-dist/build/pdf.worker.min.mjs?worker&url";

GlobalWorkerOptions.workerSrc = worker;

export type Pdf = PDFDocumentProxy;

/** Open a PDF; nothing in it is carried out, and nothing is loaded from elsewhere. Raises if it cannot be read. */
export async function openPdf(blob: Blob): Promise<Pdf> {
  const data = new Uint8Array(await blob.arrayBuffer());
  return getDocument({
    data,
    enableXfa: false,
    useWasm: false,
    useWorkerFetch: false,
    disableAutoFetch: true,
    disableStream: true,
    stopAtErrors: false,
    verbosity: 0,
  }).promise;
}

/** The most pixels of a page: enough to read small print, and no more than a tablet holds. */
const MOST_PIXELS = 8_000_000;

/** Draw a page at a width in pixels of the screen, turned by quarters. */
export async function drawPage(pdf: Pdf, number: number, canvas: HTMLCanvasElement, width: number, quarters: number): Promise<void> {
  const page = await pdf.getPage(number);
  const rotation = (page.rotate + 90 * quarters) % 360;
  const plain = page.getViewport({ scale: 1, rotation });
  const fitting = Math.sqrt(MOST_PIXELS / (plain.width * plain.height));
  const viewport = page.getViewport({ scale: Math.min(fitting, width / plain.width), rotation });
  canvas.width = Math.max(1, Math.round(viewport.width));
  canvas.height = Math.max(1, Math.round(viewport.height));
  await page.render({ canvas, viewport }).promise;
}

/** The words of a page, for who does not see it. */
export async function textOf(pdf: Pdf, number: number): Promise<string> {
  const content = await (await pdf.getPage(number)).getTextContent();
  return content.items.map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : " ") : "")).join("");
}
