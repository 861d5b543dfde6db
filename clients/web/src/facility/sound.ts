// The sounds of the desk. Browsers make none before a person has touched the page: that is said.
import { computed, signal } from "@preact/signals";
import { deviceStorage } from "../lib/storage.ts";

/** Whether staff want sounds on this screen. */
export const wanted = signal(deviceStorage.setting<boolean>("sound") ?? true);
const running = signal(false);
/** Sounds are wanted, and the browser keeps them back. */
export const isBlocked = computed(() => wanted.value && !running.value);

/** What is asked for before the first touch still sounds, if it is not older. */
const STILL_NEWS_MS = 20_000;

export type Tune = "help" | "notice";
const PITCHES: Record<Tune, number[]> = { help: [660, 880, 660, 880], notice: [587, 784] };

let audio: AudioContext | null = null;
let missed: { tune: Tune; at: number } | null = null;

/** Listen for the first touch, and make the sounds possible with it. */
export function prepare(): void {
  try {
    audio = new AudioContext();
  } catch {
    return; // No sound on this machine: alerts are seen.
  }
  audio.addEventListener("statechange", note);
  note();
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, resume, { capture: true });
}

function note(): void {
  running.value = audio?.state === "running";
  if (!running.peek()) return;
  for (const kind of ["pointerdown", "keydown"]) removeEventListener(kind, resume, { capture: true });
  const late = missed;
  missed = null;
  if (late && performance.now() - late.at < STILL_NEWS_MS) play(late.tune);
}

function resume(): void {
  audio?.resume().then(note, () => undefined);
}

export function turn(on: boolean): void {
  wanted.value = on;
  deviceStorage.set("sound", on);
  if (on) play("notice");
}

/** Soft tones; of what the browser keeps back, the last is played with the first touch. */
export function play(tune: Tune): void {
  if (!wanted.peek() || audio === null) return;
  if (audio.state !== "running") {
    missed = { tune, at: performance.now() };
    return;
  }
  for (const [n, pitch] of PITCHES[tune].entries()) tone(audio, pitch, audio.currentTime + n * 0.18);
}

function tone(context: AudioContext, pitch: number, start: number): void {
  const [source, volume] = [context.createOscillator(), context.createGain()];
  source.frequency.value = pitch;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(0.15, start + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.001, start + 0.4);
  source.connect(volume).connect(context.destination);
  source.start(start);
  source.stop(start + 0.45);
}
