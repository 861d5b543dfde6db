// Why the box did not take a document, in the page's words (docs/reference/documents.md has the reasons).
import type { Rejection } from "../../generated/wire.ts";
import type { Say, Word } from "../words.ts";

const WORDS: Record<string, Word> = {
  empty: "docEmpty",
  pretends: "docPretends",
  damaged: "docDamaged",
  too_large: "docTooMuch",
  not_allowed: "docNotAllowed",
  unsupported: "docUnsupported",
  active_content: "docActive",
  encrypted: "docEncrypted",
};

/** Without a reason, what arrived was not what was sent; one that is new here is damage of a kind. */
export function whyUnfit(say: Say, { code, details, message }: Rejection): string {
  if (code !== "upload_corrupt") return message;
  const reason = details?.reason;
  return say(typeof reason === "string" ? (WORDS[reason] ?? "docDamaged") : "docBroken");
}
