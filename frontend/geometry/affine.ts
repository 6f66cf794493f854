/** Affine maps of the plane: how one image lies on another that shows the same tissue. */

/** x' = a x + c y + e, y' = b x + d y + f: the order of a CSS matrix. */
export type Affine = {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
};
export type Vector = { readonly x: number; readonly y: number };
/** A place of one image, and the same place of the other. */
export type Pair = { readonly from: Vector; readonly to: Vector };

export const apply = ({ a, b, c, d, e, f }: Affine, { x, y }: Vector): Vector => ({
  x: a * x + c * y + e,
  y: b * x + d * y + f,
});

export const determinant = ({ a, b, c, d }: Affine): number => a * d - b * c;

/** The map back. Throws for one that flattens the plane. */
export function inverse(map: Affine): Affine {
  const by = determinant(map);
  if (Math.abs(by) < 1e-12) throw new Error("this map has no way back");
  const { a, b, c, d, e, f } = map;
  return {
    a: d / by,
    b: -b / by,
    c: -c / by,
    d: a / by,
    e: (c * f - d * e) / by,
    f: (b * e - a * f) / by,
  };
}

/** The map that lies nearest to all pairs by least squares; three pairs that are not in one line give it exactly.
 *  Null: the pairs are too few, or lie in one line. */
export function affineOf(pairs: readonly Pair[]): Affine | null {
  if (pairs.length < 3) return null;
  const n = pairs.length;
  const mean = (of: (pair: Pair) => number) => pairs.reduce((sum, pair) => sum + of(pair), 0) / n;
  const [mx, my] = [mean((p) => p.from.x), mean((p) => p.from.y)];
  const [tx, ty] = [mean((p) => p.to.x), mean((p) => p.to.y)];
  let [xx, xy, yy, xu, yu, xv, yv] = [0, 0, 0, 0, 0, 0, 0];
  for (const { from, to } of pairs) {
    const [x, y, u, v] = [from.x - mx, from.y - my, to.x - tx, to.y - ty];
    xx += x * x;
    xy += x * y;
    yy += y * y;
    xu += x * u;
    yu += y * u;
    xv += x * v;
    yv += y * v;
  }
  const by = xx * yy - xy * xy;
  if (by <= 1e-9 * (xx + yy) ** 2) return null;
  const [a, c] = [(yy * xu - xy * yu) / by, (xx * yu - xy * xu) / by];
  const [b, d] = [(yy * xv - xy * yv) / by, (xx * yv - xy * xv) / by];
  return { a, b, c, d, e: tx - a * mx - c * my, f: ty - b * mx - d * my };
}

/** Without its translation, and without its scale: rotation, mirroring and shear alone; and that scale. */
export function shapeOf(map: Affine): { readonly scale: number; readonly shape: Affine } {
  const scale = Math.sqrt(Math.abs(determinant(map)));
  const { a, b, c, d } = map;
  return { scale, shape: { a: a / scale, b: b / scale, c: c / scale, d: d / scale, e: 0, f: 0 } };
}
