/** The rows that a frame looks at: those in a window around the view. They are asked of the grid once, and again when
 *  the view leaves the window or a cell has moved, so that no frame goes through all cells of a slide. */
import { overlap, type Box } from "../geometry/box";
import type { Cells } from "../scene/cells";

/** The window reaches so far beyond the view on each side, in lengths of the view. */
const ROOM = 0.5;
/** A window of more than so many lengths of the view is from before somebody zoomed in. */
const MOST = 4;

export class RowsInView {
  private window: Box | null = null;
  /** In the order of drawing; null: every row, since the window is the whole image. */
  private rows: readonly number[] | null = null;

  constructor(private readonly cells: Cells) {
    cells.watch((_row, before, after) => {
      const isNear = [before, after].some((box) => box && this.window && overlap(box, this.window));
      if (isNear) this.window = null;
    });
  }

  /** Call `visit` for each row that may touch `wanted`, in the order of drawing. */
  forEach(wanted: Box, visit: (row: number) => void): void {
    if (!this.window || !fits(this.window, wanted)) this.update(wanted);
    const count = this.rows?.length ?? this.cells.count;
    for (let n = 0; n < count; n++) visit(this.rows ? this.rows[n] : n);
  }

  private update(wanted: Box): void {
    const { width, height } = this.cells.image;
    const [across, down] = [ROOM * (wanted.x1 - wanted.x0), ROOM * (wanted.y1 - wanted.y0)];
    const window = {
      x0: wanted.x0 - across,
      y0: wanted.y0 - down,
      x1: wanted.x1 + across,
      y1: wanted.y1 + down,
    };
    const isAll = contains(window, { x0: 0, y0: 0, x1: width, y1: height });
    this.window = window;
    this.rows = isAll ? null : this.cells.near(window).sort((a, b) => a - b);
  }
}

function fits(window: Box, wanted: Box): boolean {
  const isSmall = window.x1 - window.x0 <= MOST * (wanted.x1 - wanted.x0);
  return isSmall && contains(window, wanted);
}

const contains = (a: Box, b: Box): boolean => a.x0 <= b.x0 && a.y0 <= b.y0 && a.x1 >= b.x1 && a.y1 >= b.y1;
