/** What the server's verdict does to an own operation: it stays, is taken back, is sent again, or asks the person.
 *
 *  When somebody else has changed an annotation since (stale), nothing is overwritten on either side: the own version
 *  stays in the picture and a conflict asks for mine or theirs. */
import { mark, t } from "../locale/locale";
import type {
  Action,
  AnnotationState,
  Current,
  EffectIn,
  OperationIn,
  Verdict,
  ViewIn,
} from "../scene/contract";
import { opinion, type Draft } from "../scene/edits";
import type { History } from "../scene/history";
import { verdictOf } from "../scene/opinions";
import type { Waiting } from "./outbox";
import type { OwnLayer } from "./own_layer";

export type Conflict = {
  readonly annotation: string;
  readonly action: Action;
  readonly theirs: Current;
  /** Who acted; null: not known, and then nobody is named. */
  readonly by: string | null;
};
/** When an act began and ended on the page's clock (ms), and the activity events that it rests on. */
export type Timing = {
  begun_ms: number;
  committed_ms: number;
  activity: [number, number] | null;
  view?: ViewIn;
};
/** What follows from a verdict. */
export type Consequences = {
  readonly commit: (draft: Draft, timing: Timing) => string;
  readonly notify: (text: string) => void;
  /** Ask mine or theirs. */
  readonly ask: (conflict: Conflict) => void;
  /** The log has to be asked for the head of an annotation. */
  readonly requestHead: (annotation: string) => void;
};

/** The notice for an act that is kept without what the project no longer has, by the field of the state. */
const WENT_AWAY = {
  label_class: mark(
    "This class has been removed from the project meanwhile. What you drew is kept, without a class.",
  ),
  attributes: mark(
    "An attribute or one of its values has been removed from the project meanwhile. What you drew is kept, without it.",
  ),
};

export class Verdicts {
  /** What stands in the place of an own act that was rejected, by `place`: the act that sent it again, or null where
   *  nothing of it was left. */
  private readonly instead = new Map<string, string | null>();

  constructor(
    private readonly own: OwnLayer,
    private readonly history: History,
    private readonly then: Consequences,
  ) {}

  /** isChosen: the person has chosen between the two versions already, so a stale operation asks nothing. */
  settle(verdict: Verdict, waiting: Waiting, isChosen: boolean): void {
    switch (verdict.verdict) {
      case "accepted":
      case "repeated":
        this.settleSaved(verdict);
        break;
      case "stale":
        this.settleStale(verdict, waiting, isChosen);
        break;
      case "invalid":
        this.settleInvalid(verdict, waiting);
        break;
      case "kept":
        this.takeBack(verdict, waiting);
        this.then.notify(t("Not in the picture: {detail}", { detail: verdict.error?.detail ?? "" }));
        break;
    }
  }

  private settleSaved(verdict: Verdict): void {
    const { cells } = this.own;
    for (const now of verdict.current) {
      const row = cells.rowOf(now.annotation);
      if (row < 0) continue;
      if (cells.lastOp(row) === now.last_op) cells.version[row] = now.version;
      // Saved long ago, and somebody has acted on top of it since.
      // An own later act in the picture is decided by its own verdict, which may follow in the same answer.
      else if (verdict.verdict === "repeated" && cells.lastOp(row) === verdict.op_id) this.own.adopt(now);
    }
  }

  private settleStale(verdict: Verdict, waiting: Waiting, isChosen: boolean): void {
    this.history.forget(verdict.op_id);
    this.own.unsettle(waiting.operation, verdict.op_id);
    if (!isChosen && !this.restsOnAnother(waiting)) this.standsBack(verdict, waiting);
  }

  private settleInvalid(verdict: Verdict, waiting: Waiting): void {
    this.takeBack(verdict, waiting);
    if (this.isSecondVerdict(verdict, waiting) || this.withoutWhatWentAway(verdict, waiting)) return;
    this.then.notify(
      t("Not saved, and taken back: {detail}", {
        detail: verdict.error?.detail ?? t("the server found it invalid"),
      }),
    );
  }

  /** What the server did not take leaves the picture. */
  private takeBack(verdict: Verdict, waiting: Waiting): void {
    const { own } = this;
    const { effects, opinions = [], committed_at } = waiting.operation;
    this.history.forget(verdict.op_id);
    own.unsettle(waiting.operation, verdict.op_id);
    for (const now of currentOf(verdict, waiting)) {
      const onIt = effects.filter((e) => e.annotation === now.annotation);
      if (!onIt.some((e) => this.instead.has(place(e.seen, e)))) own.adopt(now);
    }
    for (const e of opinions) own.putOpinion(e.annotation, null, own.person, verdict.op_id, committed_at);
  }

  // Sent again

  /** Stale for no more than that the own act before it was rejected: it is sent on top of what stands there instead. */
  private restsOnAnother({ operation }: Waiting): boolean {
    if (!operation.effects.some((e) => this.instead.has(place(e.seen, e)))) return false;
    this.sendAgain(operation, operation.effects);
    return true;
  }

  /** A class or an attribute's value was taken from the project while somebody drew with it: the cell is worth more,
   *  and is sent with what it had of them before. False when nothing else would be left of the act. */
  private withoutWhatWentAway(verdict: Verdict, { operation }: Waiting): boolean {
    const { own } = this;
    const field = verdict.error?.field;
    if (field !== "label_class" && field !== "attributes") return false;
    const kept = operation.effects.map((e) => {
      const before = own.stateOf(e.annotation);
      const patch =
        field === "label_class"
          ? { label_class: before?.label_class ?? null }
          : { attributes: before?.attributes ?? {} };
      return { ...e, after: e.after && { ...e.after, ...patch } };
    });
    const isChanged = kept.some((e, i) => !same(e.after, operation.effects[i].after));
    if (!isChanged || kept.every((e) => same(e.after, own.stateOf(e.annotation)))) {
      for (const e of operation.effects) this.instead.set(place(operation.op_id, e), this.seenNow(e));
      return false;
    }
    this.sendAgain(operation, kept);
    this.then.notify(t(WENT_AWAY[field]));
    return true;
  }

  private sendAgain(operation: OperationIn, effects: readonly EffectIn[]): void {
    const { action, tool, settles } = operation;
    const carried = effects.map((e) => ({ ...e, seen: this.seenNow(e) }));
    const draft = { action, tool, effects: carried, ...(settles ? { settles } : {}) };
    const op_id = this.then.commit(draft, operation);
    for (const e of effects) this.instead.set(place(operation.op_id, e), op_id);
  }

  private seenNow(effect: EffectIn): string | null {
    const now = this.instead.get(place(effect.seen, effect));
    return now === undefined ? effect.seen : now;
  }

  // Somebody else was first

  /** Somebody else has acted on what an own operation was about. Each of its cells is settled for itself: one stale
   *  cell of a bulk act is no reason to lose the others. */
  private standsBack(verdict: Verdict, waiting: Waiting): void {
    const { operation } = waiting;
    const { cells, layer } = this.own;
    for (const e of operation.opinions ?? []) this.opinionStandsBack(e.annotation, verdict);
    const now = currentOf(verdict, waiting);
    const isFresh = (e: EffectIn, i: number) =>
      now[i].last_op === e.seen && !holderOf(e, verdict.current) && operation.action === "bulk";
    const fresh = operation.effects.filter(isFresh);
    operation.effects.forEach((e, i) => {
      if (!fresh.includes(e)) this.stale(e, now[i], verdict, operation.action);
    });
    if (!fresh.length) return;
    for (const e of fresh) cells.put(layer.index, e.annotation, serverState(e, now), e.seen);
    this.sendAgain(operation, fresh);
  }

  /** The cell that an opinion was about is gone, or another page of this person has said something else of it. */
  private opinionStandsBack(annotation: string, verdict: Verdict): void {
    const { own } = this;
    const now = verdict.current.find((c) => c.annotation === annotation);
    own.putOpinion(annotation, null, own.person, verdict.op_id, new Date().toISOString());
    this.then.requestHead(annotation);
    if (now) own.adoptUnlessAhead(now);
    this.then.notify(
      now?.state
        ? t("Your opinion was not recorded: you have said something else of this cell in another window.")
        : t("Your opinion was not recorded: the cell has been deleted meanwhile."),
    );
  }

  private stale(effect: EffectIn, theirs: Current, verdict: Verdict, action: Action): void {
    const { own } = this;
    const mine = own.stateOf(theirs.annotation);
    const holder = holderOf(effect, verdict.current);
    if (theirs.last_op === null || holder) {
      if (own.cells.rowOf(theirs.annotation) >= 0) own.adopt(theirs);
      if (holder) this.giveWay(effect, holder, action);
      else
        this.then.notify(
          t("Not kept: the server does not have the cell that you changed, or has it no more."),
        );
      return;
    }
    if (same(mine, theirs.state)) {
      own.adopt(theirs, theirs.author?.id);
      return;
    }
    this.then.ask({ annotation: theirs.annotation, action, theirs, by: own.nameOf(theirs) });
  }

  /** The cell had been decided by somebody else, which this page did not know: the verdict is sent as an opinion. */
  private isSecondVerdict(verdict: Verdict, waiting: Waiting): boolean {
    if (verdict.error?.code !== "decided_by_another") return false;
    const now = currentOf(verdict, waiting);
    waiting.operation.effects.forEach((e, i) => {
      if (e.after && e.after.status !== now[i].state?.status)
        this.giveWay(e, now[i], waiting.operation.action);
    });
    return true;
  }

  /** A proposal was decided by somebody else first. Their decision stands; the own verdict is kept as an opinion. */
  private giveWay(effect: EffectIn, holder: Current, action: Action): void {
    const { own, then } = this;
    own.adoptUnlessAhead(holder);
    own.cells.setDecider(holder.annotation, holder.decided_by);
    const ownVerdict = effect.after && verdictOf(effect.after.status);
    if (!holder.author || holder.decided_by === own.person.id || !ownVerdict) {
      then.notify(t("You had decided this proposal already, in another window; that decision stands."));
      return;
    }
    // An undo or a redo that comes too late says nothing new.
    const isVerdict = action !== "undo" && action !== "redo";
    if (isVerdict) {
      const seen = own.cells.opinions.by(holder.annotation, own.person.id)?.last_op ?? null;
      const { label_class, reason } = effect.after as AnnotationState;
      const now = performance.now();
      then.commit(opinion(holder.annotation, seen, { verdict: ownVerdict, label_class, reason }), {
        begun_ms: now,
        committed_ms: now,
        activity: null,
      });
    }
    const name = own.nameOf(holder) ?? "";
    then.notify(
      isVerdict
        ? t("{name} had decided this proposal already. Your verdict is kept as an opinion.", { name })
        : t("{name} had decided this proposal already; that decision stands.", { name }),
    );
  }
}

/** The server's state of every annotation the operation touched; what it does not name does not exist there. */
function currentOf(verdict: Verdict, waiting: Waiting): Current[] {
  const current = new Map(verdict.current.map((c) => [c.annotation, c]));
  return waiting.operation.effects.map(
    (e) => current.get(e.annotation) ?? { annotation: e.annotation, version: 0, last_op: null, state: null },
  );
}

const serverState = (effect: EffectIn, now: readonly Current[]): AnnotationState | null =>
  now.find((c) => c.annotation === effect.annotation)?.state ?? null;

/** The annotation of somebody else that holds the proposal which an effect wanted to decide. */
function holderOf(effect: EffectIn, current: readonly Current[]): Current | undefined {
  const proposal = effect.after?.derived_from;
  if (!proposal) return undefined;
  return current.find((c) => c.annotation !== effect.annotation && c.state?.derived_from === proposal);
}

const place = (op_id: string | null, effect: EffectIn): string => `${op_id} ${effect.annotation}`;

/** The same to a person: provenance is the server's, and does not count. */
export function same(a: AnnotationState | null, b: AnnotationState | null): boolean {
  if (!a || !b) return a === b;
  const mask = (s: AnnotationState) =>
    s.mask && [s.mask.x, s.mask.y, s.mask.width, s.mask.height, s.mask.bits];
  // The server may order attributes otherwise.
  const details = (s: AnnotationState) => [Object.entries(s.attributes ?? {}).sort(), s.parent ?? null];
  const bare = (s: AnnotationState) =>
    JSON.stringify([s.kind, s.status, s.label_class, s.box, mask(s), s.derived_from, s.reason, details(s)]);
  return bare(a) === bare(b);
}
