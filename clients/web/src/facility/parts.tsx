// Small parts of the staff's page.
import { effect, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Flow } from "../lib/flow.ts";
import { present } from "../lib/present.ts";
import { labelOf } from "../lib/review.ts";
import * as app from "./app.ts";
import { ago, box, language, t } from "./messages.ts";

/** What a question is called, in the staff's language; one without words is called that. */
export const questionOf = (flow: Flow, id: string): string => labelOf(flow, id, language.value, t("nameless"));

/** The time, to the quarter of a minute: what reads it is drawn again by itself. */
export const now = signal(Date.now());
effect(() => {
  const timer = setInterval(() => (now.value = Date.now()), 15_000);
  return () => clearInterval(timer);
});

/** How long ago, kept up to date. */
export function Since({ at }: { at: string }) {
  return <time dateTime={at}>{ago(at, now.value)}</time>;
}

export function useNow(everyMs: number): number {
  const [time, setTime] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setTime(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return time;
}

interface ActionProps {
  label: string;
  /** Why it cannot be done now, as the box says; null: it can. */
  reason?: string | null | undefined;
  run: () => unknown;
  kind?: "primary" | "secondary" | "quiet" | "danger";
  hotkey?: string | undefined;
  pressed?: boolean | undefined;
  /** The reason stands elsewhere already. */
  silent?: boolean | undefined;
  small?: boolean | undefined;
  /** What the button does, where its label alone does not tell one action from the next. */
  identity?: string | undefined;
}

/** Longer than a double click takes: its second half must not land on the action that came instead. */
const SETTLING_MS = 500;

/** Whether a button does something else than a moment ago. */
function useSettling(identity: string): boolean {
  const [settled, setSettled] = useState(identity);
  useEffect(() => {
    if (settled === identity) return;
    const timer = setTimeout(() => setSettled(identity), SETTLING_MS);
    return () => clearTimeout(timer);
  }, [identity, settled]);
  return settled !== identity;
}

/** A button that says why it is grey, and what was refused right below itself. */
export function Action({ label, reason, run, kind = "secondary", hotkey, pressed, silent, small, identity }: ActionProps) {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const settling = useSettling(identity ?? label);
  const mounted = useRef(true);
  useEffect(() => () => void (mounted.current = false), []);
  useEffect(() => setRefusal(null), [reason, identity]);
  const press = async () => {
    if (reason || settling) return;
    setRefusal(null);
    setBusy(true);
    try {
      await run();
    } catch (error) {
      if (mounted.current) setRefusal(app.wordsOf(error));
    } finally {
      if (mounted.current) setBusy(false);
    }
  };
  return (
    <div class="action">
      <button
        type="button"
        class={small ? `${kind} small` : kind}
        aria-disabled={Boolean(reason) || undefined}
        aria-busy={busy || undefined}
        aria-pressed={pressed}
        aria-keyshortcuts={hotkey}
        data-settling={settling || undefined}
        onClick={() => void press()}
      >
        <span dir="auto">{label}</span>
        {hotkey && app.shortcuts.value && <kbd aria-hidden="true">{hotkey}</kbd>}
      </button>
      {reason && <p class={silent ? "visually-hidden" : "reason"}>{box(reason)}</p>}
      <p class="refusal" role="alert">{refusal}</p>
    </div>
  );
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

export function Dialog({ title, onClose, children, wide }: DialogProps) {
  const frame = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = present(frame.current);
    if (!dialog.open) dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog ref={frame} class={wide ? "wide" : ""} aria-labelledby="dialog-title" onClose={onClose}>
      <div class="dialog-head">
        <h2 id="dialog-title" dir="auto">{title}</h2>
        <button type="button" class="quiet small" aria-label={t("close")} onClick={() => frame.current?.close()}>
          ✕
        </button>
      </div>
      {children}
    </dialog>
  );
}

interface ReasonProps {
  title: string;
  ask: string;
  confirm: string;
  danger?: boolean;
  onClose: () => void;
  run: (reason: string) => Promise<unknown>;
}

/** Asks for a reason before something is done. */
export function ReasonDialog({ title, ask, confirm, danger, onClose, run }: ReasonProps) {
  const [reason, setReason] = useState("");
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="stack">
        <label for="reason">{ask}</label>
        <textarea id="reason" rows={3} dir="auto" maxLength={500} autocomplete="off" value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
        <Action label={confirm} kind={danger ? "danger" : "primary"} reason={reason.trim() ? null : t("reason.first")} run={() => run(reason.trim()).then(onClose)} />
      </div>
    </Dialog>
  );
}
