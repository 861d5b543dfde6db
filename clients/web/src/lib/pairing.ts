// A screen that is not enrolled shows a code and is granted a credential.
import { type PairingClaim, type PairingGrant, type Rejection, topics } from "../../generated/wire.ts";
import { hex } from "./ids.ts";
import { connect } from "./mqtt.ts";
import { decode } from "./payload.ts";

export const CODE_LENGTH = 8;

/** Read a code without regard to case, spaces and hyphens (RFC 8628, 6.1). */
export function plainCode(text: string): string {
  return text.toUpperCase().replace(/[^A-Z]/g, "");
}

export function shownCode(text: string): string {
  const code = plainCode(text).slice(0, CODE_LENGTH);
  return code.length > 4 ? `${code.slice(0, 4)}-${code.slice(4)}` : code;
}

export class PairingRefused extends Error {}

export async function siteOfBox(): Promise<string> {
  const answer = await fetch("/config.json", { cache: "no-store" });
  return ((await answer.json()) as { site: string }).site;
}

/** Under which id a code was shown: shown again under it, the box repeats an answer that was lost. */
const shownAs = new Map<string, string>();

/** Raises `PairingRefused` for a code that does not work, any other error where no box answers. */
export async function claim(code: string, name: string): Promise<PairingGrant> {
  const site = await siteOfBox();
  const id = shownAs.get(plainCode(code)) ?? `pairing-${hex(16)}`;
  shownAs.set(plainCode(code), id);
  const client = connect({ clientId: id, username: "pairing" });
  try {
    return await new Promise<PairingGrant>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("no answer")), 70_000);
      client.on("connect", () => {
        client.subscribe(topics.grant(site, id), { qos: 1 }, () => {
          const shown: PairingClaim = { v: 1, code: plainCode(code), name };
          client.publish(topics.claim(site, id), JSON.stringify(shown), { qos: 1 });
        });
      });
      client.on("message", (_, payload) => {
        clearTimeout(late);
        const answer = decode<PairingGrant | Rejection>(payload);
        if (answer !== null && "secret" in answer) resolve(answer);
        else reject(new PairingRefused("code_refused"));
      });
      client.on("error", reject);
      client.on("close", () => reject(new Error("closed")));
    });
  } finally {
    client.end(true);
  }
}
