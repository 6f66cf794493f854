/** Which cells the list shows, and in which order. Pure. */
import { area } from "../geometry/box";
import type { Cells } from "./cells";

export const SORTS = ["drawn", "class", "largest", "smallest", "status"] as const;
export type Sort = (typeof SORTS)[number];
/** `labelClass`: a class, 0: those without one, null: all. */
export type Arrangement = { readonly sort: Sort; readonly labelClass: number | null };
export const AS_DRAWN: Arrangement = { sort: "drawn", labelClass: null };

/** Equal cells stay in the order in which they were drawn. A filter by class leaves regions out: they have none. */
export function arranged(
  cells: Cells,
  rows: readonly number[],
  { sort, labelClass }: Arrangement,
): readonly number[] {
  const isShown = (row: number) => cells.kindOf(row) === "cell" && cells.labelClass[row] === labelClass;
  const kept = labelClass === null ? rows : rows.filter(isShown);
  const rank = RANKS[sort];
  if (!rank) return kept;
  return [...kept].sort((a, b) => rank(cells, a) - rank(cells, b) || a - b);
}

const RANKS: Readonly<Record<Sort, ((cells: Cells, row: number) => number) | null>> = {
  drawn: null,
  class: (cells, row) => cells.labelClass[row],
  largest: (cells, row) => -area(cells.extent(row)),
  smallest: (cells, row) => area(cells.extent(row)),
  status: (cells, row) => cells.status[row],
};
