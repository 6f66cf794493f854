/** In which order undecided proposals come up for review. Pure. */

export type Order = "serpentine" | "uncertainty";

/** What is ordered: `x`, `y` centres and `height` in image pixels, `score` the share of doubt (NaN: unknown). */
export type Stop = { row: number; x: number; y: number; height: number; score: number };

/** Serpentine: bands of about three cells' height, to the right and back, so that the view hardly jumps.
 *  Uncertainty: most doubtful first, unknown last, ties in the serpentine order. */
export function ordered(stops: Stop[], order: Order): number[] {
  const walk = serpentine(stops);
  if (order === "serpentine") return walk.map((s) => s.row);
  const place = new Map(walk.map((s, i) => [s.row, i]));
  const doubt = (s: Stop) => (Number.isNaN(s.score) ? -Infinity : s.score);
  return walk
    .toSorted((a, b) => {
      const gap = doubt(b) - doubt(a);
      return gap || (place.get(a.row) as number) - (place.get(b.row) as number);
    })
    .map((s) => s.row);
}

function serpentine(stops: Stop[]): Stop[] {
  if (!stops.length) return [];
  const heights = stops.map((s) => s.height).sort((a, b) => a - b);
  const band = 3 * Math.max(1, heights[heights.length >> 1]);
  const of = (s: Stop) => Math.floor(s.y / band);
  return stops.toSorted((a, b) => of(a) - of(b) || (of(a) % 2 ? b.x - a.x : a.x - b.x) || a.y - b.y);
}

/** The next row of `order` after `current` (before it, for step -1) for which `open` holds, going round once; -1:
 *  none. */
export function nextInOrder(
  order: number[],
  current: number,
  step: 1 | -1,
  open: (row: number) => boolean,
): number {
  const start = order.indexOf(current);
  const outside = step > 0 ? -1 : 0;
  const from = start < 0 ? outside : start;
  for (let i = 1; i <= order.length; i++) {
    const row = order[(((from + step * i) % order.length) + order.length) % order.length];
    if (row !== current && open(row)) return row;
  }
  return -1;
}
