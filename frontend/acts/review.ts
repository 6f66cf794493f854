/** Going through the proposals: in which order, and what each verdict does. */
import { t } from "../locale/locale";
import { centre } from "../geometry/box";
import type { Reason } from "../scene/contract";
import * as edits from "../scene/edits";
import { following, ordered, type Order } from "../scene/order";
import type { Workspace } from "../workspace";

export class Review {
  order: Order = "serpentine";
  /** The rejection that reason buttons would explain. */
  rejected: string | null = null;
  /** The class that accepting would give the selected proposal; undefined: the proposed one. */
  proposalClass: number | undefined;
  private walk: number[] = [];
  private stale = true;

  constructor(private readonly desk: Workspace) {}

  /** Proposals came, went or moved. */
  forgetOrder(): void {
    this.stale = true;
  }
  setOrder(order: Order): void {
    this.order = order;
    this.stale = true;
    this.desk.notify();
  }
  /** Undecided proposals and decided ones in the order of review (decided ones stay as places to go on from). */
  inOrder(): number[] {
    if (this.stale) {
      const { cells } = this.desk;
      const stops = [];
      for (let row = 0; row < cells.count; row++) {
        if (!cells.isProposal(row)) continue;
        const box = cells.boxOf(row);
        stops.push({ row, ...centre(box), height: box.y1 - box.y0, score: cells.score[row] });
      }
      this.walk = ordered(stops, this.order);
      this.stale = false;
    }
    return this.walk;
  }
  next(step: 1 | -1, from = this.desk.selected): void {
    const { desk } = this;
    const row = following(this.inOrder(), from, step, (r) => desk.cells.isUndecided(r));
    if (row >= 0) desk.select(row, true);
    else if (desk.opened.layers.some((l) => l.kind === "prediction"))
      desk.toast(t("Every proposal of this image is decided."), false);
  }

  cannotTell(): void {
    const { desk } = this;
    const row = desk.selected;
    if (row < 0 || !desk.canWrite || desk.cells.kindOf(row) !== "cell") return;
    if (desk.cells.isUndecided(row)) this.decide("cannot_tell", () => edits.cannotTell(desk.cells, row));
    else if (desk.isMineAndLive(row)) desk.do(edits.cannotTell(desk.cells, row));
  }
  accept(): void {
    const { desk } = this;
    if (desk.onProposal)
      this.decide("accept", () =>
        edits.accept(desk.cells, desk.selected, null, this.proposalClass, undefined, desk.attributes.pending),
      );
  }
  reject(): void {
    const { desk } = this;
    if (!desk.onProposal) return;
    const draft = this.decide("reject", () => edits.reject(desk.cells, desk.selected));
    if (draft) this.rejected = draft.effects[0].annotation;
    desk.notify();
  }
  giveReason(reason: Reason): void {
    const { desk } = this;
    const row = this.rejected ? desk.cells.rowOf(this.rejected) : -1;
    if (!desk.isMineAndLive(row) || desk.cells.reasonOf(row) === reason) return;
    desk.begin();
    desk.do(edits.giveReason(desk.cells, row, reason));
  }

  /** A verdict on the selected proposal, only when it has been seen; then on to the next. */
  decide(name: string, draftOf: () => edits.Draft): edits.Draft | null {
    const { desk } = this;
    if (!desk.canWrite || desk.painted !== desk.selected) return null;
    desk.recorder.record("decision", name);
    const draft = draftOf();
    const from = desk.selected; // the act lets go of it
    this.rejected = null;
    desk.do(draft);
    this.next(1, from);
    if (desk.selected >= 0 && !desk.cells.isShown(desk.selected)) desk.select(-1);
    return draft;
  }
}
