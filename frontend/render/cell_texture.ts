/** What an id texture holds: which cell a pixel belongs to, and how far that cell reaches from there. */
import type { Box } from "../geometry/box";
import { boxOf } from "../geometry/mask";
import type { Cells } from "../scene/cells";

const SLOTS = 2;
/** A cell's reach is stored up to so many texels; outlines are thinner wherever masks are drawn. */
export const FARTHEST = 16;

/** Row numbers (+ 1) of the masks over a box of whole pixels, in as many slots as overlaps need (at most SLOTS),
 *  row by row. A pixel that a shown cell needs is never given to a hidden one. */
export function rasterise(cells: Cells, rows: number[], box: Box): Uint32Array[] {
  const width = box.x1 - box.x0;
  const slots: Uint32Array[] = [];
  const sorted = rows.filter((row) => cells.isShown(row)).sort((a, b) => a - b);
  for (const row of sorted) {
    const mask = cells.maskOf(row);
    if (!mask) continue;
    const covered = boxOf(mask);
    const [x0, x1] = [Math.max(box.x0, covered.x0), Math.min(box.x1, covered.x1)];
    const [y0, y1] = [Math.max(box.y0, covered.y0), Math.min(box.y1, covered.y1)];
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) {
        const bit = (y - mask.y) * mask.width + x - mask.x;
        if (!(mask.bits[bit >> 3] & (0x80 >> (bit & 7)))) continue;
        const place = (y - box.y0) * width + x - box.x0;
        let slot = 0;
        while (slot < SLOTS - 1 && slots[slot]?.[place]) slot++;
        (slots[slot] ??= new Uint32Array(width * (box.y1 - box.y0)))[place] = row + 1;
      }
    }
  }
  return slots;
}

/** Two numbers a texel: the id, and how many texels one can go left, up, right and down (low byte to high) until
 *  another id comes: 1 on a cell's rim, at most FARTHEST. The end of the box is no rim. `into`: where to write,
 *  when it is large enough. */
export function withReach(ids: Uint32Array, width: number, into?: Uint32Array): Uint32Array {
  const height = ids.length / width;
  const texels =
    into && into.length >= 2 * ids.length
      ? into.subarray(0, 2 * ids.length).fill(0)
      : new Uint32Array(2 * ids.length);
  const run = (start: number, step: number, length: number, shift: number) => {
    let steps = FARTHEST;
    for (let n = 0, at = start; n < length; n++, at += step) {
      if (n && ids[at] !== ids[at - step]) steps = 1;
      else if (steps < FARTHEST) steps++;
      texels[2 * at + 1] |= steps << shift;
    }
  };
  for (let y = 0; y < height; y++) {
    run(y * width, 1, width, 0);
    run((y + 1) * width - 1, -1, width, 16);
  }
  for (let x = 0; x < width; x++) {
    run(x, width, height, 8);
    run((height - 1) * width + x, -width, height, 24);
  }
  for (let i = 0; i < ids.length; i++) texels[2 * i] = ids[i];
  return texels;
}
