// The record of a completed check-in, as PDF, and how its delivery stands.
import type { DeliveryOutcome } from "../../generated/wire.ts";
import { topics } from "../../generated/wire.ts";
import { present } from "../lib/present.ts";
import * as app from "./app.ts";

/** Return the record. The bytes stay in the memory of the page. Raises `Refused`. */
export async function readRecord(session: string): Promise<Blob> {
  const made = await app.ask({ type: "EXPORT_SESSION", session, format: "pdf" }, "SESSION_EXPORTED");
  const connection = present(app.connection.peek());
  const { site, device } = connection.me;
  const base = topics.document(site, session, device, made.export, "").replace(/\/+$/, "");
  const pieces = new Map<number, Uint8Array>();
  let arrived: () => void = () => undefined;
  const stop = connection.on(`${base}/#`, (topic, payload) => {
    pieces.set(Number(topic.slice(base.length + 1)), payload.slice());
    arrived();
  });
  try {
    for (let offset = 0; offset < made.seal.size; ) {
      const answer = await app.ask({ type: "READ_EXPORT", session, export: made.export, offset }, "EXPORT_READ");
      const end = offset + answer.sent;
      await new Promise<void>((resolve) => {
        arrived = () => {
          if (lengthOf(pieces, offset) >= end) resolve();
        };
        arrived();
      });
      offset = end;
    }
  } finally {
    stop();
  }
  const ordered = [...pieces].sort(([a], [b]) => a - b).map(([, bytes]) => bytes as BlobPart);
  return new Blob(ordered, { type: "application/pdf" });
}

/** How many bytes are there without a gap. */
function lengthOf(pieces: ReadonlyMap<number, Uint8Array>, from: number): number {
  let end = from;
  for (let piece = pieces.get(end); piece; piece = pieces.get(end)) end += piece.length;
  return end;
}

/** Return what each destination answered. Raises `Refused`. */
export async function deliveriesOf(session: string): Promise<DeliveryOutcome[]> {
  return (await app.ask({ type: "SHOW_DELIVERY", session }, "DELIVERY_SHOWN")).outcomes;
}

/** A destination's own words, where it said some: of an OperationOutcome, or as text. */
export function wordsOf({ outcome }: DeliveryOutcome): string | null {
  const said = objectOf(outcome);
  const operation = objectOf(said["operation_outcome"] ?? said["body"] ?? objectOf(said["answer"])["body"]);
  const issues = Array.isArray(operation["issue"]) ? operation["issue"].map(objectOf) : [];
  const words = issues.map((issue) => issue["diagnostics"] ?? objectOf(issue["details"])["text"]);
  const found = words.filter((one): one is string => typeof one === "string");
  return found.length > 0 ? found.join(" ") : null;
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
