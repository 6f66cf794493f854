/** One stain's share of the tissue, by colour deconvolution (Ruifrok and Johnston 2001), as an SVG filter: the
 *  browser's own pipeline does it on the card or in software, for whatever the tissue layer shows, and costs
 *  nothing when it is off.
 *
 *  Optical density od = -log10(c) is looked up in a table; the amount of a stain is linear in od; what is shown is
 *  10^-(amount * the stain's own colour), as if the other stains were not there. */

type Vector = readonly [number, number, number];
/** Optical densities of red, green and blue, as published with the method. */
const HEMATOXYLIN: Vector = [0.65, 0.704, 0.286];
const EOSIN: Vector = [0.072, 0.99, 0.105];
const DAB: Vector = [0.268, 0.57, 0.776];

const MOST_OD = 2.4; // 255 / 1: what is darker is black
const STEPS = 64;

const unit = (v: Vector): Vector => {
  const n = Math.hypot(...v);
  return [v[0] / n, v[1] / n, v[2] / n];
};
const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** Rows give the amounts of the three stains from the optical densities. */
export function unmixing(a: Vector, b: Vector, c: Vector): readonly [Vector, Vector, Vector] {
  const [p, q, r] = [unit(a), unit(b), unit(c)]; // od = amounts * [p, q, r]
  const columns = [cross(q, r), cross(r, p), cross(p, q)]; // of the inverse, times the determinant
  const det = p[0] * columns[0][0] + p[1] * columns[0][1] + p[2] * columns[0][2];
  return columns.map((v) => [v[0] / det, v[1] / det, v[2] / det]) as unknown as readonly [
    Vector,
    Vector,
    Vector,
  ];
}

const STAINS = { hematoxylin: HEMATOXYLIN, eosin: EOSIN, dab: DAB } as const;
const ORDER = ["hematoxylin", "eosin", "dab"] as const;

const table = (f: (x: number) => number) =>
  Array.from({ length: STEPS + 1 }, (_, i) => Math.min(1, Math.max(0, f(i / STEPS))).toFixed(4)).join(" ");

/** The element to put into the page once; use it as `filter: url(#id)`. */
export function stainFilter(id: string, stain: keyof typeof STAINS): string {
  const amount = unmixing(HEMATOXYLIN, EOSIN, DAB)[ORDER.indexOf(stain)];
  const colour = unit(STAINS[stain]);
  // In: od / MOST_OD for each channel. Out: the od of this stain alone, again / MOST_OD.
  const rows = colour.map((c) => `${amount.map((a) => (a * c).toFixed(5)).join(" ")} 0 0`).join(" ");
  const curve = (values: string) =>
    ["R", "G", "B"].map((c) => `<feFunc${c} type="table" tableValues="${values}"/>`).join("");
  const toDensity = curve(table((x) => -Math.log10(Math.max(x, 10 ** -MOST_OD)) / MOST_OD));
  const toLight = curve(table((x) => 10 ** (-x * MOST_OD)));
  return (
    `<filter id="${id}" color-interpolation-filters="sRGB" x="0" y="0" width="1" height="1">` +
    `<feComponentTransfer>${toDensity}</feComponentTransfer>` +
    `<feColorMatrix type="matrix" values="${rows} 0 0 0 1 0"/>` +
    `<feComponentTransfer>${toLight}</feComponentTransfer></filter>`
  );
}
