/** A mask under the brush: begun, painted, kept or cancelled. */
import { t } from "../locale/locale";
import { overlap } from "../geometry/box";
import { boxOf as maskBox, pack, patchOver, unpack, type Mask, type Patch } from "../geometry/mask";
import * as edits from "../scene/edits";
import type { Editor } from "./editor";
import type { Constraint } from "./refusion";

/** A mask under the brush: of a proposal (committed as "edit") or of an own cell ("reshape"). */
export type EditedMask = {
  readonly row: number;
  patch: Patch;
  readonly undo: { readonly patch: Patch; readonly constraint: Constraint | null }[];
  subtract: boolean;
  radius: number;
  /** Strokes fix pixels and the rest is fused again; null: they paint. */
  constraint: Constraint | null;
  /** A constraint stroke was made: the operation says so. */
  painted: boolean;
};

export class MaskEdit {
  editing: EditedMask | null = null;
  mode: "new" | "add" | "subtract" = "new";
  radius = 3;

  constructor(private readonly editor: Editor) {}

  edit(): void {
    const { editor } = this;
    const { cells } = editor;
    const row = editor.selected;
    if (!editor.offers("brush")) return;
    if (!editor.canWrite || row < 0 || cells.kindOf(row) !== "cell" || !cells.live[row]) return;
    if (!cells.isMine(row) && !cells.isUndecided(row)) return;
    editor.reveal(row);
    const mask = cells.maskOf(row);
    const patch = mask ? unpack(mask) : patchOver(cells.boxOf(row), editor.opened.image);
    const { x0, y0, x1, y1 } = cells.boxOf(row);
    this.radius = Math.min(this.radius, Math.max(1, Math.min(x1 - x0, y1 - y0) / 3));
    this.editing = {
      row,
      patch,
      undo: [],
      subtract: false,
      radius: this.radius,
      constraint: null,
      painted: false,
    };
    editor.live?.announce(true);
    editor.recorder.record("tool", "brush");
    editor.notify();
  }
  /** A stroke has painted; `before`: the mask before its first point. */
  paint(patch: Patch, before: Patch | null): void {
    if (!this.editing) return;
    this.editing.patch = patch;
    if (before) this.editing.undo.push({ patch: before, constraint: null });
  }
  resize(factor: number): void {
    this.radius = Math.min(200, Math.max(0.5, this.radius * factor));
    if (this.editing) this.editing.radius = this.radius;
    this.editor.notify();
  }
  cancel(): void {
    if (!this.editing) return;
    this.editing = null;
    this.editor.live?.announce(true);
    this.editor.notify();
  }
  commit(): void {
    const { editor, editing } = this;
    if (!editing || editor.refusion.keepLater(editing)) return;
    const mask: Mask | null = pack(editing.patch);
    if (!mask) {
      editor.toast(
        editor.cells.isUndecided(editing.row)
          ? t("The mask is empty. Esc leaves it as it was; X rejects the proposal.")
          : t("The mask is empty. Esc leaves it as it was; Del deletes the cell."),
      );
      return;
    }
    const { row } = editing;
    const isProposal = editor.cells.isUndecided(row);
    if (!isProposal && !editor.isMineAndLive(row)) {
      this.cancel();
      editor.toast(t("Not kept: this cell was decided or deleted meanwhile."));
      return;
    }
    this.editing = null;
    editor.live?.announce(true);
    const tool = editing.painted ? "constraint" : "brush";
    if (isProposal) {
      editor.painted = editor.selected; // it was edited, so it was seen
      editor.review.decide("edit", () =>
        edits.accept(editor.cells, row, mask, editor.proposalClass, tool, editor.attributes.pending),
      );
    } else {
      const op = editor.do(edits.reshape(editor.cells, row, mask, tool));
      const grown = overlap(maskBox(mask), editor.cells.boxOf(row));
      if (!grown && op) editor.toast(t("The mask no longer touches its box."), [op]);
    }
    editor.notify();
  }
  /** One stroke back. False when there is none to take back. */
  undo(): boolean {
    const before = this.editing?.undo.pop();
    if (!this.editing || !before) return false;
    this.editing.patch = before.patch;
    this.editing.constraint = before.constraint;
    this.editor.refusion.undone();
    this.editor.notify();
    return true;
  }
}
