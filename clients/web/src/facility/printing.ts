// Printing a PDF from memory: its pages are drawn into the page, and it alone is printed.

/** Of a page on paper: letters are sharp from here on. */
const PIXELS_WIDE = 1_700;

/** Open the browser's print dialog for a PDF. Nothing is stored. Raises if it cannot be read. */
export async function printBlob(blob: Blob): Promise<void> {
  const { openPdf, drawPage } = await import("./pdf.ts");
  const pdf = await openPdf(blob);
  const sheets = document.createElement("div");
  sheets.className = "printing";
  try {
    for (let number = 1; number <= pdf.numPages; number++) {
      const canvas = document.createElement("canvas");
      await drawPage(pdf, number, canvas, PIXELS_WIDE, 0);
      sheets.append(canvas);
    }
    document.body.append(sheets);
    document.documentElement.dataset["printing"] = "";
    await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
    print();
  } finally {
    sheets.remove();
    delete document.documentElement.dataset["printing"];
    void pdf.loadingTask.destroy();
  }
}
