/** The log of the layer that this person writes: own acts go in at once and to the outbox, others' acts come from the
 *  log's tail, and conflicts ask the person. What is shown: own_layer.ts; what verdicts do: verdicts.ts. */
import { batch } from "@preact/signals-core";
import type { Cells } from "../scene/cells";
import type {
  Current,
  EffectIn,
  Head,
  OperationIn,
  OperationOut,
  Person,
  Tail,
  Verdict,
} from "../scene/contract";
import type { Draft } from "../scene/edits";
import type { Heads, History } from "../scene/history";
import { observed } from "../scene/observed";
import { uuid7 } from "../scene/uuid";
import type { Waiting } from "./outbox";
import { OwnLayer } from "./own_layer";
import { same, Verdicts, type Conflict, type Timing } from "./verdicts";

export type Outbox = {
  add: (layer: string, image: number, operation: OperationIn) => Promise<void>;
  left: () => readonly Waiting[];
  unsettled: (layer: string) => readonly Waiting[];
  settle: (op_ids: ReadonlySet<string>) => Promise<void>;
};

type Observable = { conflicts: readonly Conflict[] };

export class Log extends observed((): Observable => ({ conflicts: [] })) {
  seq: number;
  private readonly own: OwnLayer;
  private readonly verdicts: Verdicts;
  /** Own operations on which the person has chosen: what the server says of them asks nothing more. */
  private readonly chosen = new Set<string>();
  /** Stale operations that have been read: the outbox marks all of a batch before it reports the first one. */
  private readonly answered = new Set<string>();
  /** Annotations whose conflict needs the log: the pack does not have them. */
  private unsure: string[] = [];

  constructor(
    cells: Cells,
    layer: { readonly id: string; readonly index: number; readonly seq: number },
    private readonly image: number,
    person: Person,
    private readonly session: string,
    history: History,
    private readonly outbox: Outbox,
    notify: (text: string) => void,
  ) {
    super();
    this.seq = layer.seq;
    this.own = new OwnLayer(cells, layer, person, history, () => outbox.left());
    this.verdicts = new Verdicts(this.own, history, {
      commit: (draft, timing) => this.commit(draft, timing),
      notify,
      ask: (conflict) => this.ask(conflict),
      requestHead: (annotation) => this.unsure.push(annotation),
    });
  }

  readonly headOf: Heads = (target) => this.own.headOf(target);
  nameOfPerson(person: number): string | undefined {
    return this.own.nameOfPerson(person);
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
      ...(timing.view ? { view: timing.view } : {}),
      effects: draft.effects,
      ...(draft.opinions ? { opinions: draft.opinions } : {}),
      ...(draft.settles ? { settles: draft.settles } : {}),
    };
    this.own.take(operation);
    void this.outbox.add(this.own.layer.id, this.image, operation);
    return op_id;
  }

  /** The server's answer for one of the own operations. */
  settle(verdict: Verdict, waiting: Waiting): void {
    if (waiting.layer === this.own.layer.id) batch(() => this.settleAtOnce(verdict, waiting));
  }
  private settleAtOnce(verdict: Verdict, waiting: Waiting): void {
    this.verdicts.settle(verdict, waiting, this.chosen.delete(verdict.op_id));
    if (verdict.verdict !== "stale") return;
    this.answered.add(verdict.op_id);
    this.letGo();
  }

  // What others do

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
  private takeIn(operation: OperationOut): void {
    const { own } = this;
    own.rememberActor(operation.op_id, operation.author);
    own.recordOwn(operation);
    for (const e of operation.opinions ?? []) own.takeInOpinion(operation, e.annotation, e.after);
    own.takeSettled(operation);
    for (const e of operation.effects) this.takeInEffect(operation, e);
  }
  private takeInEffect(operation: OperationOut, effect: OperationOut["effects"][number]): void {
    const { own } = this;
    const { annotation, version, after, decided_by } = effect;
    const { op_id, author } = operation;
    const theirs: Current = { annotation, version, last_op: op_id, state: after, author };
    const open = this.conflictOf(annotation);
    if (open && version >= open.theirs.version) this.ask({ ...open, theirs, by: author.name });
    if (open) return;
    if (own.isOnItsWay(annotation)) return; // the own act will be called stale, with the state of that moment
    const row = own.cells.rowOf(annotation);
    // A verdict may have told of this act, or of a later one.
    if (row < 0 || version > own.cells.version[row]) own.adopt(theirs, author.id);
    own.cells.setDecider(annotation, decided_by);
  }

  /** What the log says of an annotation, unless an own act on it is still on its way or something newer is known. */
  learn(head: Head): void {
    batch(() => this.learnAtOnce(head));
  }
  private learnAtOnce(head: Head): void {
    if (head.operation && head.last_op) this.own.rememberActor(head.last_op, head.operation.author);
    this.own.learnOpinions(head);
    const open = this.conflictOf(head.annotation);
    if (open) this.ask({ ...open, theirs: head, by: head.operation?.author.name ?? open.by });
    else this.own.adoptUnlessAhead(head);
  }

  // When a page opens

  /** The layer's last operations up to what was loaded: the own ones among them can be undone on this page too. */
  remember(tail: Tail): void {
    this.own.remember(tail, this.seq);
  }

  /** What an earlier page left in the outbox goes on top of the server's state, in order: the same picture as before.
   *  Also what the server will call stale: the own version has to be there when the conflict asks about it. */
  replay(waiting: readonly Waiting[]): void {
    const { own } = this;
    batch(() => {
      for (const { layer, operation } of waiting) {
        if (layer !== own.layer.id || own.actorOf(operation.op_id)) continue; // saved, only its answer was lost
        own.take(operation);
      }
    });
  }

  /** Conflicts that an earlier page left open: the own version is in the picture again, and the question with it. */
  reopen(): void {
    for (const { operation, theirs } of this.outbox.unsettled(this.own.layer.id)) {
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
    const { own } = this;
    const { annotation, after } = effect;
    const earlier = this.conflictOf(annotation);
    const here = own.shownOf(annotation);
    // What the pack does not have has been deleted, and by whom the log is asked (askAboutConflicts).
    if (!earlier && !here) this.unsure.push(annotation);
    const now = earlier?.theirs ?? here ?? { ...known, state: null };
    if (earlier) this.close(earlier); // a later act on the same cell
    if (same(after, now.state)) {
      if (earlier) own.adopt(now);
      return;
    }
    own.show(annotation, after, operation.op_id);
    const by = here ? own.nameOf(now) : null;
    this.ask({ annotation, action: operation.action, theirs: now, by });
  }

  // Conflicts

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

  /** Settle a conflict: "mine" acts again on top of theirs, "theirs" takes the own version back. */
  resolve(conflict: Conflict, choice: "mine" | "theirs", timing: Timing): void {
    batch(() => this.resolveAtOnce(conflict, choice, timing));
  }
  private resolveAtOnce(conflict: Conflict, choice: "mine" | "theirs", timing: Timing): void {
    const mine = this.own.stateOf(conflict.annotation);
    this.close(conflict);
    for (const { operation } of this.outbox.left())
      if (operation.effects.some((e) => e.annotation === conflict.annotation))
        this.chosen.add(operation.op_id);
    this.own.adopt(conflict.theirs);
    if (choice === "mine") {
      const again = conflict.action === "undo" || conflict.action === "redo" ? "reshape" : conflict.action;
      const effect = { annotation: conflict.annotation, seen: conflict.theirs.last_op, after: mine };
      this.commit({ action: mine ? again : "delete", tool: "conflict", effects: [effect] }, timing);
    }
    this.letGo();
  }

  /** What the outbox keeps for a choice that is made, or need not be made, need not be kept. */
  private letGo(): void {
    const open = new Set(this.conflicts.map((c) => c.annotation));
    const answered = this.outbox
      .unsettled(this.own.layer.id)
      .filter((w) => this.answered.has(w.operation.op_id));
    const done = answered.filter((w) => !w.operation.effects.some((e) => open.has(e.annotation)));
    if (done.length) void this.outbox.settle(new Set(done.map((w) => w.operation.op_id)));
  }
}
