// A copy of the record to take along: saved on the patient's own phone, or as a QR code for it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type CopyWord, copyWords } from "../copy-words.ts";
import { copySaver } from "../lib/copy.ts";
import { useAnnounced } from "../lib/announcer.tsx";
import { QrCode } from "../qr-code.tsx";
import * as app from "./app.ts";

/** How long the box may take to answer: a guest is not connected for much longer. */
const ANSWER_MS = 10_000;
/** How long a kiosk shows the code: time to take a phone out, and not for the next person. */
const SCAN_MS = 120_000;

export function TakeCopy({ link }: { link: app.AskForCopy }) {
  return (
    <>
      {app.kiosk.value ? <Scan link={link} /> : <Save link={link} />}
      <button type="button" class="quiet" onClick={app.again}>
        {app.say.value("startAgain")}
      </button>
    </>
  );
}

const words = () => copyWords(app.language.value ?? navigator.language);

/** The path of a link. Raises if the box refuses, or does not answer. */
function pathOf(link: app.AskForCopy): Promise<string> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error("late")), ANSWER_MS));
  return Promise.race([link().then(({ path }) => path), late]);
}

function Save({ link }: { link: app.AskForCopy }) {
  const say = words();
  const save = useMemo(() => copySaver(async () => (await pathOf(link)).split("#")[1] ?? ""), [link]);
  const [said, setSaid] = useState<CopyWord | null>(null);
  useAnnounced(said ? say(said) : "");
  const run = async () => {
    if (said === "making") return;
    setSaid("making");
    setSaid(await save());
  };
  return (
    <section class="copy" aria-label={say("title")}>
      <p>{say("saveHere")}</p>
      <button type="button" class="primary large" aria-disabled={said === "making" || undefined} onClick={() => void run()}>
        {say(said === "saved" ? "again" : "save")}
      </button>
      {said && <p>{say(said)}</p>}
    </section>
  );
}

function Scan({ link }: { link: app.AskForCopy }) {
  const say = words();
  const [path, setPath] = useState<string | null>(null);
  const [said, setSaid] = useState<CopyWord | null>(null);
  const title = useRef<HTMLHeadingElement>(null);
  useAnnounced(said ? say(said) : "");
  useEffect(() => title.current?.focus(), [path]);
  const run = async () => {
    if (said === "making") return;
    setSaid("making");
    app.stay(2 * ANSWER_MS);
    try {
      setPath(await pathOf(link));
      app.stay(SCAN_MS);
      setSaid(null);
    } catch {
      setSaid("noLink");
    }
  };
  if (path === null) {
    return (
      <section class="copy" aria-label={say("title")}>
        <button type="button" class="primary large" aria-disabled={said === "making" || undefined} onClick={() => void run()}>
          {say("takeAlong")}
        </button>
        {said && <p>{say(said)}</p>}
      </section>
    );
  }
  const address = `${location.origin}${path}`;
  return (
    <section class="copy" aria-labelledby="scan">
      <h2 id="scan" ref={title} tabIndex={-1}>{say("scan")}</h2>
      <QrCode text={address} label={say("qr")} />
      <p>{say("scanHow")}</p>
      <p>{say("scanOnce")}</p>
      <p class="hint address">{address}</p>
    </section>
  );
}
