/** Draw a cut through a cell to make several of it. The machine is that of a freehand path. */
import type { Features } from "../editor/interfaces";
import { mark, t } from "../locale/locale";
import type { Point } from "../geometry/frames";
import { FreehandTool, type Path } from "./freehand";
import { nextBelow } from "./select";
import type { Sizes, ToolDefinition } from "../editor/tool";
import { rowsAt } from "./picking";

class Split extends FreehandTool {
  constructor(editor: Features) {
    super(editor, false);
  }

  protected clicked(rows: readonly number[]): void {
    this.editor.selection.select(nextBelow(rows, this.editor.store.selected));
  }
  protected drawn({ points }: Path, sizes: Sizes): void {
    this.cut(points, sizes);
  }
  /** The selected cell, or the one in the middle of the cut. */
  private cut(points: readonly Point<"image">[], sizes: Sizes): void {
    const { editor } = this;
    const hasMask = (row: number) => row >= 0 && editor.store.cells.maskOf(row) !== null;
    const middle = points[points.length >> 1];
    const row = hasMask(editor.store.selected)
      ? editor.store.selected
      : rowsAt(editor, middle, sizes).find(hasMask);
    if (row === undefined) editor.store.toasts.show(t("Draw the cut across a cell that has a mask."));
    else editor.multiSelect.split(row, points);
  }
}

export const definition: ToolDefinition = {
  label: mark("Split"),
  sentence: mark("Split a cell along a cut"),
  keys: ["/"],
  icon: "M5 12a7 7 0 0114 0 7 7 0 01-14 0zM16 3L8 21",
  hint: mark("Draw a cut all the way through a cell."),
  create: (editor) => new Split(editor),
};
