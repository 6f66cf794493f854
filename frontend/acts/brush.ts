/** A mask under the brush: taken up, painted, kept or left as it was. */
import { t } from "../locale/locale";
import { overlap } from "../geometry/box";
import { boxOf as maskBox, pack, patchOver, unpack, type Mask, type Patch } from "../geometry/mask";
import * as edits from "../scene/edits";
import type { Workspace } from "../workspace";
import type { Constraint } from "./constrain";

/** A mask under the brush: of a proposal (committed as "edit") or of an own cell ("reshape"). */
export type Editing = {
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

export class Brush {
  editing: Editing | null = null;
  mode: "new" | "add" | "subtract" = "new";
  radius = 3;

  constructor(private readonly desk: Workspace) {}

  edit(): void {
    const { desk } = this;
    const { cells } = desk;
    const row = desk.selected;
    if (!desk.offers("brush")) return;
    if (!desk.canWrite || row < 0 || cells.kindOf(row) !== "cell" || !cells.live[row]) return;
    if (!cells.isMine(row) && !cells.isUndecided(row)) return;
    desk.reveal(row);
    const mask = cells.maskOf(row);
    const patch = mask ? unpack(mask) : patchOver(cells.boxOf(row), desk.opened.image);
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
    desk.live?.say(true);
    desk.recorder.record("tool", "brush");
    desk.notify();
  }
  resize(factor: number): void {
    this.radius = Math.min(200, Math.max(0.5, this.radius * factor));
    if (this.editing) this.editing.radius = this.radius;
    this.desk.notify();
  }
  cancel(): void {
    if (!this.editing) return;
    this.editing = null;
    this.desk.live?.say(true);
    this.desk.notify();
  }
  commit(): void {
    const { desk, editing } = this;
    if (!editing || desk.constrain.keepLater(editing)) return;
    const mask: Mask | null = pack(editing.patch);
    if (!mask) {
      desk.toast(
        desk.cells.isUndecided(editing.row)
          ? t("The mask is empty. Esc leaves it as it was; X rejects the proposal.")
          : t("The mask is empty. Esc leaves it as it was; Del deletes the cell."),
      );
      return;
    }
    const { row } = editing;
    const isProposal = desk.cells.isUndecided(row);
    if (!isProposal && !desk.isMineAndLive(row)) {
      this.cancel();
      desk.toast(t("Not kept: this cell was decided or deleted meanwhile."));
      return;
    }
    this.editing = null;
    desk.live?.say(true);
    const tool = editing.painted ? "constraint" : "brush";
    if (isProposal) {
      desk.painted = desk.selected; // it was edited, so it was seen
      desk.verdicts.decide("edit", () =>
        edits.accept(desk.cells, row, mask, desk.proposalClass, tool, desk.attributes.pending),
      );
    } else {
      const op = desk.do(edits.reshape(desk.cells, row, mask, tool));
      const grown = overlap(maskBox(mask), desk.cells.boxOf(row));
      if (!grown && op) desk.toast(t("The mask no longer touches its box."), [op]);
    }
    desk.notify();
  }
  /** One stroke back. False when there is none to take back. */
  undo(): boolean {
    const before = this.editing?.undo.pop();
    if (!this.editing || !before) return false;
    this.editing.patch = before.patch;
    this.editing.constraint = before.constraint;
    this.desk.constrain.undone();
    this.desk.notify();
    return true;
  }
}
