/** Which cells have stood on the screen, large enough and long enough for somebody to see them. In memory only: what
 *  counts is kept by the operations that rest on it. */
import type { Box } from "../geometry/box";
import type { Camera } from "../geometry/frames";
import type { Cells } from "./cells";

/** CSS pixels of the shorter side: smaller cells are a texture, not a cell that can be judged. */
export const LEAST_SIDE = 12;
/** A view counts when it has stood still for so long, milliseconds; as in the gallery (labeling/gallery/services.py,
 *  LEAST_MS). In 250 ms eighty cells were accepted that nobody had looked at. */
export const STILL_MS = 500;

export class Seen {
  private readonly rows = new Set<number>();
  private view = "";
  private since = 0;
  /** What stands on the screen has been gone through, and nothing in it has changed since. */
  private counted = "";

  has(row: number): boolean {
    return this.rows.has(row);
  }
  /** A cell whose display changed (another mask) has to be seen again. */
  forget(row: number): void {
    this.rows.delete(row);
    this.counted = "";
  }

  /** A frame is on the screen. Returns how many milliseconds the view must still stand for it to count (0: counted). */
  painted(cells: Cells, camera: Camera, visible: Box, masksShown: boolean, now: number): number {
    const view = `${camera.scale} ${camera.left} ${camera.top}`;
    if (view !== this.view) {
      this.view = view;
      this.since = now;
    }
    const missing = STILL_MS - (now - this.since);
    if (missing > 0) return missing;
    const counted = `${view} ${visible.x1} ${visible.y1} ${masksShown}`;
    if (counted === this.counted) return 0; // a frame of the pen over a standing picture
    this.counted = counted;
    for (const row of inView(cells, visible)) {
      const box = cells.extent(row);
      const isLarge = cells.isPoint(row) || shorterSide(box) * camera.scale >= LEAST_SIDE;
      if (isLarge && (masksShown || !cells.hasMask(row))) this.rows.add(row);
    }
    return 0;
  }
}

export const shorterSide = (box: Box): number => Math.min(box.x1 - box.x0, box.y1 - box.y0);

/** Shown rows that lie wholly inside the box. */
export function inView(cells: Cells, visible: Box): number[] {
  return cells.near(visible).filter((row) => {
    if (!cells.isShown(row)) return false;
    const box = cells.extent(row);
    return box.x0 >= visible.x0 && box.y0 >= visible.y0 && box.x1 <= visible.x1 && box.y1 <= visible.y1;
  });
}
