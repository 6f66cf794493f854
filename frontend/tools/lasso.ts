/** Draw around cells to select several of them. The machine is that of a freehand path. */
import type { Features } from "../editor/interfaces";
import { mark } from "../locale/locale";
import { boundsOf, isInside } from "../geometry/polygon";
import type { Point } from "../geometry/frames";
import { FreehandTool, type Path } from "./freehand";
import { nextBelow } from "./select";
import type { ToolDefinition } from "../editor/tool";

class Lasso extends FreehandTool {
  constructor(editor: Features) {
    super(editor, true);
  }

  protected clicked(rows: readonly number[]): void {
    const { selection, store } = this.editor;
    selection.selectSeveral([]);
    selection.select(nextBelow(rows, store.selected));
  }
  protected drawn({ points, shift }: Path): void {
    const { selection, store } = this.editor;
    const inside = this.inside(points);
    selection.selectSeveral(shift ? [...new Set([...store.multiSelected, ...inside])] : inside);
  }
  /** Cells and proposals whose middle lies in the path. */
  private inside(points: readonly Point<"image">[]): number[] {
    const { cells } = this.editor.store;
    return cells.near(boundsOf(points)).filter((row) => {
      if (!this.isSelectable(row)) return false;
      const { x0, y0, x1, y1 } = cells.boxOf(row);
      return isInside(points, { x: (x0 + x1) / 2, y: (y0 + y1) / 2 });
    });
  }
  private isSelectable(row: number): boolean {
    const { cells } = this.editor.store;
    if (!cells.isShown(row) || cells.kindOf(row) !== "cell") return false;
    return cells.isMine(row) || cells.isProposal(row);
  }
}

export const definition: ToolDefinition = {
  label: mark("Lasso"),
  sentence: mark("Lasso: select cells together"),
  keys: ["l"],
  icon: "M12 4c5 0 9 2 9 6s-4 6-9 6-9-2-9-6 4-6 9-6zM7 15c-1 3 1 5 3 5",
  hint: mark("Draw around cells; Shift adds more."),
  changesNothing: true,
  create: (editor) => new Lasso(editor),
};
