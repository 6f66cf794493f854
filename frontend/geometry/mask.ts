/** Masks: at rest an integer box and packed bits (as inference/masks.py), while edited a patch of bytes. */
import { clamp, type Size } from "./frames";
import type { Box } from "./box";

/** Row by row, eight pixels a byte, first pixel in the highest bit, rows not padded, zero bits at the end. */
export type Mask = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly bits: Uint8Array;
};

/** One byte a pixel, 0 or 1, row by row; the same frame as Mask. */
export type Patch = { x: number; y: number; width: number; height: number; pixels: Uint8Array };

export const bytesOf = (width: number, height: number): number => Math.ceil((width * height) / 8);

/** Image pixel (x, y): is it in the mask? */
export function covers(mask: Mask, x: number, y: number): boolean {
  const column = Math.floor(x) - mask.x;
  const row = Math.floor(y) - mask.y;
  if (column < 0 || row < 0 || column >= mask.width || row >= mask.height) return false;
  const bit = row * mask.width + column;
  return (mask.bits[bit >> 3] & (0x80 >> (bit & 7))) !== 0;
}

export function unpack(mask: Mask): Patch {
  const pixels = new Uint8Array(mask.width * mask.height);
  for (let bit = 0; bit < pixels.length; bit++) pixels[bit] = (mask.bits[bit >> 3] >> (7 - (bit & 7))) & 1;
  return { x: mask.x, y: mask.y, width: mask.width, height: mask.height, pixels };
}

/** The patch as a mask in the smallest box that holds it; null when no pixel is set. */
export function pack(patch: Patch): Mask | null {
  let left = patch.width;
  let right = -1;
  let top = patch.height;
  let bottom = -1;
  for (let y = 0, i = 0; y < patch.height; y++) {
    for (let x = 0; x < patch.width; x++, i++) {
      if (!patch.pixels[i]) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  if (right < 0) return null;
  const width = right - left + 1;
  const height = bottom - top + 1;
  const bits = new Uint8Array(bytesOf(width, height));
  for (let y = 0, bit = 0; y < height; y++) {
    const start = (y + top) * patch.width + left;
    for (let x = 0; x < width; x++, bit++) if (patch.pixels[start + x]) bits[bit >> 3] |= 0x80 >> (bit & 7);
  }
  return { x: patch.x + left, y: patch.y + top, width, height, bits };
}

/** An empty patch over a box, grown to whole pixels and kept inside the image. */
export function patchOver(box: Box, image: Size): Patch {
  const x = clamp(Math.floor(box.x0), 0, image.width);
  const y = clamp(Math.floor(box.y0), 0, image.height);
  const width = Math.max(0, clamp(Math.ceil(box.x1), 0, image.width) - x);
  const height = Math.max(0, clamp(Math.ceil(box.y1), 0, image.height) - y);
  return { x, y, width, height, pixels: new Uint8Array(width * height) };
}

/** The same pixels in a patch that also holds `box` (as far as it lies inside the image). */
export function grown(patch: Patch, box: Box, image: Size): Patch {
  if (
    box.x0 >= patch.x &&
    box.y0 >= patch.y &&
    box.x1 <= patch.x + patch.width &&
    box.y1 <= patch.y + patch.height
  )
    return patch;
  const both = {
    x0: Math.min(box.x0, patch.x),
    y0: Math.min(box.y0, patch.y),
    x1: Math.max(box.x1, patch.x + patch.width),
    y1: Math.max(box.y1, patch.y + patch.height),
  };
  const wider = patchOver(both, image);
  for (let y = 0; y < patch.height; y++) {
    const to = (y + patch.y - wider.y) * wider.width + patch.x - wider.x;
    wider.pixels.set(patch.pixels.subarray(y * patch.width, (y + 1) * patch.width), to);
  }
  return wider;
}

/** Set every pixel whose centre is within `radius` of the segment from a to b. Changes the patch in place. */
export function paintSegment(
  patch: Patch,
  a: { x: number; y: number },
  b: { x: number; y: number },
  radius: number,
  value: 0 | 1,
): void {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length2 = dx * dx + dy * dy;
  const x0 = Math.max(patch.x, Math.floor(Math.min(a.x, b.x) - radius));
  const x1 = Math.min(patch.x + patch.width, Math.ceil(Math.max(a.x, b.x) + radius) + 1);
  const y0 = Math.max(patch.y, Math.floor(Math.min(a.y, b.y) - radius));
  const y1 = Math.min(patch.y + patch.height, Math.ceil(Math.max(a.y, b.y) + radius) + 1);
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const px = x + 0.5 - a.x;
      const py = y + 0.5 - a.y;
      const along = length2 > 0 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
      const ex = px - along * dx;
      const ey = py - along * dy;
      if (ex * ex + ey * ey <= radius * radius)
        patch.pixels[(y - patch.y) * patch.width + x - patch.x] = value;
    }
  }
}

export const boxOf = (mask: Mask): Box => ({
  x0: mask.x,
  y0: mask.y,
  x1: mask.x + mask.width,
  y1: mask.y + mask.height,
});

export function countPixels(bits: Uint8Array): number {
  let total = 0;
  for (let byte of bits) for (; byte; byte &= byte - 1) total++;
  return total;
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

export const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
