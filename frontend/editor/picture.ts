/** Which cells a filter keeps out of the picture. */
import type { Status } from "../scene/contract";
import type { Store } from "./store";

export type Filter = {
  readonly hiddenClasses: readonly number[];
  readonly hiddenStatuses: readonly Status[];
  readonly hiddenAuthors: readonly number[];
  /** Proposals with less doubt than this are not drawn. */
  readonly leastDoubt: number;
  readonly proposals: boolean;
  /** Cells that are points. */
  readonly points: boolean;
};

export class Picture {
  constructor(private readonly store: Store) {}

  /** Keep out of the picture what somebody does not want to see now; the corner says how many. */
  filter(filter: Filter): void {
    this.store.cells.hide(hidesNothing(filter) ? null : (row) => this.isHidden(row, filter));
  }

  private isHidden(row: number, filter: Filter): boolean {
    const { cells } = this.store;
    const isOfHiddenClass = filter.hiddenClasses.includes(cells.labelClass[row]);
    if (cells.isProposal(row))
      return !filter.proposals || cells.score[row] < filter.leastDoubt || isOfHiddenClass;
    if (!filter.points && cells.isPoint(row)) return true;
    if (filter.hiddenStatuses.includes(cells.statusOf(row))) return true;
    if (filter.hiddenAuthors.includes(cells.author[row])) return true;
    return cells.kindOf(row) === "cell" && isOfHiddenClass;
  }
}

function hidesNothing(filter: Filter): boolean {
  const hidden = filter.hiddenAuthors.length + filter.hiddenClasses.length + filter.hiddenStatuses.length;
  return hidden === 0 && filter.leastDoubt === 0 && filter.proposals && filter.points;
}
