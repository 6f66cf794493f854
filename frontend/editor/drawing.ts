/** New cells and regions, and other shapes of those that are there. */
import { isPointBox, type Box } from "../geometry/box";
import { boxOf as maskBox, type Mask } from "../geometry/mask";
import { t } from "../locale/locale";
import * as bulk from "../scene/bulk";
import * as edits from "../scene/edits";
import type { CellDrawing, CellSelection, LateCell } from "./interfaces";
import { readOnly } from "./permission";
import type { Store } from "./store";

export class Drawing implements CellDrawing {
  constructor(
    private readonly store: Store,
    private readonly selection: CellSelection,
  ) {}

  draw(box: Box, region: null | "exhaustive" | "ignore", tool = "box"): void {
    const { store } = this;
    if (!region && !isPointBox(box)) store.lastSize = { width: box.x1 - box.x0, height: box.y1 - box.y0 };
    const labelClass = store.labelClass?.id ?? null;
    this.commitNew(region ? edits.region(box, region) : edits.draw(box, labelClass, tool));
  }
  /** A cell with its mask at once; `box`: the one that a person drew for it. */
  drawMask(mask: Mask, tool: string, box: Box = maskBox(mask)): void {
    this.commitNew(bulk.drawMask(mask, tool, this.store.labelClass?.id ?? null, box));
  }
  private commitNew(draft: edits.Draft): void {
    this.store.commit(draft);
    this.selection.select(this.store.cells.rowOf(draft.effects[0].annotation));
  }
  /** A cell whose mask came late: another one may be selected or being drawn by now, and stays so. */
  drawLate({ mask, box, labelClass }: LateCell): void {
    const id = labelClass?.id ?? null;
    if (mask) this.store.commitMeanwhile(bulk.drawMask(mask, "smart", id, box ?? maskBox(mask)));
    else if (box) this.store.commitMeanwhile(edits.draw(box, id, "smart"));
  }

  reshape(row: number, mask: Mask, tool: string): void {
    const { store } = this;
    if (store.isMineAndLive(row)) store.commit(edits.reshape(store.cells, row, mask, tool));
    else this.notKept();
  }
  reshapeBox(row: number, box: Box, action: "move" | "resize"): void {
    const { store } = this;
    if (store.isMineAndLive(row)) store.commit(edits.setBox(store.cells, row, box, action));
    else this.notKept();
  }
  /** A colleague was faster: what was being dragged is not there any more. */
  private notKept(): void {
    const { store } = this;
    const deleted = t("Not kept: this cell has been deleted meanwhile.");
    store.toasts.show(store.canWrite ? deleted : readOnly(store));
  }

  /** One region over the whole image in which every cell is annotated. */
  declareComplete(): void {
    const { store } = this;
    const { width, height } = store.opened.image;
    store.begin();
    const op = store.commit(edits.region({ x0: 0, y0: 0, x1: width, y1: height }, "exhaustive"));
    if (op) store.toasts.show(t("Marked: every cell of this image is annotated."), [op]);
  }
  isComplete(): boolean {
    const { cells, opened, overview } = this.store;
    const { width, height } = opened.image;
    return overview.completeRegions().some((row) => {
      const box = cells.boxOf(row);
      return cells.isMine(row) && box.x0 <= 0 && box.y0 <= 0 && box.x1 >= width && box.y1 >= height;
    });
  }
}
