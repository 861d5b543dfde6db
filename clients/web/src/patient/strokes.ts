// A signature as the wire has it: strokes of [x, y, t_ms], x and y as fractions of the pad.
import { present } from "../lib/present.ts";

export type Point = [number, number, number];
export type Stroke = Point[];

/** Of the wire contract: strokes of a signature, and points of a stroke. */
const MAX_STROKES = 2_000;
const MAX_POINTS = 5_000;

interface Drawn {
  points: { x: number; y: number; time: number }[];
}

const unit = (value: number) => Math.min(1, Math.max(0, Math.round(value * 10_000) / 10_000));

export function strokesOf(drawn: Drawn[], width: number, height: number): Stroke[] {
  const start = drawn[0]?.points[0]?.time ?? 0;
  return drawn.slice(0, MAX_STROKES).map(({ points }) =>
    points
      .slice(0, MAX_POINTS)
      .map(({ x, y, time }): Point => [unit(x / width), unit(y / height), Math.max(0, Math.round(time - start))]),
  );
}

/** Shorter than a twentieth of the pad altogether: a tap, or a few, however long each was held. */
const TAP = 0.05;

/** Whether a drawing is too small to be taken for a signature without asking. */
export function isTap(strokes: Stroke[]): boolean {
  let length = 0;
  for (const stroke of strokes) {
    for (const [n, [x, y]] of stroke.entries()) {
      const [left, above] = stroke[n - 1] ?? [x, y];
      length += Math.hypot(x - left, y - above);
    }
  }
  return length < TAP;
}

/** A typed name as strokes: the written name, line by line, as a pen would hatch it. */
export function strokesOfName(name: string): Stroke[] {
  const [width, height, margin] = [600, 200, 20];
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = present(canvas.getContext("2d", { willReadFrequently: true }));
  let size = 90;
  const font = () => `italic ${size}px "Snell Roundhand", "Segoe Script", "URW Chancery L", cursive`;
  context.font = font();
  while (size > 14 && context.measureText(name).width > width - 2 * margin) {
    size -= 4;
    context.font = font();
  }
  context.textBaseline = "middle";
  context.fillText(name, margin, height / 2, width - 2 * margin);
  return hatched(context.getImageData(0, 0, width, height)).slice(0, MAX_STROKES);
}

function hatched({ data, width, height }: ImageData): Stroke[] {
  const strokes: Stroke[] = [];
  const inked = (x: number, y: number) => x < width && (data[4 * (y * width + x) + 3] ?? 0) > 96;
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 1) {
      if (!inked(x, y)) continue;
      const from = x;
      while (inked(x, y)) x += 1;
      const t = strokes.length;
      strokes.push([
        [unit(from / width), unit(y / height), t],
        [unit(x / width), unit(y / height), t],
      ]);
    }
  }
  return strokes;
}
