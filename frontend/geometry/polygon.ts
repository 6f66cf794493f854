/** Closed outlines in image pixels, and the pixels inside them. */
import type { Box } from "./box";
import { clamp, type Size } from "./frames";
import { patchOver, type Patch } from "./mask";

export type Vertex = { readonly x: number; readonly y: number };

export function boundsOf(vertices: readonly Vertex[]): Box {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y } of vertices) {
    if (x < x0) x0 = x;
    if (x > x1) x1 = x;
    if (y < y0) y0 = y;
    if (y > y1) y1 = y;
  }
  return { x0, y0, x1, y1 };
}

/** The pixels whose centres lie inside, as far as they are in the image.
 *
 *  Rule for an outline that crosses itself: nonzero winding. What a hand went round, however often, is inside, so a
 *  small loop where the ends of a freehand outline overlap leaves no hole. A hole is made by subtracting. */
export function fill(vertices: readonly Vertex[], image: Size): Patch {
  const patch = patchOver(boundsOf(vertices), image);
  const crossings: { x: number; turn: number }[] = [];
  for (let row = 0; row < patch.height; row++) {
    const y = patch.y + row + 0.5;
    crossings.length = 0;
    for (let i = 0, j = vertices.length - 1; i < vertices.length; j = i++) {
      const [a, b] = [vertices[j], vertices[i]];
      if (a.y <= y === b.y <= y) continue;
      crossings.push({ x: a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x), turn: b.y > a.y ? 1 : -1 });
    }
    crossings.sort((p, q) => p.x - q.x);
    let winding = 0;
    for (let i = 0; i + 1 < crossings.length; i++) {
      winding += crossings[i].turn;
      if (!winding) continue;
      const from = clamp(Math.ceil(crossings[i].x - 0.5) - patch.x, 0, patch.width);
      const to = clamp(Math.ceil(crossings[i + 1].x - 0.5) - patch.x, 0, patch.width);
      patch.pixels.fill(1, row * patch.width + from, row * patch.width + Math.max(from, to));
    }
  }
  return patch;
}

/** By the same rule as `fill`. */
export function isInside(vertices: readonly Vertex[], at: Vertex): boolean {
  let winding = 0;
  for (let i = 0, j = vertices.length - 1; i < vertices.length; j = i++) {
    const [a, b] = [vertices[j], vertices[i]];
    if (a.y <= at.y === b.y <= at.y) continue;
    if (a.x + ((at.y - a.y) / (b.y - a.y)) * (b.x - a.x) > at.x) winding += b.y > a.y ? 1 : -1;
  }
  return winding !== 0;
}

export const lengthOf = (path: readonly Vertex[]): number =>
  path.slice(1).reduce((sum, p, i) => sum + Math.hypot(p.x - path[i].x, p.y - path[i].y), 0);
