/** Going through the proposals: in which order, and what each verdict does, on proposals and on decided cells. */
import { mark, t } from "../locale/locale";
import { centre } from "../geometry/box";
import type { OpinionVerdict, Reason, OpinionContent } from "../scene/contract";
import * as edits from "../scene/edits";
import { contentOf, STATUS_OF, verdictOf } from "../scene/opinions";
import { nextInOrder, ordered, type Order } from "../scene/order";
import type { CellSelection, PendingAttributes, Verdicts } from "./interfaces";
import { observed } from "../scene/observed";
import type { Store } from "./store";

/** What a recorded opinion is answered with, by the decision that it stands beside. */
const RECORDED: Record<OpinionVerdict, string> = {
  accepted: mark("Your opinion is recorded; {name} accepted this cell."),
  rejected: mark("Your opinion is recorded; {name} rejected this cell."),
  unsure: mark("Your opinion is recorded; {name} cannot tell what this cell is."),
};
const ALREADY_GIVEN: Record<OpinionVerdict, string> = {
  accepted: mark("You have said already that you would accept this cell."),
  rejected: mark("You have said already that you would reject this cell."),
  unsure: mark("You have said already that you cannot tell what this cell is."),
};
const DECIDED_BEFORE: Record<OpinionVerdict, string> = {
  accepted: mark("You have accepted this cell already. Del deletes it, X rejects it."),
  rejected: mark("You have rejected this cell already. A accepts it after all."),
  unsure: mark("You have said already that you cannot tell what this cell is."),
};
const CHANGED: Record<OpinionVerdict, string> = {
  accepted: mark("Your decision is changed: accepted."),
  rejected: mark("Your decision is changed: rejected."),
  unsure: mark("Your decision is changed: cannot tell."),
};

type Observable = {
  order: Order;
  /** The rejection that reason buttons would explain. */
  rejected: string | null;
  /** The class that accepting would give the selected proposal; undefined: the proposed one. */
  proposalClass: number | undefined;
};
const INITIAL = (): Observable => ({ order: "serpentine", rejected: null, proposalClass: undefined });

export class Review extends observed(INITIAL) implements Verdicts {
  private walk: number[] = [];
  private stale = true;

  constructor(
    private readonly store: Store,
    private readonly selection: CellSelection,
    private readonly attributes: PendingAttributes,
  ) {
    super();
    selection.onSelect((row) => {
      if (row !== store.selected) this.proposalClass = undefined;
    });
    store.cells.watch((row, before, after) => {
      // A proposal that is decided or open again keeps its place.
      if ((before || after) && !store.cells.isMine(row)) this.stale = true;
    });
  }

  setOrder(order: Order): void {
    this.order = order;
    this.stale = true;
  }
  /** Undecided proposals and decided ones in the order of review (decided ones stay as places to go on from). */
  inOrder(): number[] {
    if (this.stale) {
      const { cells } = this.store;
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
  next(step: 1 | -1, from = this.store.selected): void {
    const { store } = this;
    const row = nextInOrder(this.inOrder(), from, step, (r) => store.cells.isUndecided(r));
    if (row >= 0) this.selection.select(row, true);
    else if (!this.inOrder().length) store.toasts.show(t("There are no proposals on this image."));
    else if (!store.onProposal) store.toasts.show(t("Every proposal of this image is decided."));
    else store.toasts.show(t("This is the only proposal that is still open."));
  }

  accept(): void {
    const { store } = this;
    if (!store.onProposal) this.judge("accepted");
    else
      this.decide("accept", () =>
        edits.accept(
          store.cells,
          store.selected,
          null,
          this.proposalClass,
          undefined,
          this.attributes.pending,
        ),
      );
  }
  reject(): void {
    const { store } = this;
    if (!store.onProposal) {
      this.judge("rejected");
      return;
    }
    const draft = this.decide("reject", () => edits.reject(store.cells, store.selected));
    if (draft) this.rejected = draft.effects[0].annotation;
  }
  cannotTell(): void {
    const { store } = this;
    if (!store.onProposal) this.judge("unsure");
    else this.decide("cannot_tell", () => edits.cannotTell(store.cells, store.selected));
  }

  giveReason(reason: Reason): void {
    const { store } = this;
    const row = this.rejected ? store.cells.rowOf(this.rejected) : -1;
    if (!store.isMineAndLive(row) || store.cells.reasonOf(row) === reason) return;
    store.begin();
    store.commit(edits.giveReason(store.cells, row, reason));
  }

  // Decided cells

  /** Whether this person has decided the cell; where nobody is known to have, anybody may change it. */
  isOwnDecision(row: number): boolean {
    const { decider } = this.store.cells;
    return decider[row] === this.store.opened.person.id || decider[row] === 0;
  }

  /** A verdict on a decided cell: on the own decision it changes it, on somebody else's it is an opinion. */
  private judge(verdict: OpinionVerdict): void {
    const row = this.store.decidedRow;
    if (row < 0) return; // commands/availability.ts explains it
    this.store.begin();
    if (this.isOwnDecision(row)) this.changeOwn(row, verdict);
    else this.giveOpinion(row, { verdict });
  }

  private changeOwn(row: number, verdict: OpinionVerdict): void {
    const { store } = this;
    const { cells } = store;
    const isTheSame = verdictOf(cells.statusOf(row)) === verdict;
    const takesMarkOff = isTheSame && verdict === "unsure";
    if (isTheSame && !takesMarkOff) {
      store.toasts.show(t(DECIDED_BEFORE[verdict]));
      return;
    }
    if (verdict === "rejected" && !cells.derivedFrom(row)) {
      this.removeDrawn(row);
      return;
    }
    const proposal = cells.rowOf(cells.derivedFrom(row) ?? "");
    const draft = takesMarkOff
      ? edits.cannotTell(cells, row)
      : edits.redecide(cells, row, STATUS_OF[verdict]);
    const op = store.commit(draft);
    if (op === null) return;
    this.rejected = verdict === "rejected" ? draft.effects[draft.effects.length - 1].annotation : null;
    const shown = cells.rowOf(draft.effects[0].annotation);
    if (cells.isShown(shown)) this.selection.select(shown);
    else this.selection.select(proposal);
    store.toasts.show(t(takesMarkOff ? CHANGED.accepted : CHANGED[verdict]), [op]);
  }

  /** No proposal stands behind a cell that a person drew: to say that it is no cell is to take it away. */
  private removeDrawn(row: number): void {
    const { store } = this;
    const op = store.commit(edits.remove(store.cells, row));
    this.selection.select(-1);
    if (op) store.toasts.show(t("Deleted: this cell was drawn, so there is no proposal to reject."), [op]);
  }

  /** This person's opinion on a cell that somebody else has decided; parts that are not given stay as they were. */
  giveOpinion(row: number, part: Partial<OpinionContent>): void {
    const { store } = this;
    const { cells } = store;
    const annotation = cells.idOf(row);
    const known = cells.opinions.by(annotation, store.opened.person.id);
    const before = contentOf(known);
    const after = amended(before, part);
    if (!after) return;
    if (before && JSON.stringify(before) === JSON.stringify(after)) {
      store.toasts.show(t(ALREADY_GIVEN[after.verdict]));
      return;
    }
    const op = store.commit(edits.opinion(annotation, known?.last_op ?? null, after));
    if (op === null) return;
    const decision = verdictOf(cells.statusOf(row)) ?? "accepted";
    store.toasts.show(t(RECORDED[decision], { name: store.nameOf(cells.decider[row]) }), [op]);
  }

  /** A verdict on the selected proposal, only when it has been seen; then on to the next. */
  decide(name: string, draftOf: () => edits.Draft): edits.Draft | null {
    const { store } = this;
    if (!store.canWrite) return null;
    if (store.painted !== store.selected) {
      store.toasts.show(t("Not taken: the proposal was not on the screen yet. Press again."));
      return null;
    }
    store.recorder.record("decision", name);
    const draft = draftOf();
    const from = store.selected; // the act lets go of it
    this.rejected = null;
    store.commit(draft);
    if (store.overview.counts.undecided) this.next(1, from);
    else store.toasts.show(t("Every proposal of this image is decided."));
    if (store.selected >= 0 && !store.cells.isShown(store.selected)) this.selection.select(-1);
    return draft;
  }
}

/** An opinion with `part` of it changed; a class and a reason stay with the verdict that they were given for. Null: no
 *  verdict was given, before or now. */
function amended(before: OpinionContent | null, part: Partial<OpinionContent>): OpinionContent | null {
  const verdict = part.verdict ?? before?.verdict;
  if (!verdict) return null;
  const kept = before?.verdict === verdict ? before : null;
  return {
    verdict,
    label_class: part.label_class ?? kept?.label_class ?? null,
    reason: part.reason ?? kept?.reason ?? "",
  };
}
