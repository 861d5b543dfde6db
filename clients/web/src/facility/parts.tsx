// Small parts of the staff's page.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { encode } from "uqr";
import { present } from "../lib/present.ts";
import * as app from "./app.ts";

/** A number of seconds as a person says it. */
export function ago(since: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(since)) / 1000));
  if (seconds < 60) return "just now";
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function QrCode({ text, label }: { text: string; label: string }) {
  const { data, size } = encode(text, { border: 2 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}

interface ActionProps {
  label: string;
  /** Why it cannot be done now, as the controller says; null: it can. */
  reason?: string | null | undefined;
  run: () => unknown;
  kind?: "primary" | "secondary" | "quiet" | "danger";
  hotkey?: string | undefined;
  pressed?: boolean | undefined;
  /** The reason stands beside another button already. */
  silent?: boolean | undefined;
}

/** A button that says why it is grey, and what was refused right below itself. */
export function Action({ label, reason, run, kind = "secondary", hotkey, pressed, silent }: ActionProps) {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const mounted = useRef(true);
  useEffect(() => () => void (mounted.current = false), []);
  useEffect(() => setRefusal(null), [reason]);
  const press = async () => {
    if (reason) return;
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
        class={kind}
        aria-disabled={Boolean(reason) || undefined}
        aria-busy={busy || undefined}
        aria-pressed={pressed}
        aria-keyshortcuts={hotkey}
        onClick={() => void press()}
      >
        <span>{label}</span>
        {hotkey && app.shortcuts.value && <kbd aria-hidden="true">{hotkey}</kbd>}
      </button>
      {reason && <p class={silent ? "visually-hidden" : "reason"}>{reason}</p>}
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
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = present(box.current);
    if (!dialog.open) dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog ref={box} class={wide ? "wide" : ""} aria-labelledby="dialog-title" onClose={onClose}>
      <div class="dialog-head">
        <h2 id="dialog-title">{title}</h2>
        <button type="button" class="quiet small" aria-label="Close" onClick={() => box.current?.close()}>
          ✕
        </button>
      </div>
      {children}
    </dialog>
  );
}

let audio: AudioContext | null = null;

/** Two soft tones. Browsers allow sound only after a first touch. */
export function chime(): void {
  if (!app.sound.peek()) return;
  try {
    audio ??= new AudioContext();
    const start = audio.currentTime;
    for (const [n, pitch] of [660, 880].entries()) {
      const [tone, volume] = [audio.createOscillator(), audio.createGain()];
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0, start + n * 0.18);
      volume.gain.linearRampToValueAtTime(0.15, start + n * 0.18 + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.001, start + n * 0.18 + 0.4);
      tone.connect(volume).connect(audio.destination);
      tone.start(start + n * 0.18);
      tone.stop(start + n * 0.18 + 0.45);
    }
  } catch {
    // No sound on this machine: the alert is seen.
  }
}
