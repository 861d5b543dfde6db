// From a file to the bytes that are sent: upright, cropped, and no larger than it has to be.
import { present } from "../lib/present.ts";

/** A letter-size page photographed at this length can be read well. */
const LONGEST = 2_000;
const QUALITY = 0.85;

/** Fractions of the picture that are kept. */
export interface Crop {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const WHOLE: Crop = { left: 0, top: 0, right: 1, bottom: 1 };

export function loadPicture(file: Blob): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const url = URL.createObjectURL(file);
    const picture = new Image();
    picture.onload = () => resolve(picture);
    picture.onerror = () => {
      URL.revokeObjectURL(url);
      reject(new Error("no picture"));
    };
    picture.src = url;
  });
}

export function dropPicture(picture: HTMLImageElement | null): void {
  if (picture?.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
}

/** Draw a picture turned by quarters, at most `longest` pixels long. */
export function drawTurned(canvas: HTMLCanvasElement, picture: HTMLImageElement, quarters: number, longest: number): void {
  const scale = Math.min(1, longest / Math.max(picture.naturalWidth, picture.naturalHeight));
  const width = Math.max(1, Math.round(picture.naturalWidth * scale));
  const height = Math.max(1, Math.round(picture.naturalHeight * scale));
  const lying = quarters % 2 === 1;
  canvas.width = lying ? height : width;
  canvas.height = lying ? width : height;
  const context = present(canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.translate(canvas.width / 2, canvas.height / 2);
  context.rotate((quarters * Math.PI) / 2);
  context.drawImage(picture, -width / 2, -height / 2, width, height);
  context.resetTransform();
}

export async function toBytes(picture: HTMLImageElement, quarters: number, crop: Crop, mediaType: string): Promise<Uint8Array> {
  const turned = document.createElement("canvas");
  drawTurned(turned, picture, quarters, LONGEST);
  const cut = document.createElement("canvas");
  cut.width = Math.max(1, Math.round((crop.right - crop.left) * turned.width));
  cut.height = Math.max(1, Math.round((crop.bottom - crop.top) * turned.height));
  present(cut.getContext("2d")).drawImage(turned, -crop.left * turned.width, -crop.top * turned.height);
  const blob = await new Promise<Blob | null>((done) => cut.toBlob(done, mediaType, QUALITY));
  if (blob === null) throw new Error("no picture");
  return new Uint8Array(await blob.arrayBuffer());
}

/** What a canvas can write and the form takes; null where these have nothing in common. */
export function writableType(wanted: string[]): string | null {
  const can = ["image/jpeg", "image/png"];
  return can.find((type) => accepts(wanted, type)) ?? null;
}

export function accepts(wanted: string[], type: string): boolean {
  if (wanted.length === 0) return true;
  return wanted.some((one) => one.toLowerCase() === type || (one.endsWith("/*") && type.startsWith(one.slice(0, -1))));
}
