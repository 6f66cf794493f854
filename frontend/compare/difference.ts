/** What two sets of masks share and what they do not, pixel by pixel, as masks again: so the same drawing shows it.
 *
 *  Pixels are compared, not cells: where both have some cell they agree, whatever its outline or number is. */
import type { Box } from "../geometry/box";
import type { Size } from "../geometry/frames";
import { boxOf, pack, type Mask } from "../geometry/mask";
import type { Cells } from "../scene/cells";
import type { Pack } from "../scene/pack";
import { putUuid } from "../scene/uuid";
import { BLOCK } from "../render/masks";

export const PARTS = ["first", "last", "both", "missed", "extra", "met"] as const;
export type Part = (typeof PARTS)[number];
/** Their place among the classes of a drawing: no class of a project has so high a number. */
export const classOf = (part: Part): number => 0xffff0000 + PARTS.indexOf(part);

export type Found = { readonly part: Part; readonly mask: Mask }[];
export type Tally = Readonly<Record<Part, number>>;

/** Parts of one block: (in A, in B) -> the part, or none. */
type Naming = (a: boolean, b: boolean) => Part | null;
export const betweenRounds: Naming = (a, b) => {
  if (a) return b ? "both" : "first";
  return b ? "last" : null;
};
/** A round against the reference. */
export const againstReference: Naming = (round, reference) => {
  if (round) return reference ? "met" : "extra";
  return reference ? "missed" : null;
};

/** One byte a pixel of the box: 1 where some mask of the layer lies. */
export function coverage(cells: Cells, layer: number, box: Box): Uint8Array {
  const width = box.x1 - box.x0;
  const covered = new Uint8Array(width * (box.y1 - box.y0));
  for (const row of cells.masked(layer, box)) {
    const mask = cells.maskOf(row);
    if (!mask) continue;
    const of = boxOf(mask);
    const [x0, x1] = [Math.max(box.x0, of.x0), Math.min(box.x1, of.x1)];
    const [y0, y1] = [Math.max(box.y0, of.y0), Math.min(box.y1, of.y1)];
    for (let y = y0; y < y1; y++) {
      const start = (y - mask.y) * mask.width - mask.x;
      const place = (y - box.y0) * width - box.x0;
      for (let x = x0; x < x1; x++)
        if (mask.bits[(start + x) >> 3] & (0x80 >> ((start + x) & 7))) covered[place + x] = 1;
    }
  }
  return covered;
}

/** Where two coverages of one box agree and where not, as masks of that box. */
export function difference(a: Uint8Array, b: Uint8Array, box: Box, naming: Naming): Found {
  const width = box.x1 - box.x0;
  const names = [naming(false, false), naming(false, true), naming(true, false), naming(true, true)];
  const found: Found = [];
  names.forEach((part, code) => {
    if (!part) return;
    const pixels = new Uint8Array(a.length);
    for (let i = 0; i < a.length; i++) pixels[i] = Number(2 * a[i] + b[i] === code);
    const mask = pack({ x: box.x0, y: box.y0, width, height: box.y1 - box.y0, pixels });
    if (mask) found.push({ part, mask });
  });
  return found;
}

/** Blocks of the image in the order in which they are compared: as the drawing has them. */
export function* blocks({ width, height }: Size): Generator<Box> {
  for (let y = 0; y < height; y += BLOCK)
    for (let x = 0; x < width; x += BLOCK)
      yield { x0: x, y0: y, x1: Math.min(width, x + BLOCK), y1: Math.min(height, y + BLOCK) };
}

export function tally(found: Found): Tally {
  const counts = Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<Part, number>;
  for (const { part, mask } of found) for (const byte of mask.bits) counts[part] += BITS[byte];
  return counts;
}
const BITS = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);

/** The masks as a pack, to be loaded as a layer. */
export function asPack(found: Found): Pack {
  const n = found.length;
  const offsets = new Uint32Array(n + 1);
  found.forEach(({ mask }, i) => (offsets[i + 1] = offsets[i] + mask.bits.length));
  const bits = new Uint8Array(offsets[n]);
  const [id, box, maskBox] = [new Uint8Array(16 * n), new Float64Array(4 * n), new Int32Array(4 * n)];
  found.forEach(({ mask }, i) => {
    bits.set(mask.bits, offsets[i]);
    putUuid(id, i, `00000000-0000-4000-8000-${i.toString(16).padStart(12, "0")}`);
    box.set([mask.x, mask.y, mask.x + mask.width, mask.y + mask.height], 4 * i);
    maskBox.set([mask.x, mask.y, mask.width, mask.height], 4 * i);
  });
  return {
    layer: "difference",
    seq: 0,
    count: n,
    attributes: [],
    opinions: [],
    columns: {
      id,
      last_op: new Uint8Array(16 * n),
      derived_from: new Uint8Array(16 * n),
      box,
      kind: new Uint8Array(n),
      status: new Uint8Array(n),
      label_class: Uint32Array.from(found, ({ part }) => classOf(part)),
      score: new Float32Array(n).fill(NaN),
      version: new Uint32Array(n),
      author: new Uint32Array(n),
      mask_box: maskBox,
      mask_offset: offsets,
      mask_bits: bits,
    },
  };
}
