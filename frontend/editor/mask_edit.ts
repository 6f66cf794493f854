/** The mask of one cell is edited: begun, painted, kept or cancelled. */
import { t } from "../locale/locale";
import { overlap } from "../geometry/box";
import { boxOf as maskBox, pack, patchOver, unpack, type Mask, type Patch } from "../geometry/mask";
import * as edits from "../scene/edits";
import { EditedMask } from "./edited_mask";
import type { CellSelection, MaskEditing, PendingAttributes, Verdicts, ViewPort } from "./interfaces";
import { Refusion } from "./refusion";
import type { Store } from "./store";

export class MaskEdit implements MaskEditing {
  readonly refusion: Refusion;

  constructor(
    private readonly store: Store,
    private readonly view: ViewPort,
    selection: CellSelection,
    private readonly review: Verdicts,
    private readonly attributes: PendingAttributes,
  ) {
    this.refusion = new Refusion(store, () => this.commit());
    selection.onSelect((row) => {
      if (store.editing && store.editing.row !== row) store.editing = null;
    });
  }

  begin(): void {
    const { store } = this;
    const { cells, selected: row } = store;
    if (!this.isEditable(row)) return;
    this.view.reveal(row);
    const mask = cells.maskOf(row);
    const patch = mask ? unpack(mask) : patchOver(cells.boxOf(row), store.opened.image);
    const { x0, y0, x1, y1 } = cells.boxOf(row);
    // A brush wider than a third of a small cell would paint it in one touch.
    if (!cells.isPoint(row))
      store.brushRadius = Math.min(store.brushRadius, Math.max(1, Math.min(x1 - x0, y1 - y0) / 3));
    store.editing = new EditedMask(row, patch);
    store.recorder.record("tool", "brush");
  }
  private isEditable(row: number): boolean {
    const { cells, canWrite } = this.store;
    if (!this.store.offers("brush") || !canWrite || row < 0) return false;
    if (cells.kindOf(row) !== "cell" || !cells.live[row]) return false;
    return cells.isMine(row) || cells.isUndecided(row);
  }

  /** A stroke has painted; `before`: the mask before its first point. */
  paint(patch: Patch, before: Patch | null): void {
    const { editing } = this.store;
    if (!editing) return;
    editing.patch = patch;
    if (before) editing.undo.push({ patch: before, constraint: null });
  }
  /** Between adding and subtracting. */
  swap(): void {
    const { editing } = this.store;
    if (editing) editing.subtract = !editing.subtract;
  }
  cancel(): void {
    this.store.editing = null;
  }
  commit(): void {
    const { store } = this;
    const { editing } = store;
    if (!editing || this.refusion.keepLater(editing)) return;
    const { row } = editing;
    const isProposal = store.cells.isUndecided(row);
    const mask = pack(editing.patch);
    if (!mask) {
      store.toasts.show(
        isProposal
          ? t("The mask is empty. Esc leaves it as it was; X rejects the proposal.")
          : t("The mask is empty. Esc leaves it as it was; Del deletes the cell."),
      );
      return;
    }
    store.editing = null;
    if (isProposal) this.accept(row, mask, toolOf(editing));
    else this.reshape(row, mask, toolOf(editing));
  }
  private accept(row: number, mask: Mask, tool: string): void {
    const { store, review, attributes } = this;
    store.painted = store.selected; // it was edited, so it was seen
    review.decide("edit", () =>
      edits.accept(store.cells, row, mask, review.proposalClass, tool, attributes.pending),
    );
  }
  private reshape(row: number, mask: Mask, tool: string): void {
    const { store } = this;
    if (!store.isMineAndLive(row)) {
      store.toasts.show(t("Not kept: this cell was decided or deleted meanwhile."));
      return;
    }
    const op = store.commit(edits.reshape(store.cells, row, mask, tool));
    const touchesBox = overlap(maskBox(mask), store.cells.boxOf(row));
    if (!touchesBox && op) store.toasts.show(t("The mask no longer touches its box."), [op]);
  }
  /** One stroke back. False when there is none. */
  undo(): boolean {
    const { editing } = this.store;
    const before = editing?.undo.pop();
    if (!editing || !before) return false;
    editing.patch = before.patch;
    editing.constraint = before.constraint;
    this.refusion.undone();
    return true;
  }
}

const toolOf = (editing: EditedMask): string => (editing.painted ? "constraint" : "brush");
