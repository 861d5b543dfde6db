// The record as PDF, for the token of a link that works once.
import type { CopyWord } from "../copy-words.ts";

/** It says nothing of the patient, and is the name that the box gives the file. */
const FILE = "check-in.pdf";
/** What saves a file may take this long to read it. */
const READ_MS = 60_000;

class NotTaken extends Error {
  readonly why: CopyWord;

  constructor(why: CopyWord) {
    super(why);
    this.why = why;
  }
}

/** Return what fetches the file once, saves it each time, and returns what to say then. */
export function copySaver(token: () => Promise<string>): () => Promise<CopyWord> {
  let file: Blob | null = null;
  return async () => {
    try {
      file ??= await fetchCopy(await token());
    } catch (error) {
      return error instanceof NotTaken ? error.why : "noLink";
    }
    saveFile(file);
    return "saved";
  };
}

async function fetchCopy(token: string): Promise<Blob> {
  let answer: Response;
  try {
    answer = await fetch("/copy", { method: "POST", body: token, cache: "no-store", credentials: "omit" });
    if (answer.ok) return await answer.blob();
  } catch {
    throw new NotTaken("offline");
  }
  throw new NotTaken(answer.status >= 500 ? "failed" : "over");
}

function saveFile(file: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = FILE;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_MS);
}
