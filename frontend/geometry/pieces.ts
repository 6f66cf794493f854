/** Pieces of a mask: cutting along a path, joining, growing from a pixel of like colour. */
import type { Box } from "./box";
import type { Size } from "./frames";
import { paintSegment, patchOver, type Patch } from "./mask";
import type { Vertex } from "./polygon";

const around = (patch: Patch, i: number): number[] => {
  const x = i % patch.width;
  const found = [];
  if (x > 0) found.push(i - 1);
  if (x < patch.width - 1) found.push(i + 1);
  if (i >= patch.width) found.push(i - patch.width);
  if (i + patch.width < patch.pixels.length) found.push(i + patch.width);
  return found;
};

/** Number the pieces (4-neighbours) of the set pixels from 1; 0 elsewhere. */
function numbered(patch: Patch, blocked?: Uint8Array): { of: Int32Array; count: number } {
  const of = new Int32Array(patch.pixels.length);
  let count = 0;
  const isFree = (i: number) => patch.pixels[i] === 1 && of[i] === 0 && !blocked?.[i];
  for (let start = 0; start < of.length; start++) {
    if (!isFree(start)) continue;
    of[start] = ++count;
    const wait = [start];
    while (wait.length)
      for (const next of around(patch, wait.pop() as number))
        if (isFree(next)) {
          of[next] = count;
          wait.push(next);
        }
  }
  return { of, count };
}

/** The pieces into which a path cuts the mask, the largest first; the pixels under the path go to the nearest piece,
 *  so that nothing is lost. One piece: the path does not cross it. */
export function cut(patch: Patch, path: readonly Vertex[]): Patch[] {
  const line: Patch = { ...patch, pixels: new Uint8Array(patch.pixels.length) };
  for (let i = 1; i < path.length; i++) paintSegment(line, path[i - 1], path[i], 0.75, 1); // tight for 4-neighbours
  const before = numbered(patch).count;
  const { of, count } = numbered(patch, line.pixels);
  if (count <= before) return [patch];
  let rim = [...of.keys()].filter((i) => of[i]);
  while (rim.length) {
    const next = [];
    for (const i of rim)
      for (const j of around(patch, i))
        if (patch.pixels[j] && !of[j]) {
          of[j] = of[i];
          next.push(j);
        }
    rim = next;
  }
  const sizes = new Array<number>(count).fill(0);
  for (const n of of) if (n) sizes[n - 1]++;
  return sizes
    .map((size, n) => ({ size, n: n + 1 }))
    .sort((a, b) => b.size - a.size)
    .map(({ n }) => ({ ...patch, pixels: Uint8Array.from(of, (m) => (m === n ? 1 : 0)) }));
}

/** The largest piece alone (of equal ones the first, row by row). */
export function largest(patch: Patch): Patch {
  const { of, count } = numbered(patch);
  if (count < 2) return patch;
  const sizes = new Array<number>(count + 1).fill(0);
  for (const n of of) if (n) sizes[n]++;
  const most = sizes.indexOf(Math.max(...sizes));
  return { ...patch, pixels: Uint8Array.from(of, (n) => (n === most ? 1 : 0)) };
}

/** All pixels of all patches in one. */
export function united(patches: readonly Patch[], image: Size): Patch {
  const box: Box = {
    x0: Math.min(...patches.map((p) => p.x)),
    y0: Math.min(...patches.map((p) => p.y)),
    x1: Math.max(...patches.map((p) => p.x + p.width)),
    y1: Math.max(...patches.map((p) => p.y + p.height)),
  };
  const all = patchOver(box, image);
  for (const p of patches)
    for (let i = 0; i < p.pixels.length; i++)
      if (p.pixels[i])
        all.pixels[(p.y - all.y + Math.floor(i / p.width)) * all.width + p.x - all.x + (i % p.width)] = 1;
  return all;
}

/** Pixels like the one at (x, y) of a window of RGBA bytes and connected to it, with holes filled.
 *
 *  `tolerance`: the largest distance of a colour to the mean of the 3 x 3 pixels at the start, grey levels of
 *  0..255. */
export function alike(
  rgba: Uint8ClampedArray,
  window: Omit<Patch, "pixels">,
  x: number,
  y: number,
  tolerance: number,
): Patch {
  const { width, height } = window;
  const mean = [0, 0, 0];
  let n = 0;
  for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++)
    for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++, n++)
      for (let c = 0; c < 3; c++) mean[c] += rgba[4 * (v * width + u) + c];
  const near: Patch = { ...window, pixels: new Uint8Array(width * height) };
  for (let i = 0; i < near.pixels.length; i++)
    near.pixels[i] = Math.hypot(...mean.map((m, c) => rgba[4 * i + c] - m / n)) <= tolerance ? 1 : 0;
  near.pixels[y * width + x] = 1;
  const { of } = numbered(near);
  const own = of[y * width + x];
  return withoutHoles({ ...window, pixels: Uint8Array.from(of, (m) => (m === own ? 1 : 0)) });
}

/** Background that does not reach the window's border becomes part of the mask. */
export function withoutHoles(patch: Patch): Patch {
  const rest: Patch = { ...patch, pixels: Uint8Array.from(patch.pixels, (v) => 1 - v) };
  const { of, count } = numbered(rest);
  const open = new Uint8Array(count + 1);
  const { width, height } = patch;
  for (let x = 0; x < width; x++) open[of[x]] = open[of[(height - 1) * width + x]] = 1;
  for (let y = 0; y < height; y++) open[of[y * width]] = open[of[y * width + width - 1]] = 1;
  return { ...patch, pixels: Uint8Array.from(of, (m) => (m && open[m] ? 0 : 1)) };
}
