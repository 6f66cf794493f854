/** Rectangles in image pixels: half-open, so that the width is x1 - x0. */
import { clamp, type Point, type Size } from "./frames";

export type Box = { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number };

export const boxBetween = (a: Point<"image">, b: Point<"image">): Box => ({
  x0: Math.min(a.x, b.x),
  y0: Math.min(a.y, b.y),
  x1: Math.max(a.x, b.x),
  y1: Math.max(a.y, b.y),
});

/** Of a cell that is a point: a box without an extent, where the point lies. */
export const pointBox = ({ x, y }: { x: number; y: number }): Box => ({ x0: x, y0: y, x1: x, y1: y });
export const isPointBox = (box: Box): boolean => box.x0 === box.x1 && box.y0 === box.y1;

/** The part inside the image, or null when no pixel's worth of it is left. `least` 0 keeps points, too. */
export function insideImage(box: Box, image: Size, least = 1): Box | null {
  const inside = {
    x0: clamp(box.x0, 0, image.width),
    y0: clamp(box.y0, 0, image.height),
    x1: clamp(box.x1, 0, image.width),
    y1: clamp(box.y1, 0, image.height),
  };
  return inside.x1 - inside.x0 >= least && inside.y1 - inside.y0 >= least ? inside : null;
}

/** The box moved by (dx, dy), stopped at the image's border with its size kept. A point stays on a pixel. */
export function moved(box: Box, dx: number, dy: number, image: Size): Box {
  const rim = isPointBox(box) ? 0.5 : 0;
  const right = clamp(dx, -box.x0, Math.max(0, image.width - rim - box.x1));
  const down = clamp(dy, -box.y0, Math.max(0, image.height - rim - box.y1));
  return { x0: box.x0 + right, y0: box.y0 + down, x1: box.x1 + right, y1: box.y1 + down };
}

export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"] as const;
export type Handle = (typeof HANDLES)[number];

/** Where a handle sits on a box. */
export function handleAt(box: Box, handle: Handle): { x: number; y: number } {
  const place = centre(box);
  if (handle.includes("w")) place.x = box.x0;
  if (handle.includes("e")) place.x = box.x1;
  if (handle.startsWith("n")) place.y = box.y0;
  if (handle.startsWith("s")) place.y = box.y1;
  return place;
}

/** The handle within `reach` image pixels of a point, the nearest one. */
export function handleUnder(box: Box, at: Point<"image">, reach: number): Handle | null {
  let best: Handle | null = null;
  let least = reach;
  for (const handle of HANDLES) {
    const place = handleAt(box, handle);
    const distance = Math.max(Math.abs(place.x - at.x), Math.abs(place.y - at.y));
    if (distance <= least) {
      least = distance;
      best = handle;
    }
  }
  return best;
}

/** The box with one handle dragged to `to`; dragging across the opposite side turns it over. */
export function resized(box: Box, handle: Handle, to: Point<"image">): Box {
  const x0 = handle.includes("w") ? to.x : box.x0;
  const x1 = handle.includes("e") ? to.x : box.x1;
  const y0 = handle.startsWith("n") ? to.y : box.y0;
  const y1 = handle.startsWith("s") ? to.y : box.y1;
  return { x0: Math.min(x0, x1), y0: Math.min(y0, y1), x1: Math.max(x0, x1), y1: Math.max(y0, y1) };
}

export const area = (box: Box): number => (box.x1 - box.x0) * (box.y1 - box.y0);
export const centre = (box: Box): { x: number; y: number } => ({
  x: (box.x0 + box.x1) / 2,
  y: (box.y0 + box.y1) / 2,
});
export const contains = (box: Box, at: { x: number; y: number }, reach = 0): boolean =>
  at.x >= box.x0 - reach && at.x < box.x1 + reach && at.y >= box.y0 - reach && at.y < box.y1 + reach;
export const overlap = (a: Box, b: Box): boolean => a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;
export const sameBox = (a: Box, b: Box): boolean =>
  a.x0 === b.x0 && a.y0 === b.y0 && a.x1 === b.x1 && a.y1 === b.y1;
