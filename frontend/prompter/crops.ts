/** The shipped prompter's view of a cell, cut out as inference/prompters/boxwise.py does it: box and clicks become
 *  a crop of 64 x 64 with six channels, what the net says becomes a mask. Pure; the net and the pixels are handed
 *  in. */
import type { Box } from "../geometry/box";
import type { Size } from "../geometry/frames";
import { boxOf, pack, type Mask, type Patch } from "../geometry/mask";
import { largest } from "../geometry/pieces";
import type { Prompt } from "../scene/prompt";

export const SIDE = 64;
export const CHANNELS = 6;
const PLANE = SIDE * SIDE;
const CONTEXT = 1.6;
const CLICK_SIDE = 64;
const LEAST_SIDE = 8;
/** Boxes whose crop is larger are the server's: so many pixels are not copied while somebody waits. */
export const MOST_SIDE = 2048;

/** RGBA of an image rectangle with whole corners, inside the image; null while the pixels are not there. */
export type Read = (x: number, y: number, width: number, height: number) => Uint8ClampedArray | null;
/** (6 x 64 x 64) -> logits (64 x 64) and the logit of the mask's own IoU. */
export type Net = (crop: Float32Array) => Promise<{ logits: Float32Array; quality: number }>;
type Square = { readonly x: number; readonly y: number; readonly side: number };

/** One cell's mask (null where none is found) and its score 0..1; "no pixels" when they cannot be read here. */
export async function maskOf(
  prompt: Prompt,
  image: Size,
  read: Read,
  net: Net,
): Promise<{ mask: Mask | null; score: number } | "no pixels"> {
  let { box } = prompt;
  if (!box) {
    const first = prompt.clicks.find((c) => c.inside);
    if (!first) return { mask: null, score: 0 };
    const { x, y } = first.at;
    box = { x0: x - 4, y0: y - 4, x1: x + 4, y1: y + 4 };
    for (const side of [CLICK_SIDE, 2 * CLICK_SIDE, 4 * CLICK_SIDE]) {
      const found = await maskInSquare(
        { x: x - side / 2, y: y - side / 2, side },
        null,
        prompt,
        image,
        read,
        net,
      );
      if (found === "no pixels") return found;
      if (!found.mask) break;
      box = boxOf(found.mask);
      if (Math.max(found.mask.width, found.mask.height) <= 0.7 * side) break; // else it fills the view: look wider
    }
  }
  const longer = Math.max(box.x1 - box.x0, box.y1 - box.y0);
  const side = Math.max(longer * CONTEXT, LEAST_SIDE);
  if (side > MOST_SIDE) return "no pixels";
  return maskInSquare(
    { x: (box.x0 + box.x1 - side) / 2, y: (box.y0 + box.y1 - side) / 2, side },
    box,
    prompt,
    image,
    read,
    net,
  );
}

async function maskInSquare(
  square: Square,
  box: Box | null,
  { clicks }: Prompt,
  image: Size,
  read: Read,
  net: Net,
) {
  const crop = new Float32Array(CHANNELS * PLANE);
  if (!cut(square, image, read, crop)) return "no pixels" as const;
  const scale = SIDE / square.side;
  if (box)
    putBox(crop, {
      x0: (box.x0 - square.x) * scale,
      y0: (box.y0 - square.y) * scale,
      x1: (box.x1 - square.x) * scale,
      y1: (box.y1 - square.y) * scale,
    });
  for (const { at, inside } of clicks)
    putClick(crop, inside ? 4 : 5, (at.x - square.x) * scale, (at.y - square.y) * scale);
  const { logits, quality } = await net(crop);
  const mask = paste(logits, square, image);
  return { mask, score: mask ? 1 / (1 + Math.exp(-quality)) : 0 };
}

/** 0 1 2 3 -> ... 2 1 | 0 1 2 3 | 2 1 ...: the border's pixel is not repeated. */
function mirrored(i: number, n: number): number {
  if (n === 1) return 0;
  const period = 2 * (n - 1);
  const at = ((i % period) + period) % period;
  return at < n ? at : period - at;
}

/** Colours of the square into the first three planes. Large squares are taken from the image at half, quarter ...
 *  size. */
export function cut(square: Square, image: Size, read: Read, crop: Float32Array): boolean {
  let level = Math.max(0, Math.floor(Math.log2(Math.max(square.side / SIDE, 1)) + 0.5));
  for (let n = 0; n < level; n++) if (Math.min(image.width >> n, image.height >> n) < 4 * SIDE) level = n;
  const size = { width: image.width >> level, height: image.height >> level };
  const step = square.side / SIDE / 2 ** level;
  const columns = places(square.x / 2 ** level, step, size.width);
  const rows = places(square.y / 2 ** level, step, size.height);
  const [left, top] = [Math.min(...columns.a, ...columns.b), Math.min(...rows.a, ...rows.b)];
  const width = Math.max(...columns.a, ...columns.b) + 1 - left;
  const height = Math.max(...rows.a, ...rows.b) + 1 - top;
  const full = read(left << level, top << level, width << level, height << level);
  if (!full) return false;
  let pixels: { rgba: Uint8ClampedArray; width: number; height: number } = {
    rgba: full,
    width: width << level,
    height: height << level,
  };
  for (let n = 0; n < level; n++) pixels = halved(pixels);
  const { rgba } = pixels;
  for (let v = 0; v < SIDE; v++)
    for (let u = 0; u < SIDE; u++) {
      const [fx, fy] = [columns.part[u], rows.part[v]];
      const [p, q] = [(rows.a[v] - top) * width - left, (rows.b[v] - top) * width - left];
      const corners = [p + columns.a[u], p + columns.b[u], q + columns.a[u], q + columns.b[u]];
      for (let c = 0; c < 3; c++) {
        const [a, b, d, e] = corners.map((i) => rgba[4 * i + c]);
        const value = Math.round((a + (b - a) * fx) * (1 - fy) + (d + (e - d) * fx) * fy);
        crop[c * PLANE + v * SIDE + u] = value / 64 - 2;
      }
    }
  return true;
}

/** For each of the 64 columns (or rows): the two pixels it lies between and how far along. */
function places(from: number, step: number, n: number): { a: number[]; b: number[]; part: number[] } {
  const at = Array.from({ length: SIDE }, (_, i) => step * i + from + step / 2 - 0.5);
  return {
    a: at.map((s) => mirrored(Math.floor(s), n)),
    b: at.map((s) => mirrored(Math.floor(s) + 1, n)),
    part: at.map((s) => s - Math.floor(s)),
  };
}

function halved({ rgba, width, height }: { rgba: Uint8ClampedArray; width: number; height: number }) {
  const half = { rgba: new Uint8ClampedArray(rgba.length / 4), width: width / 2, height: height / 2 };
  for (let y = 0, i = 0; y < half.height; y++)
    for (let x = 0; x < half.width; x++)
      for (let c = 0; c < 4; c++, i++) {
        const j = 4 * (2 * y * width + 2 * x) + c;
        half.rgba[i] = (rgba[j] + rgba[j + 4] + rgba[j + 4 * width] + rgba[j + 4 * width + 4] + 2) >> 2;
      }
  return half;
}

/** 1 inside the box, -1 outside, in between where its border crosses a pixel. */
function putBox(crop: Float32Array, box: Box): void {
  const share = (from: number, to: number) =>
    Array.from({ length: SIDE }, (_, i) => Math.min(1, Math.max(0, Math.min(to, i + 1) - Math.max(from, i))));
  const [x, y] = [share(box.x0, box.x1), share(box.y0, box.y1)];
  for (let v = 0, i = 3 * PLANE; v < SIDE; v++)
    for (let u = 0; u < SIDE; u++, i++) crop[i] = 2 * x[u] * y[v] - 1;
}

/** A Gaussian of 2 px; where clicks overlap, the higher. */
function putClick(crop: Float32Array, channel: number, x: number, y: number): void {
  for (let v = 0, i = channel * PLANE; v < SIDE; v++)
    for (let u = 0; u < SIDE; u++, i++)
      crop[i] = Math.max(crop[i], Math.exp(-((u + 0.5 - x) ** 2 + (v + 0.5 - y) ** 2) / 8));
}

/** The largest piece of what the net says yes to, in image pixels. */
export function paste(logits: Float32Array, square: Square, image: Size): Mask | null {
  const x0 = Math.max(0, Math.floor(square.x));
  const y0 = Math.max(0, Math.floor(square.y));
  const width = Math.min(image.width, Math.ceil(square.x + square.side)) - x0;
  const height = Math.min(image.height, Math.ceil(square.y + square.side)) - y0;
  if (width <= 0 || height <= 0) return null;
  const step = SIDE / square.side;
  const at = (u: number, v: number) => (u < 0 || v < 0 || u >= SIDE || v >= SIDE ? -9 : logits[v * SIDE + u]);
  const found: Patch = { x: x0, y: y0, width, height, pixels: new Uint8Array(width * height) };
  for (let y = 0, i = 0; y < height; y++) {
    const sy = (y0 + y + 0.5 - square.y) * step - 0.5;
    const v = Math.floor(sy);
    for (let x = 0; x < width; x++, i++) {
      const sx = (x0 + x + 0.5 - square.x) * step - 0.5;
      const u = Math.floor(sx);
      const upper = at(u, v) + (at(u + 1, v) - at(u, v)) * (sx - u);
      const lower = at(u, v + 1) + (at(u + 1, v + 1) - at(u, v + 1)) * (sx - u);
      if (upper + (lower - upper) * (sy - v) > 0) found.pixels[i] = 1;
    }
  }
  return pack(largest(found));
}
