/** Acts on several cells at once, and the ones that make several of one: each is one operation, and undone as one. */
import { t, tn } from "../locale/locale";
import { insideImage, moved, overlap, sameBox, type Box } from "../geometry/box";
import type { Vertex } from "../geometry/polygon";
import * as bulk from "../scene/bulk";
import type { LabelClass } from "../scene/contract";
import type { Draft } from "../scene/edits";
import type { Cells } from "../scene/cells";
import { inView, LEAST_SIDE, shorterSide, type Seen } from "../scene/seen";
import type { CellDrawing, CellSelection, Splitting, ViewPort } from "./interfaces";
import { observed } from "../scene/observed";
import type { Store } from "./store";

const NUDGE_PAUSE_MS = 500;

export type BulkVerdict = "accept" | "reject";
const DRAFTS_OF = { accept: bulk.acceptAll, reject: bulk.rejectAll } as const;
const NONE_DECIDED = { accept: () => t("None accepted."), reject: () => t("None rejected.") } as const;

function decidedWords(verdict: BulkVerdict, n: number): string {
  if (verdict === "reject")
    return tn(
      n,
      "{n} rejected, recorded as rejected in bulk.",
      "{n} rejected, recorded as rejected in bulk.",
    );
  return tn(n, "{n} accepted, recorded as accepted in bulk.", "{n} accepted, recorded as accepted in bulk.");
}

type Observable = {
  /** A box on its way by the arrow keys, not yet an operation. */
  nudging: { readonly row: number; readonly box: Box } | null;
};

export class MultiSelect extends observed((): Observable => ({ nudging: null })) implements Splitting {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly view: ViewPort,
    private readonly selection: CellSelection,
    private readonly drawing: CellDrawing,
  ) {
    super();
    selection.onSelect(() => this.endNudge());
  }

  remove(): void {
    const done = this.doAll(bulk.removeAll(this.store.cells, this.store.multiSelected));
    this.selection.selectSeveral([]);
    if (done.n) this.store.toasts.show(tn(done.n, "{n} cell deleted.", "{n} cells deleted."), done.ops);
    else
      this.store.toasts.show(
        t("None of these cells is yours to delete. Proposals are rejected, not deleted."),
      );
  }

  classify(chosen: LabelClass): void {
    const { name } = chosen;
    const done = this.doAll(bulk.classifyAll(this.store.cells, this.store.multiSelected, chosen.id));
    if (done.n)
      this.store.toasts.show(tn(done.n, "{n} cell: {name}.", "{n} cells: {name}.", { name }), done.ops);
    else
      this.store.toasts.show(
        t("Nothing changed: these are {name} already, or not cells of yours.", { name }),
      );
  }

  /** Only what has stood on the screen: nobody judges a mask that nobody has seen. */
  accept(): void {
    this.decideRows(this.store.multiSelected, "lasso", "accept");
    this.selection.selectSeveral([]);
  }
  reject(): void {
    this.decideRows(this.store.multiSelected, "lasso", "reject");
    this.selection.selectSeveral([]);
  }

  /** Review by exception: what is in view, was shown large enough and is not decided otherwise is recorded as decided
   *  in bulk. */
  decideInView(verdict: BulkVerdict): void {
    const visible = this.view.visible();
    const touching = this.store.cells
      .near(visible)
      .filter((row) => overlap(this.store.cells.extent(row), visible));
    this.decideRows(touching, "viewport", verdict);
  }

  private decideRows(rows: readonly number[], tool: "lasso" | "viewport", verdict: BulkVerdict): void {
    const { store } = this;
    if (store.opened.study && !store.opened.study.accepts_many) {
      store.toasts.show(t("In this study each proposal is decided on its own."));
      return;
    }
    const { cells } = store;
    const open = rows.filter((row) => cells.isUndecided(row) && cells.isShown(row));
    if (!open.length) {
      store.toasts.show(t("There is no open proposal among these."));
      return;
    }
    const inWhole = new Set(tool === "viewport" ? inView(cells, this.view.visible()) : open);
    const seen = open.filter((row) => inWhole.has(row) && store.seen.has(row));
    const drafts = DRAFTS_OF[verdict](cells, seen, tool);
    const twice = seen.length - drafts.reduce((n, draft) => n + draft.effects.length, 0);
    // Counted before: what is decided has to be seen anew.
    const left = leftOut(open, inWhole, store.seen, this.view.camera.scale, cells, twice);
    const done = this.doAll(drafts);
    if (done.n) store.recorder.record("decision", verdict);
    const head = done.n ? decidedWords(verdict, done.n) : NONE_DECIDED[verdict]();
    store.toasts.show([head, left].filter((sentence) => sentence !== "").join(" "), done.ops);
  }

  merge(): void {
    const { store } = this;
    const draft = bulk.merge(store.cells, store.multiSelected, store.opened.image);
    if (!draft) {
      store.toasts.show(t("Select at least two of your own cells to merge them."));
      return;
    }
    const op = store.commit(draft);
    this.selection.selectSeveral([]);
    this.selection.select(store.cells.rowOf(draft.effects[0].annotation));
    if (op) store.toasts.show(t("{n} cells merged into one.", { n: draft.effects.length }), [op]);
  }

  split(row: number, path: readonly Vertex[]): void {
    const { store } = this;
    const mine = store.isOwnCell(row);
    if (!mine && !store.cells.isUndecided(row)) {
      store.toasts.show(t("Only your own cells and open proposals can be split."));
      return;
    }
    const draft = bulk.split(store.cells, row, path);
    if (!draft) {
      store.toasts.show(t("The cut does not go all the way through the cell."));
      return;
    }
    const op = store.commit(draft);
    this.selection.select(store.cells.rowOf(draft.effects[0].annotation));
    if (op) store.toasts.show(t("Split into {n} cells.", { n: draft.effects.length }), [op]);
  }

  /** Arrow keys: by image pixels; what is nudged down becomes one move. */
  nudge(dx: number, dy: number): boolean {
    const { store } = this;
    const row = store.selected;
    if (!store.isOwnCell(row)) return false;
    if (this.nudging && this.nudging.row !== row) this.endNudge();
    if (!this.nudging) store.begin();
    const box = moved(this.nudging?.box ?? store.cells.boxOf(row), dx, dy, store.opened.image);
    this.nudging = { row, box };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.endNudge(), NUDGE_PAUSE_MS);
    return true;
  }

  endNudge(): void {
    clearTimeout(this.timer);
    const nudged = this.nudging;
    this.nudging = null;
    if (!nudged) return;
    const box = insideImage(nudged.box, this.store.opened.image, 0);
    if (box && this.store.isOwnCell(nudged.row) && !sameBox(box, this.store.cells.boxOf(nudged.row)))
      this.drawing.reshapeBox(nudged.row, box, "move");
  }

  /** -> the operations that were made, and how many cells they are about. */
  private doAll(drafts: Draft[]): { ops: string[]; n: number } {
    const done = { ops: [] as string[], n: 0 };
    if (drafts.length) this.store.begin();
    for (const draft of drafts) {
      const op = this.store.commit(draft);
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
