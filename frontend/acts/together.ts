/** Acts on several cells at once, and the ones that make several of one: each is one operation, and undone as one. */
import { t, tn } from "../locale/locale";
import { insideImage, moved, overlap, sameBox, type Box } from "../geometry/box";
import type { Vertex } from "../geometry/polygon";
import * as bulk from "../scene/bulk";
import type { LabelClass } from "../scene/contract";
import type { Draft } from "../scene/edits";
import type { Cells } from "../scene/cells";
import { inView, LEAST_SIDE, shorterSide, type Seen } from "../scene/seen";
import type { Workspace } from "../workspace";

const NUDGE_PAUSE_MS = 500;

export class Together {
  /** A box on its way by the arrow keys, not yet an operation. */
  nudging: { readonly row: number; readonly box: Box } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly desk: Workspace) {}

  remove(): void {
    const done = this.doAll(bulk.removeAll(this.desk.cells, this.desk.many));
    this.desk.selectMany([]);
    if (done.n) this.desk.toast(tn(done.n, "{n} cell deleted.", "{n} cells deleted."), done.ops);
    else this.desk.toast(t("None of these cells is yours to delete. Proposals are rejected, not deleted."));
  }

  classify(chosen: LabelClass): void {
    const { name } = chosen;
    const done = this.doAll(bulk.classifyAll(this.desk.cells, this.desk.many, chosen.id));
    if (done.n) this.desk.toast(tn(done.n, "{n} cell: {name}.", "{n} cells: {name}.", { name }), done.ops);
    else this.desk.toast(t("Nothing changed: these are {name} already, or not cells of yours.", { name }));
  }

  /** Only what has stood on the screen: nobody accepts a mask that nobody has seen. */
  accept(): void {
    this.acceptRows(this.desk.many, "lasso");
    this.desk.selectMany([]);
  }

  /** Review by exception: what is in view, was shown large enough and is not decided otherwise is recorded as accepted
   *  in bulk. */
  acceptInView(): void {
    const visible = this.desk.visible();
    const touching = this.desk.cells
      .near(visible)
      .filter((row) => overlap(this.desk.cells.extent(row), visible));
    this.acceptRows(touching, "viewport");
  }

  private acceptRows(rows: readonly number[], tool: "lasso" | "viewport"): void {
    const { desk } = this;
    if (desk.opened.study && !desk.opened.study.accepts_many) {
      desk.toast(t("In this study each proposal is decided on its own."));
      return;
    }
    const { cells } = desk;
    const open = rows.filter((row) => cells.isUndecided(row) && cells.isShown(row));
    if (!open.length) {
      desk.toast(t("There is no open proposal among these."));
      return;
    }
    const inWhole = new Set(tool === "viewport" ? inView(cells, desk.visible()) : open);
    const seen = open.filter((row) => inWhole.has(row) && desk.seen.has(row));
    const drafts = bulk.acceptAll(cells, seen, tool);
    const twice = seen.length - drafts.reduce((n, draft) => n + draft.effects.length, 0);
    // Counted before: what is accepted has to be seen anew.
    const left = leftOut(open, inWhole, desk.seen, desk.camera.scale, cells, twice);
    const done = this.doAll(drafts);
    if (done.n) desk.recorder.record("decision", "accept");
    const head = done.n
      ? tn(
          done.n,
          "{n} accepted, recorded as accepted in bulk.",
          "{n} accepted, recorded as accepted in bulk.",
        )
      : t("None accepted.");
    desk.toast([head, left].filter((sentence) => sentence !== "").join(" "), done.ops);
  }

  merge(): void {
    const { desk } = this;
    const draft = bulk.merge(desk.cells, desk.many, desk.opened.image);
    if (!draft) {
      desk.toast(t("Select at least two of your own cells to merge them."));
      return;
    }
    const op = desk.do(draft);
    desk.selectMany([]);
    desk.select(desk.cells.rowOf(draft.effects[0].annotation));
    if (op) desk.toast(t("{n} cells merged into one.", { n: draft.effects.length }), [op]);
  }

  split(row: number, path: readonly Vertex[]): void {
    const { desk } = this;
    const mine = desk.isOwnCell(row);
    if (!mine && !desk.cells.isUndecided(row)) {
      desk.toast(t("Only your own cells and open proposals can be split."));
      return;
    }
    const draft = bulk.split(desk.cells, row, path);
    if (!draft) {
      desk.toast(t("The cut does not go all the way through the cell."));
      return;
    }
    const op = desk.do(draft);
    desk.select(desk.cells.rowOf(draft.effects[0].annotation));
    if (op) desk.toast(t("Split into {n} cells.", { n: draft.effects.length }), [op]);
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

  /** -> the operations that were made, and how many cells they are about. */
  private doAll(drafts: Draft[]): { ops: string[]; n: number } {
    const done = { ops: [] as string[], n: 0 };
    if (drafts.length) this.desk.begin();
    for (const draft of drafts) {
      const op = this.desk.do(draft);
      if (op === null) continue;
      done.ops.push(op);
      done.n += draft.effects.length;
    }
    return done;
  }
}

/** How many open proposals were left out, and why; "" for none.
 *  `twice`: of several masks for one cell, one is taken. */
function leftOut(
  open: readonly number[],
  inWhole: ReadonlySet<number>,
  seen: Seen,
  scale: number,
  cells: Cells,
  twice: number,
): string {
  const unseen = open.filter((row) => inWhole.has(row) && !seen.has(row));
  const isSmall = (row: number) => shorterSide(cells.extent(row)) * scale < LEAST_SIDE;
  const small = unseen.filter(isSmall).length;
  const reasons: [number, string][] = [
    [small, t("smaller than {least} pixels on the screen", { least: LEAST_SIDE })],
    [unseen.length - small, t("not shown long enough yet")],
    [open.filter((row) => !inWhole.has(row)).length, t("only partly in view")],
    [twice, t("another mask of the same cell")],
  ];
  const said = reasons.filter(([n]) => n > 0);
  const n = said.reduce((sum, [count]) => sum + count, 0);
  if (!n) return "";
  const why = said.map(([count, reason]) => `${count} ${reason}`).join(", ");
  return tn(n, "{n} left out: {why}.", "{n} left out: {why}.", { why });
}
