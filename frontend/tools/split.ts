/** Draw a cut through a cell to make several of it. The machine is that of a freehand path. */
import type { Editor } from "../editor/editor";
import { mark, t } from "../locale/locale";
import type { Point } from "../geometry/frames";
import type { Sketch } from "../render/overlay";
import { IDLE, step } from "./path";
import { nextBelow } from "./select";
import { rowsAt, type Press, type Sizes, type Tool, type ToolDefinition } from "./tool";

class Split implements Tool {
  private state = IDLE;

  constructor(private readonly editor: Editor) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.state = IDLE;
  }
  input(input: Press, sizes: Sizes): void {
    const { editor } = this;
    const result = step(this.state, input, sizes.spacing, sizes.slip);
    this.state = result.state;
    if (result.click)
      editor.selection.select(nextBelow(rowsAt(editor, result.click, sizes), editor.store.selected));
    if (result.commit) this.cut(result.commit.points, sizes);
  }
  /** The selected cell, or the one in the middle of the cut. */
  private cut(points: readonly Point<"image">[], sizes: Sizes): void {
    const { editor } = this;
    const hasMask = (row: number) => row >= 0 && editor.store.cells.maskOf(row) !== null;
    const middle = points[points.length >> 1];
    const row = hasMask(editor.store.selected)
      ? editor.store.selected
      : rowsAt(editor, middle, sizes).find(hasMask);
    if (row === undefined) editor.store.toast(t("Draw the cut across a cell that has a mask."));
    else editor.multiSelect.split(row, points);
  }
  sketch(): Partial<Sketch> {
    if (this.state.kind === "idle") return {};
    return { path: { points: this.state.points, corners: false, closed: false, colour: "#ffffff" } };
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
