/** The layer that this person writes: own acts go in at once and to the outbox, others' acts come from the log's tail.
 *
 *  What is drawn is always the server's state plus the own acts that are still on their way. When the server finds
 *  that somebody else has changed an annotation since (stale), nothing is overwritten on either side: the own version
 *  stays in the picture and a conflict asks for mine or theirs. */
import { batch } from "@preact/signals-core";
import { mark, t } from "../locale/locale";
import type { Cells } from "../scene/cells";
import type {
  Action,
  Current,
  EffectIn,
  Head,
  OperationIn,
  OperationOut,
  Person,
  OpinionContent,
  AnnotationState,
  Tail,
  Verdict,
} from "../scene/contract";
import { opinion, type Draft } from "../scene/edits";
import type { Heads, History } from "../scene/history";
import type { Change } from "../scene/operation_summary";
import { observed } from "../scene/observed";
import { contentOf, verdictOf } from "../scene/opinions";
import { uuid7 } from "../scene/uuid";
import type { Waiting } from "./outbox";

export type Conflict = {
  readonly annotation: string;
  readonly action: Action;
  readonly theirs: Current;
  /** Who acted; null: not known, and then nobody is named. */
  readonly by: string | null;
};
/** When an act began and ended on the page's clock (ms), and the activity events that it rests on. */
export type Timing = { begun_ms: number; committed_ms: number; activity: [number, number] | null };
export type Outbox = {
  add: (layer: string, image: number, operation: OperationIn) => Promise<void>;
  left: () => readonly Waiting[];
  unsettled: (layer: string) => readonly Waiting[];
  settle: (op_ids: ReadonlySet<string>) => Promise<void>;
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

type Observable = { conflicts: readonly Conflict[] };

export class Log extends observed((): Observable => ({ conflicts: [] })) {
  seq: number;
  private readonly settled = new Set<string>();
  /** Stale operations that have been read: the outbox marks all of a batch before it reports the first one. */
  private readonly answered = new Set<string>();
  /** What stands in the place of an own act that was rejected, by `place`: the act that sent it again, or null where
   *  nothing of it was left. */
  private readonly instead = new Map<string, string | null>();
  private readonly actors = new Map<string, Person>();
  private readonly names = new Map<number, string>();
  /** Own operations that the history knows, of this page and of others. */
  private readonly recorded = new Set<string>();
  /** Annotations whose conflict needs the log: the pack does not have them. */
  private unsure: string[] = [];

  constructor(
    private readonly cells: Cells,
    private readonly layer: { readonly id: string; readonly index: number; readonly seq: number },
    private readonly image: number,
    private readonly person: Person,
    private readonly session: string,
    private readonly history: History,
    private readonly outbox: Outbox,
    private readonly notify: (text: string) => void,
  ) {
    super();
    this.seq = layer.seq;
  }

  /** Do an act: into the picture now, to the server as soon as it answers. Returns the operation's id. */
  commit(draft: Draft, timing: Timing): string {
    const op_id = uuid7();
    const now = Date.now();
    const operation: OperationIn = {
      op_id,
      action: draft.action,
      tool: draft.tool,
      session: this.session,
      begun_at: new Date(now - (timing.committed_ms - timing.begun_ms)).toISOString(),
      committed_at: new Date(now).toISOString(),
      begun_ms: timing.begun_ms,
      committed_ms: timing.committed_ms,
      activity: timing.activity,
      undoes: draft.undoes ?? null,
      effects: draft.effects,
      ...(draft.opinions ? { opinions: draft.opinions } : {}),
      ...(draft.settles ? { settles: draft.settles } : {}),
    };
    this.take(operation);
    void this.outbox.add(this.layer.id, this.image, operation);
    return op_id;
  }

  /** An own operation goes into the picture and into the history. */
  private take(operation: OperationIn): void {
    batch(() => this.takeAtOnce(operation));
  }
  private takeAtOnce(operation: OperationIn): void {
    const { op_id, effects, opinions = [] } = operation;
    const changes: Change[] = effects.map((e) => ({ ...e, before: this.stateOf(e.annotation) }));
    for (const e of effects)
      this.cells.put(this.layer.index, e.annotation, e.after, op_id, undefined, this.person.id);
    for (const e of opinions) {
      changes.push({ ...e, opinion: true, before: this.ownOpinion(e.annotation) });
      this.putOpinion(e.annotation, e.after, this.person, op_id, operation.committed_at);
    }
    this.takeSettled(operation);
    this.record(operation, changes);
  }

  /** What an overrule settles, or what the undo of one makes count again. */
  private takeSettled(operation: OperationIn | OperationOut): void {
    for (const { annotation, author } of operation.settles ?? []) {
      const known = this.cells.opinions.by(annotation, author);
      if (known) this.cells.giveOpinion(annotation, { ...known, settled_by: operation.op_id });
    }
    if (operation.action !== "undo" || !operation.undoes) return;
    for (const { annotation } of operation.effects)
      for (const known of this.cells.opinions.on(annotation))
        if (known.settled_by === operation.undoes)
          this.cells.giveOpinion(annotation, { ...known, settled_by: null });
  }

  private record(operation: OperationIn | OperationOut, changes: Change[]): void {
    if (this.recorded.has(operation.op_id)) return;
    this.recorded.add(operation.op_id);
    const { op_id, action, tool, undoes } = operation;
    this.history.record({ op_id, action, tool, undoes, changes });
  }

  private putOpinion(
    annotation: string,
    content: OpinionContent | null,
    author: Person,
    op_id: string,
    given_at: string,
  ): void {
    const nothing = { verdict: "" as const, label_class: null, reason: "" as const };
    this.cells.giveOpinion(annotation, { author, given_at, last_op: op_id, ...(content ?? nothing) });
  }

  private ownOpinion(annotation: string): OpinionContent | null {
    return contentOf(this.cells.opinions.by(annotation, this.person.id));
  }

  /** The last operation on an annotation, or on the own opinion of it; undefined: not in memory. */
  readonly headOf: Heads = ({ annotation, opinion: isOpinion }) => {
    if (!isOpinion) return this.cells.headOf(annotation);
    const row = this.cells.rowOf(annotation);
    if (row < 0 || !this.cells.live[row]) return undefined; // opinions on a deleted cell are in the log only
    return this.cells.opinions.by(annotation, this.person.id)?.last_op ?? null;
  };

  private rememberActor(op_id: string, author: Person): void {
    this.actors.set(op_id, author);
    this.names.set(author.id, author.name);
  }
  nameOfPerson(person: number): string | undefined {
    return this.names.get(person);
  }
  /** Who has done an operation, as far as this page has heard. */
  actorOf(op_id: string | null): Person | null {
    return (op_id !== null && this.actors.get(op_id)) || null;
  }

  /** What the log says of an annotation, unless an own act on it is still on its way or something newer is known. */
  learn(head: Head): void {
    batch(() => this.learnAtOnce(head));
  }
  private learnAtOnce(head: Head): void {
    if (head.operation && head.last_op) this.rememberActor(head.last_op, head.operation.author);
    this.learnOpinions(head);
    const open = this.conflictOf(head.annotation);
    if (open) this.ask({ ...open, theirs: head, by: head.operation?.author.name ?? open.by });
    else this.adoptUnlessAhead(head);
  }

  private conflictOf(annotation: string): Conflict | undefined {
    return this.conflicts.find((conflict) => conflict.annotation === annotation);
  }
  /** Ask mine or theirs; an open question about the same cell is replaced where it stands. */
  private ask(conflict: Conflict): void {
    const known = this.conflictOf(conflict.annotation);
    if (known) this.conflicts = this.conflicts.map((one) => (one === known ? conflict : one));
    else this.conflicts = [...this.conflicts, conflict];
  }
  private close(conflict: Conflict): void {
    this.conflicts = this.conflicts.filter((one) => one !== conflict);
  }

  private learnOpinions({ annotation, opinions }: Head): void {
    for (const one of opinions)
      if (one.author.id !== this.person.id || !this.isOnItsWay(annotation))
        this.cells.giveOpinion(annotation, one);
  }

  /** Ask the log about the conflicts of which it is not known who deleted the cell. Nothing is lost when it does not
   *  answer: then the question names nobody. */
  async askAboutConflicts(ask: (annotations: readonly string[]) => Promise<Head[]>): Promise<void> {
    const asked = this.unsure;
    this.unsure = [];
    if (!asked.length) return;
    try {
      const heads = await ask(asked);
      batch(() => heads.forEach((head) => this.learn(head)));
    } catch {
      this.unsure = asked;
    }
  }

  /** The layer's last operations up to what was loaded: the own ones among them can be undone on this page too. They
   *  also tell of annotations that the pack does not have because they are deleted. */
  remember(tail: Tail): void {
    const last = new Map<string, string>();
    const deleted = new Map<string, { op_id: string; version: number }>();
    for (const operation of tail.operations) {
      if (operation.seq > this.seq) break; // these come again when the log is followed
      const changes = changesOf(operation, last);
      for (const e of operation.effects) {
        last.set(e.annotation, operation.op_id);
        if (e.after) deleted.delete(e.annotation);
        else deleted.set(e.annotation, { op_id: operation.op_id, version: e.version });
      }
      for (const e of operation.opinions ?? []) last.set(opinionKey(e, operation.author), operation.op_id);
      this.rememberActor(operation.op_id, operation.author);
      if (operation.author.id === this.person.id) this.record(operation, changes);
    }
    for (const [annotation, { op_id, version }] of deleted)
      if (this.cells.rowOf(annotation) < 0)
        this.cells.put(this.layer.index, annotation, null, op_id, version);
  }

  /** What an earlier page left in the outbox goes on top of the server's state, in order: the same picture as before.
   *  Also what the server will call stale: the own version has to be there when the conflict asks about it. */
  replay(waiting: readonly Waiting[]): void {
    batch(() => {
      for (const { layer, operation } of waiting) {
        if (layer !== this.layer.id || this.actors.has(operation.op_id)) continue; // saved, only its answer was lost
        this.take(operation);
      }
    });
  }

  /** Conflicts that an earlier page left open: the own version is in the picture again, and the question with it. */
  reopen(): void {
    for (const { operation, theirs } of this.outbox.unsettled(this.layer.id)) {
      this.answered.add(operation.op_id);
      for (const e of operation.effects) {
        const known = theirs?.find((t) => t.annotation === e.annotation);
        // What never came to be on the server leaves nothing to choose.
        if (known && known.last_op !== null) this.reopenOn(e, operation, known);
      }
    }
    this.letGo();
  }

  /** `known`: what the server had when it rejected the effect. */
  private reopenOn(effect: EffectIn, operation: OperationIn, known: Current): void {
    const { annotation, after } = effect;
    const earlier = this.conflictOf(annotation);
    const here = this.shownOf(annotation);
    // What the pack does not have has been deleted, and by whom the log is asked (askAboutConflicts).
    if (!earlier && !here) this.unsure.push(annotation);
    const now = earlier?.theirs ?? here ?? { ...known, state: null };
    if (earlier) this.close(earlier); // a later act on the same cell
    if (same(after, now.state)) {
      if (earlier) this.adopt(now);
      return;
    }
    this.cells.put(this.layer.index, annotation, after, operation.op_id, undefined, this.person.id);
    const by = here ? this.nameOf(now) : null;
    this.ask({ annotation, action: operation.action, theirs: now, by });
  }

  /** An annotation as the picture has it; null: it is not there. */
  private shownOf(annotation: string): Current | null {
    const { cells } = this;
    const row = cells.rowOf(annotation);
    if (row < 0) return null;
    return {
      annotation,
      version: cells.version[row],
      last_op: cells.lastOp(row),
      state: this.stateOf(annotation),
    };
  }

  /** What the outbox keeps for a choice that is made, or need not be made, need not be kept. */
  private letGo(): void {
    const open = new Set(this.conflicts.map((c) => c.annotation));
    const answered = this.outbox.unsettled(this.layer.id).filter((w) => this.answered.has(w.operation.op_id));
    const done = answered.filter((w) => !w.operation.effects.some((e) => open.has(e.annotation)));
    if (done.length) void this.outbox.settle(new Set(done.map((w) => w.operation.op_id)));
  }

  /** The server's answer for one of the own operations. */
  settle(verdict: Verdict, waiting: Waiting): void {
    if (waiting.layer === this.layer.id) batch(() => this.settleAtOnce(verdict, waiting));
  }
  private settleAtOnce(verdict: Verdict, waiting: Waiting): void {
    switch (verdict.verdict) {
      case "accepted":
      case "repeated":
        this.settleSaved(verdict);
        break;
      case "stale":
        this.settleStale(verdict, waiting);
        break;
      case "invalid":
        this.settleInvalid(verdict, waiting);
        break;
      case "kept":
        this.takeBack(verdict, waiting);
        this.notify(t("Not in the picture: {detail}", { detail: verdict.error?.detail ?? "" }));
        break;
    }
  }

  private settleSaved(verdict: Verdict): void {
    const { cells } = this;
    for (const now of verdict.current) {
      const row = cells.rowOf(now.annotation);
      if (row < 0) continue;
      if (cells.lastOp(row) === now.last_op) cells.version[row] = now.version;
      // Saved long ago, and somebody has acted on top of it since.
      // An own later act in the picture is decided by its own verdict, which may follow in the same answer.
      else if (verdict.verdict === "repeated" && cells.lastOp(row) === verdict.op_id) this.adopt(now);
    }
  }

  private settleStale(verdict: Verdict, waiting: Waiting): void {
    this.history.forget(verdict.op_id);
    this.answered.add(verdict.op_id);
    if (!this.settled.delete(verdict.op_id) && !this.restsOnAnother(waiting))
      this.standsBack(verdict, waiting);
    this.letGo();
  }

  private settleInvalid(verdict: Verdict, waiting: Waiting): void {
    this.takeBack(verdict, waiting);
    if (this.isSecondVerdict(verdict, waiting) || this.withoutWhatWentAway(verdict, waiting)) return;
    this.notify(
      t("Not saved, and taken back: {detail}", {
        detail: verdict.error?.detail ?? t("the server found it invalid"),
      }),
    );
  }

  /** What the server did not take leaves the picture. */
  private takeBack(verdict: Verdict, waiting: Waiting): void {
    const { effects, opinions = [], committed_at } = waiting.operation;
    this.history.forget(verdict.op_id);
    for (const now of this.currentOf(verdict, waiting)) {
      const own = effects.filter((e) => e.annotation === now.annotation);
      if (!own.some((e) => this.instead.has(place(e.seen, e)))) this.adopt(now);
    }
    for (const e of opinions) this.putOpinion(e.annotation, null, this.person, verdict.op_id, committed_at);
  }

  /** Somebody else has acted on what an own operation was about. Each of its cells is settled for itself: one stale
   *  cell of a bulk act is no reason to lose the others. */
  private standsBack(verdict: Verdict, waiting: Waiting): void {
    const { operation } = waiting;
    for (const e of operation.opinions ?? []) this.opinionStandsBack(e.annotation, verdict);
    const now = this.currentOf(verdict, waiting);
    const isFresh = (e: EffectIn, i: number) =>
      now[i].last_op === e.seen && !this.holderOf(e, verdict.current) && operation.action === "bulk";
    const fresh = operation.effects.filter(isFresh);
    operation.effects.forEach((e, i) => {
      if (!fresh.includes(e)) this.stale(e, now[i], verdict, operation.action);
    });
    if (!fresh.length) return;
    for (const e of fresh) this.cells.put(this.layer.index, e.annotation, this.serverState(e, now), e.seen);
    this.sendAgain(operation, fresh);
  }

  private serverState(effect: EffectIn, now: readonly Current[]): AnnotationState | null {
    return now.find((c) => c.annotation === effect.annotation)?.state ?? null;
  }

  /** The annotation of somebody else that holds the proposal which an effect wanted to decide. */
  private holderOf(effect: EffectIn, current: readonly Current[]): Current | undefined {
    const proposal = effect.after?.derived_from;
    if (!proposal) return undefined;
    return current.find((c) => c.annotation !== effect.annotation && c.state?.derived_from === proposal);
  }

  /** The cell that an opinion was about is gone, or another page of this person has said something else of it. */
  private opinionStandsBack(annotation: string, verdict: Verdict): void {
    const now = verdict.current.find((c) => c.annotation === annotation);
    this.putOpinion(annotation, null, this.person, verdict.op_id, new Date().toISOString());
    this.unsure.push(annotation);
    if (now) this.adoptUnlessAhead(now);
    this.notify(
      now?.state
        ? t("Your opinion was not recorded: you have said something else of this cell in another window.")
        : t("Your opinion was not recorded: the cell has been deleted meanwhile."),
    );
  }

  private adoptUnlessAhead(now: Current): void {
    const row = this.cells.rowOf(now.annotation);
    if (!this.isOnItsWay(now.annotation) && (row < 0 || now.version >= this.cells.version[row]))
      this.adopt(now, now.author?.id);
  }

  /** Take in what the tail brings; true when there is more to fetch. */
  follow(tail: Tail): boolean {
    batch(() => {
      for (const operation of tail.operations) {
        this.seq = Math.max(this.seq, operation.seq);
        this.takeIn(operation);
      }
    });
    if (!tail.more) this.seq = Math.max(this.seq, tail.seq);
    return tail.more;
  }

  /** Settle a conflict: "mine" acts again on top of theirs, "theirs" takes the own version back. */
  resolve(conflict: Conflict, choice: "mine" | "theirs", timing: Timing): void {
    batch(() => this.resolveAtOnce(conflict, choice, timing));
  }
  private resolveAtOnce(conflict: Conflict, choice: "mine" | "theirs", timing: Timing): void {
    const mine = this.stateOf(conflict.annotation);
    this.close(conflict);
    for (const { operation } of this.outbox.left())
      if (operation.effects.some((e) => e.annotation === conflict.annotation))
        this.settled.add(operation.op_id);
    this.adopt(conflict.theirs);
    if (choice === "mine") {
      const again = conflict.action === "undo" || conflict.action === "redo" ? "reshape" : conflict.action;
      const effect = { annotation: conflict.annotation, seen: conflict.theirs.last_op, after: mine };
      this.commit({ action: mine ? again : "delete", tool: "conflict", effects: [effect] }, timing);
    }
    this.letGo();
  }

  /** A class or an attribute's value was taken from the project while somebody drew with it: the cell is worth more,
   *  and is sent with what it had of them before. False when nothing else would be left of the act. */
  private withoutWhatWentAway(verdict: Verdict, { operation }: Waiting): boolean {
    const field = verdict.error?.field;
    if (field !== "label_class" && field !== "attributes") return false;
    const kept = operation.effects.map((e) => {
      const before = this.stateOf(e.annotation);
      const patch =
        field === "label_class"
          ? { label_class: before?.label_class ?? null }
          : { attributes: before?.attributes ?? {} };
      return { ...e, after: e.after && { ...e.after, ...patch } };
    });
    const isChanged = kept.some((e, i) => !same(e.after, operation.effects[i].after));
    if (!isChanged || kept.every((e) => same(e.after, this.stateOf(e.annotation)))) {
      for (const e of operation.effects) this.instead.set(place(operation.op_id, e), this.seenNow(e));
      return false;
    }
    this.sendAgain(operation, kept);
    this.notify(t(WENT_AWAY[field]));
    return true;
  }

  /** Stale for no more than that the own act before it was rejected: it is sent on top of what stands there instead. */
  private restsOnAnother({ operation }: Waiting): boolean {
    if (!operation.effects.some((e) => this.instead.has(place(e.seen, e)))) return false;
    this.sendAgain(operation, operation.effects);
    return true;
  }

  private sendAgain(operation: OperationIn, effects: readonly EffectIn[]): void {
    const carried = effects.map((e) => ({ ...e, seen: this.seenNow(e) }));
    const op_id = this.commit(
      { action: operation.action, tool: operation.tool, effects: carried },
      operation,
    );
    for (const e of effects) this.instead.set(place(operation.op_id, e), op_id);
  }

  private seenNow(effect: EffectIn): string | null {
    const now = this.instead.get(place(effect.seen, effect));
    return now === undefined ? effect.seen : now;
  }

  private stale(effect: EffectIn, theirs: Current, verdict: Verdict, action: Action): void {
    const mine = this.stateOf(theirs.annotation);
    const holder = this.holderOf(effect, verdict.current);
    if (theirs.last_op === null || holder) {
      if (this.cells.rowOf(theirs.annotation) >= 0) this.adopt(theirs);
      if (holder) this.giveWay(effect, holder, action);
      else this.notify(t("Not kept: the server does not have the cell that you changed, or has it no more."));
      return;
    }
    if (same(mine, theirs.state)) {
      this.adopt(theirs, theirs.author?.id);
      return;
    }
    this.ask({ annotation: theirs.annotation, action, theirs, by: this.nameOf(theirs) });
  }

  /** A proposal was decided by somebody else first. Their decision stands; the own verdict is kept as an opinion. */
  private giveWay(effect: EffectIn, holder: Current, action: Action): void {
    this.adoptUnlessAhead(holder);
    this.cells.setDecider(holder.annotation, holder.decided_by);
    const ownVerdict = effect.after && verdictOf(effect.after.status);
    if (!holder.author || holder.decided_by === this.person.id || !ownVerdict) {
      this.notify(t("You had decided this proposal already, in another window; that decision stands."));
      return;
    }
    // An undo or a redo that comes too late says nothing new.
    const isVerdict = action !== "undo" && action !== "redo";
    if (isVerdict) {
      const seen = this.cells.opinions.by(holder.annotation, this.person.id)?.last_op ?? null;
      const { label_class, reason } = effect.after as AnnotationState;
      const now = performance.now();
      this.commit(opinion(holder.annotation, seen, { verdict: ownVerdict, label_class, reason }), {
        begun_ms: now,
        committed_ms: now,
        activity: null,
      });
    }
    this.notify(
      isVerdict
        ? t("{name} had decided this proposal already. Your verdict is kept as an opinion.", {
            name: this.nameOf(holder) ?? "",
          })
        : t("{name} had decided this proposal already; that decision stands.", {
            name: this.nameOf(holder) ?? "",
          }),
    );
  }

  /** The cell had been decided by somebody else, which this page did not know: the verdict is sent as an opinion. */
  private isSecondVerdict(verdict: Verdict, waiting: Waiting): boolean {
    if (verdict.error?.code !== "decided_by_another") return false;
    const now = this.currentOf(verdict, waiting);
    waiting.operation.effects.forEach((e, i) => {
      if (e.after && e.after.status !== now[i].state?.status)
        this.giveWay(e, now[i], waiting.operation.action);
    });
    return true;
  }

  /** Who acted last on what the server has now, as far as it is known. */
  private nameOf(now: Current): string | null {
    return now.author?.name ?? this.actorOf(now.last_op)?.name ?? null;
  }

  private takeIn(operation: OperationOut): void {
    this.rememberActor(operation.op_id, operation.author);
    const isOwn = operation.author.id === this.person.id;
    // Done by this person in another window: it can be undone here as well.
    if (isOwn) this.record(operation, this.changesHere(operation));
    for (const e of operation.opinions ?? []) this.takeInOpinion(operation, e.annotation, e.after);
    this.takeSettled(operation);
    for (const e of operation.effects) {
      const theirs: Current = {
        annotation: e.annotation,
        version: e.version,
        last_op: operation.op_id,
        state: e.after,
        author: operation.author,
      };
      const open = this.conflictOf(e.annotation);
      if (open && e.version >= open.theirs.version) this.ask({ ...open, theirs, by: operation.author.name });
      if (open) continue;
      if (this.isOnItsWay(e.annotation)) continue; // the own act will be called stale, with the state of that moment
      const row = this.cells.rowOf(e.annotation);
      // A verdict may have told of this act, or of a later one.
      if (row < 0 || e.version > this.cells.version[row]) this.adopt(theirs, operation.author.id);
      this.cells.setDecider(e.annotation, e.decided_by);
    }
  }

  private takeInOpinion(operation: OperationOut, annotation: string, after: OpinionContent | null): void {
    const isOwn = operation.author.id === this.person.id;
    if (isOwn && this.isOnItsWay(annotation)) return; // something later is on its way
    const known = this.cells.opinions.by(annotation, operation.author.id);
    if (isOwn && known?.last_op !== operation.op_id && this.isNewer(known?.last_op, operation.op_id)) return;
    this.putOpinion(annotation, after, operation.author, operation.op_id, operation.committed_at);
  }

  /** Whether an own operation that this page made comes after another one: ids are in the order of their making. */
  private isNewer(mine: string | undefined, other: string): boolean {
    return mine !== undefined && this.recorded.has(mine) && mine > other;
  }

  private changesHere(operation: OperationOut): Change[] {
    const last = new Map<string, string>();
    for (const e of operation.effects) {
      const head = this.cells.headOf(e.annotation);
      if (head) last.set(e.annotation, head);
    }
    for (const e of operation.opinions ?? []) {
      const head = this.cells.opinions.by(e.annotation, this.person.id)?.last_op;
      if (head) last.set(opinionKey(e, this.person), head);
    }
    return changesOf(operation, last);
  }

  private isOnItsWay(annotation: string): boolean {
    return this.outbox
      .left()
      .some(({ layer, operation }) => layer === this.layer.id && touches(operation, annotation));
  }

  private adopt(now: Current, author = 0): void {
    this.cells.put(this.layer.index, now.annotation, now.state, now.last_op, now.version, author);
    this.cells.setDecider(now.annotation, now.decided_by);
  }

  private stateOf(annotation: string): AnnotationState | null {
    const row = this.cells.rowOf(annotation);
    return row >= 0 ? this.cells.stateOf(row) : null;
  }

  /** The server's state of every annotation the operation touched; what it does not name does not exist there. */
  private currentOf(verdict: Verdict, waiting: Waiting): Current[] {
    const current = new Map(verdict.current.map((c) => [c.annotation, c]));
    return waiting.operation.effects.map(
      (e) =>
        current.get(e.annotation) ?? { annotation: e.annotation, version: 0, last_op: null, state: null },
    );
  }
}

/** The changes of an operation from the log; `last`: the last operation on each target before it. */
function changesOf(operation: OperationOut, last: ReadonlyMap<string, string>): Change[] {
  const cells = operation.effects.map((e): Change => ({
    annotation: e.annotation,
    before: e.before,
    after: e.after,
    seen: last.get(e.annotation) ?? null,
  }));
  const opinions = (operation.opinions ?? []).map((e): Change => ({
    ...e,
    opinion: true,
    seen: last.get(opinionKey(e, operation.author)) ?? null,
  }));
  return [...cells, ...opinions];
}

const opinionKey = (of: { annotation: string }, by: Person): string => `opinion ${of.annotation} ${by.id}`;

const touches = (operation: OperationIn, annotation: string): boolean =>
  [...operation.effects, ...(operation.opinions ?? [])].some((e) => e.annotation === annotation);

const place = (op_id: string | null, effect: EffectIn): string => `${op_id} ${effect.annotation}`;

/** The same to a person: provenance is the server's, and does not count. */
function same(a: AnnotationState | null, b: AnnotationState | null): boolean {
  if (!a || !b) return a === b;
  const mask = (s: AnnotationState) =>
    s.mask && [s.mask.x, s.mask.y, s.mask.width, s.mask.height, s.mask.bits];
  // The server may order attributes otherwise.
  const details = (s: AnnotationState) => [Object.entries(s.attributes ?? {}).sort(), s.parent ?? null];
  const bare = (s: AnnotationState) =>
    JSON.stringify([s.kind, s.status, s.label_class, s.box, mask(s), s.derived_from, s.reason, details(s)]);
  return bare(a) === bare(b);
}
