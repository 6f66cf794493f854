/** Acts on several cells at once, and the ones that make several of one: each is one operation, and undone as one. */
import { t, tn } from "../locale/locale";
import { insideImage, moved, overlap, sameBox, type Box } from "../geometry/box";
import type { Vertex } from "../geometry/polygon";
import * as bulk from "../scene/bulk";
import type { LabelClass } from "../scene/contract";
import type { Draft } from "../scene/edits";
import type { Cells } from "../scene/cells";
import { inView, LEAST_SIDE, shorterSide, type Seen } from "../scene/seen";
import type { Editor } from "./editor";

const NUDGE_PAUSE_MS = 500;

export class MultiSelect {
  /** A box on its way by the arrow keys, not yet an operation. */
  nudging: { readonly row: number; readonly box: Box } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly editor: Editor) {}

  remove(): void {
    const done = this.doAll(bulk.removeAll(this.editor.cells, this.editor.multiSelected));
    this.editor.selectSeveral([]);
    if (done.n) this.editor.toast(tn(done.n, "{n} cell deleted.", "{n} cells deleted."), done.ops);
    else this.editor.toast(t("None of these cells is yours to delete. Proposals are rejected, not deleted."));
  }

  classify(chosen: LabelClass): void {
    const { name } = chosen;
    const done = this.doAll(bulk.classifyAll(this.editor.cells, this.editor.multiSelected, chosen.id));
    if (done.n) this.editor.toast(tn(done.n, "{n} cell: {name}.", "{n} cells: {name}.", { name }), done.ops);
    else this.editor.toast(t("Nothing changed: these are {name} already, or not cells of yours.", { name }));
  }

  /** Only what has stood on the screen: nobody accepts a mask that nobody has seen. */
  accept(): void {
    this.acceptRows(this.editor.multiSelected, "lasso");
    this.editor.selectSeveral([]);
  }

  /** Review by exception: what is in view, was shown large enough and is not decided otherwise is recorded as accepted
   *  in bulk. */
  acceptInView(): void {
    const visible = this.editor.visible();
    const touching = this.editor.cells
      .near(visible)
      .filter((row) => overlap(this.editor.cells.extent(row), visible));
    this.acceptRows(touching, "viewport");
  }

  private acceptRows(rows: readonly number[], tool: "lasso" | "viewport"): void {
    const { editor } = this;
    if (editor.opened.study && !editor.opened.study.accepts_many) {
      editor.toast(t("In this study each proposal is decided on its own."));
      return;
    }
    const { cells } = editor;
    const open = rows.filter((row) => cells.isUndecided(row) && cells.isShown(row));
    if (!open.length) {
      editor.toast(t("There is no open proposal among these."));
      return;
    }
    const inWhole = new Set(tool === "viewport" ? inView(cells, editor.visible()) : open);
    const seen = open.filter((row) => inWhole.has(row) && editor.seen.has(row));
    const drafts = bulk.acceptAll(cells, seen, tool);
    const twice = seen.length - drafts.reduce((n, draft) => n + draft.effects.length, 0);
    // Counted before: what is accepted has to be seen anew.
    const left = leftOut(open, inWhole, editor.seen, editor.camera.scale, cells, twice);
    const done = this.doAll(drafts);
    if (done.n) editor.recorder.record("decision", "accept");
    const head = done.n
      ? tn(
          done.n,
          "{n} accepted, recorded as accepted in bulk.",
          "{n} accepted, recorded as accepted in bulk.",
        )
      : t("None accepted.");
    editor.toast([head, left].filter((sentence) => sentence !== "").join(" "), done.ops);
  }

  merge(): void {
    const { editor } = this;
    const draft = bulk.merge(editor.cells, editor.multiSelected, editor.opened.image);
    if (!draft) {
      editor.toast(t("Select at least two of your own cells to merge them."));
      return;
    }
    const op = editor.do(draft);
    editor.selectSeveral([]);
    editor.select(editor.cells.rowOf(draft.effects[0].annotation));
    if (op) editor.toast(t("{n} cells merged into one.", { n: draft.effects.length }), [op]);
  }

  split(row: number, path: readonly Vertex[]): void {
    const { editor } = this;
    const mine = editor.isOwnCell(row);
    if (!mine && !editor.cells.isUndecided(row)) {
      editor.toast(t("Only your own cells and open proposals can be split."));
      return;
    }
    const draft = bulk.split(editor.cells, row, path);
    if (!draft) {
      editor.toast(t("The cut does not go all the way through the cell."));
      return;
    }
    const op = editor.do(draft);
    editor.select(editor.cells.rowOf(draft.effects[0].annotation));
    if (op) editor.toast(t("Split into {n} cells.", { n: draft.effects.length }), [op]);
  }

  /** Arrow keys: by image pixels; what is nudged down becomes one move. */
  nudge(dx: number, dy: number): boolean {
    const { editor } = this;
    const row = editor.selected;
    if (!editor.isOwnCell(row)) return false;
    if (this.nudging && this.nudging.row !== row) this.endNudge();
    if (!this.nudging) editor.begin();
    const box = moved(this.nudging?.box ?? editor.cells.boxOf(row), dx, dy, editor.opened.image);
    this.nudging = { row, box };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.endNudge(), NUDGE_PAUSE_MS);
    editor.notify();
    return true;
  }

  endNudge(): void {
    clearTimeout(this.timer);
    const nudged = this.nudging;
    this.nudging = null;
    if (!nudged) return;
    const box = insideImage(nudged.box, this.editor.opened.image, 0);
    if (box && this.editor.isOwnCell(nudged.row) && !sameBox(box, this.editor.cells.boxOf(nudged.row)))
      this.editor.reshapedBox(nudged.row, box, "move");
    this.editor.notify();
  }

  /** -> the operations that were made, and how many cells they are about. */
  private doAll(drafts: Draft[]): { ops: string[]; n: number } {
    const done = { ops: [] as string[], n: 0 };
    if (drafts.length) this.editor.begin();
    for (const draft of drafts) {
      const op = this.editor.do(draft);
      if (op === null) continue;
      done.ops.push(op);
      done.n += draft.effects.length;
    }
    return done;
  }
}

/** How many open proposals were left out, and why; "" for none.
 *  `twice`: of several masks for one cell, one is accepted. */
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
  const named = reasons.filter(([n]) => n > 0);
  const n = named.reduce((sum, [count]) => sum + count, 0);
  if (!n) return "";
  const why = named.map(([count, reason]) => `${count} ${reason}`).join(", ");
  return tn(n, "{n} left out: {why}.", "{n} left out: {why}.", { why });
}
