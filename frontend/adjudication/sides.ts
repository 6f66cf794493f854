/** What stands beside each other at the places where readings differ, as packs that the picture loads. Pure. */
import { fromBase64 } from "../geometry/mask";
import type { Schemas } from "../scene/contract";
import type { Pack } from "../scene/pack";
import { putUuid } from "../scene/uuid";

export type Place = Schemas["DisagreementAnswer"];
export type SideCell = Schemas["SideCell"];
export type Take = "left" | "right" | "both" | "neither" | "edited";

/** The cells of one side of all places. `places`: of each row its place in the list. */
export type Side = { readonly pack: Pack; readonly places: number[] };

/** side 0 is the left one. A class that is null has the number 0. */
export function sideOf(places: readonly Place[], side: number): Side {
  const rows: { place: number; cell: SideCell }[] = [];
  places.forEach((one, place) => {
    const cell = one.sides[side];
    if (cell) rows.push({ place, cell });
  });
  return { pack: packOf(rows.map(({ cell }) => cell)), places: rows.map(({ place }) => place) };
}

function packOf(cells: readonly SideCell[]): Pack {
  const n = cells.length;
  const bits = cells.map(({ mask }) => (mask ? fromBase64(mask.bits) : new Uint8Array(0)));
  const offsets = new Uint32Array(n + 1);
  bits.forEach((one, i) => (offsets[i + 1] = offsets[i] + one.length));
  const all = new Uint8Array(offsets[n]);
  const [id, box, maskBox] = [new Uint8Array(16 * n), new Float64Array(4 * n), new Int32Array(4 * n)];
  cells.forEach(({ box: corners, mask }, i) => {
    all.set(bits[i], offsets[i]);
    putUuid(id, i, `00000000-0000-4000-8000-${i.toString(16).padStart(12, "0")}`);
    box.set(corners, 4 * i);
    if (mask) maskBox.set([mask.x, mask.y, mask.width, mask.height], 4 * i);
  });
  return {
    layer: "side",
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
      label_class: Uint32Array.from(cells, ({ label_class }) => label_class ?? 0),
      score: new Float32Array(n).fill(NaN),
      version: new Uint32Array(n),
      author: new Uint32Array(n),
      mask_box: maskBox,
      mask_offset: offsets,
      mask_bits: all,
    },
  };
}

/** The next place after `from` that nobody has decided, round the end; null when all are decided. */
export function nextOpen(places: readonly Place[], from: number): number | null {
  for (let step = 1; step <= places.length; step++) {
    const place = (from + step) % places.length;
    if (!places[place].decision) return place;
  }
  return null;
}

/** The cell that is edited at a place: what somebody has put there before, else the side that was taken, else that
 *  under the pointer, else the one that has a cell. null: nobody has drawn a cell here.
 *  hovered: 0 the left side, 1 the right one, null neither */
export function cellToEdit({ sides, edited, decision }: Place, hovered: number | null): SideCell | null {
  if (edited.length) return edited[0];
  const chosen = { left: 0, right: 1 }[decision as string] ?? hovered;
  const first = chosen === null ? null : sides[chosen];
  return first ?? sides.find((side) => side !== null) ?? null;
}

/** A cell with another class, as a place takes it. */
export function withClass(cell: SideCell, labelClass: number | null): Schemas["StateIn"] {
  return {
    kind: "cell",
    status: "confirmed",
    box: cell.box,
    label_class: labelClass,
    mask: cell.mask,
  };
}

export const TAKES: Readonly<Record<string, Take>> = {
  arrowleft: "left",
  arrowright: "right",
  arrowdown: "both",
  arrowup: "neither",
};
