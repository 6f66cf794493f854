/** Acts on several cells at once, and the ones that make several of one: each is one operation, and undone as one. */
import { t, tn } from "../locale/locale";
import { insideImage, moved, sameBox, type Box } from "../geometry/box";
import type { Vertex } from "../geometry/polygon";
import * as bulk from "../scene/bulk";
import type { LabelClass } from "../scene/contract";
import type { Draft } from "../scene/edits";
import { inView } from "../scene/seen";
import type { Workspace } from "../workspace";

const NUDGE_PAUSE_MS = 500;

export class Together {
  /** A box on its way by the arrow keys, not yet an operation. */
  nudging: { readonly row: number; readonly box: Box } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly desk: Workspace) {}

  remove(): void {
    const drafts = bulk.removeAll(this.desk.cells, this.desk.many);
    const n = this.doAll(drafts);
    this.desk.selectMany([]);
    if (n) this.desk.toast(tn(n, "{n} cell deleted.", "{n} cells deleted."), true);
    else
      this.desk.toast(
        t("None of these cells is yours to delete. Proposals are rejected, not deleted."),
        false,
      );
  }

  classify(chosen: LabelClass): void {
    const n = this.doAll(bulk.classifyAll(this.desk.cells, this.desk.many, chosen.id));
    if (n) this.desk.toast(tn(n, "{n} cell: {name}.", "{n} cells: {name}.", { name: chosen.name }), true);
  }

  /** Only what has stood on the screen: nobody accepts a mask that nobody has seen. */
  accept(): void {
    this.acceptRows(this.desk.many, "lasso");
    this.desk.selectMany([]);
  }

  /** Review by exception: what is wholly in view, painted and not decided otherwise is recorded as viewed in bulk. */
  acceptInView(): void {
    this.acceptRows(inView(this.desk.cells, this.desk.visible()), "viewport");
  }

  private acceptRows(rows: readonly number[], tool: "lasso" | "viewport"): void {
    if (this.desk.opened.study && !this.desk.opened.study.accepts_many) {
      this.desk.toast(t("In this study each proposal is decided on its own."), false);
      return;
    }
    const open = rows.filter((row) => this.desk.cells.isUndecided(row));
    const seen = open.filter((row) => this.desk.seen.has(row));
    if (!open.length) {
      this.desk.toast(t("There is no open proposal among these."), false);
      return;
    }
    const n = this.doAll(bulk.acceptAll(this.desk.cells, seen, tool));
    if (n) this.desk.recorder.record("decision", "accept");
    const left = open.length - n;
    const rest = left
      ? ` ${tn(left, "{n} is left: not yet shown large enough, or another mask of the same cell.", "{n} are left: not yet shown large enough, or another mask of the same cell.")}`
      : "";
    this.desk.toast(
      (n ? t("{n} accepted together, recorded as viewed in bulk.", { n }) : t("None accepted.")) + rest,
      n > 0,
    );
  }

  merge(): void {
    const { desk } = this;
    const draft = bulk.merge(desk.cells, desk.many, desk.opened.image);
    if (!draft) {
      desk.toast(t("Select at least two of your own cells to merge them."), false);
      return;
    }
    desk.do(draft);
    desk.selectMany([]);
    desk.select(desk.cells.rowOf(draft.effects[0].annotation));
    desk.toast(t("{n} cells merged into one.", { n: draft.effects.length }), true);
  }

  split(row: number, path: readonly Vertex[]): void {
    const { desk } = this;
    const mine = desk.isOwnCell(row);
    if (!mine && !desk.cells.isUndecided(row)) {
      desk.toast(t("Only your own cells and open proposals can be split."), false);
      return;
    }
    const draft = bulk.split(desk.cells, row, path);
    if (!draft) {
      desk.toast(t("The cut does not go all the way through the cell."), false);
      return;
    }
    desk.do(draft);
    desk.select(desk.cells.rowOf(draft.effects[0].annotation));
    desk.toast(t("Split into {n} cells.", { n: draft.effects.length }), true);
  }

  /** Arrow keys: by image pixels; what is held down becomes one move. */
  nudge(dx: number, dy: number): boolean {
    const { desk } = this;
    const row = desk.selected;
    if (!desk.isOwnCell(row)) return false;
    if (this.nudging && this.nudging.row !== row) this.endNudge();
    if (!this.nudging) desk.begin();
    const box = moved(this.nudging?.box ?? desk.cells.boxOf(row), dx, dy, desk.opened.image);
    this.nudging = { row, box };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.endNudge(), NUDGE_PAUSE_MS);
    desk.notify();
    return true;
  }

  endNudge(): void {
    clearTimeout(this.timer);
    const held = this.nudging;
    this.nudging = null;
    if (!held) return;
    const box = insideImage(held.box, this.desk.opened.image, 0);
    if (box && this.desk.isOwnCell(held.row) && !sameBox(box, this.desk.cells.boxOf(held.row)))
      this.desk.reshapedBox(held.row, box, "move");
    this.desk.notify();
  }

  private doAll(drafts: Draft[]): number {
    if (drafts.length) this.desk.begin();
    for (const draft of drafts) this.desk.do(draft);
    return drafts.reduce((n, draft) => n + draft.effects.length, 0);
  }
}
