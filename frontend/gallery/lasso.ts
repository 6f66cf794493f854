/** Which places of a map lie in a lasso or in a circle. Pure; places are 0..1. */

export type Place = readonly [number, number];

/** Even-odd rule; a lasso that is not closed is closed by a straight line. */
export function isInside([x, y]: Place, lasso: readonly Place[]): boolean {
  let inside = false;
  let [bx, by] = lasso.at(-1) ?? [0, 0];
  for (const [ax, ay] of lasso) {
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    [bx, by] = [ax, ay];
  }
  return inside;
}

export const lassoed = (places: readonly Place[], lasso: readonly Place[]): number[] =>
  indicesOf(places, (place) => isInside(place, lasso));

export const encircled = (places: readonly Place[], [x, y]: Place, radius: number): number[] =>
  indicesOf(places, ([a, b]) => Math.hypot(a - x, b - y) <= radius);

function indicesOf(places: readonly Place[], holds: (place: Place) => boolean): number[] {
  const found: number[] = [];
  for (const [index, place] of places.entries()) if (holds(place)) found.push(index);
  return found;
}
