// Heard, and seen in the tab's title: whoever newly needs staff.
import { useEffect, useRef } from "preact/hooks";
import * as app from "./app.ts";
import { t } from "./messages.ts";
import { queueOf } from "./queue.ts";
import * as sound from "./sound.ts";

/** What is worth a sound; the rest is seen. */
const HEARD = ["help", "ready", "review"];

export function Alerts() {
  const { needs } = queueOf(app.lobby.value ?? [], [], []);
  const calls = needs.flatMap((entry) => entry.reasons.filter((one) => HEARD.includes(one)).map((one) => `${one} ${entry.session}`));
  const now = calls.sort().join("\n");
  const before = useRef("");
  const helps = calls.some((one) => one.startsWith("help "));
  const title = helps ? t("title.help") : needs.length > 0 ? t("title.needs", { n: needs.length }) : t("title");
  useEffect(() => {
    const known = new Set(before.current.split("\n"));
    const fresh = now.split("\n").filter((one) => one && !known.has(one));
    if (fresh.length > 0) sound.play(fresh.some((one) => one.startsWith("help ")) ? "help" : "notice");
    before.current = now;
  }, [now]);
  useEffect(() => {
    document.title = title;
  }, [title]);
  return null;
}
