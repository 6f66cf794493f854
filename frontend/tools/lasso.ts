/** Draw around cells to select several of them. The machine is that of a freehand path. */
import type { Editor } from "../editor/editor";
import { mark } from "../locale/locale";
import { boundsOf, isInside } from "../geometry/polygon";
import type { Point } from "../geometry/frames";
import type { Sketch } from "../render/overlay";
import { IDLE, step } from "./path";
import { nextBelow } from "./select";
import { rowsAt, type Press, type Sizes, type Tool, type ToolDefinition } from "./tool";

class Lasso implements Tool {
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
    if (result.click) {
      editor.selection.selectSeveral([]);
      editor.selection.select(nextBelow(rowsAt(editor, result.click, sizes), editor.store.selected));
    }
    if (!result.commit) return;
    const inside = this.inside(result.commit.points);
    editor.selection.selectSeveral(
      result.commit.shift ? [...new Set([...editor.store.multiSelected, ...inside])] : inside,
    );
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
  sketch(): Partial<Sketch> {
    if (this.state.kind === "idle") return {};
    return { path: { points: this.state.points, corners: false, closed: true, colour: "#ffffff" } };
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
