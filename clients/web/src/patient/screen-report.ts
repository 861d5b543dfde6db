// The language and the text size that the patient chose, for the staff's mirror.
import { effect, signal } from "@preact/signals";
import type { PatientView } from "../../generated/wire.ts";
import type { Session } from "../lib/session.ts";

/** What a pinch changes is told once the fingers rest. */
const RESTS_MS = 600;

/** By how much the screen is pinched larger. */
const pinched = signal(1);
globalThis.visualViewport?.addEventListener("resize", () => {
  const { scale } = visualViewport ?? { scale: 1 };
  setTimeout(() => {
    if (visualViewport?.scale === scale) pinched.value = scale;
  }, RESTS_MS);
});

/** Report both, now and whenever they change; nothing as long as the patient chose nothing. */
export function reportScreen(session: Session<PatientView>, language: () => string | null, size: () => number): () => void {
  let told = "null 100";
  return effect(() => {
    const percent = Math.min(500, Math.max(25, Math.round(size() * pinched.value * 20) * 5));
    const chosen = language();
    const now = `${chosen ?? "null"} ${percent}`;
    const isOpen = !["completed", "cancelled", "expired"].includes(session.view.value?.status ?? "completed");
    if (now === told || !isOpen) return;
    told = now;
    const report = { type: "REPORT_SCREEN", text_percent: percent, ...(chosen === null ? {} : { language: chosen }) } as const;
    queueMicrotask(() => void session.send(report).catch(() => undefined));
  });
}
