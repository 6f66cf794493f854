/** The layer that this person writes, as the page shows it: operations go into the picture and into the history.
 *
 *  What is drawn is the server's state plus the own acts that are still on their way. */
import { batch } from "@preact/signals-core";
import type { Cells } from "../scene/cells";
import type {
  AnnotationState,
  Current,
  Head,
  OperationIn,
  OperationOut,
  OpinionContent,
  Person,
  Tail,
} from "../scene/contract";
import type { Heads, History } from "../scene/history";
import { contentOf } from "../scene/opinions";
import type { Change } from "../scene/operation_summary";
import type { Waiting } from "./outbox";

export class OwnLayer {
  private readonly actors = new Map<string, Person>();
  private readonly names = new Map<number, string>();
  /** Own operations that the history knows, of this page and of others. */
  private readonly recorded = new Set<string>();

  constructor(
    readonly cells: Cells,
    readonly layer: { readonly id: string; readonly index: number },
    readonly person: Person,
    private readonly history: History,
    /** Own operations that the server has not answered, of all layers. */
    private readonly left: () => readonly Waiting[],
  ) {}

  /** An own operation goes into the picture and into the history. */
  take(operation: OperationIn): void {
    batch(() => this.takeAtOnce(operation));
  }
  private takeAtOnce(operation: OperationIn): void {
    const { op_id, effects, opinions = [] } = operation;
    const changes: Change[] = effects.map((e) => ({ ...e, before: this.stateOf(e.annotation) }));
    for (const e of effects) this.show(e.annotation, e.after, op_id);
    for (const e of opinions) {
      changes.push({ ...e, opinion: true, before: this.ownOpinion(e.annotation) });
      this.putOpinion(e.annotation, e.after, this.person, op_id, operation.committed_at);
    }
    this.takeSettled(operation);
    this.record(operation, changes);
  }
  /** An own state of an annotation, which the server need not have. */
  show(annotation: string, state: AnnotationState | null, op_id: string): void {
    this.cells.put(this.layer.index, annotation, state, op_id, undefined, this.person.id);
  }

  /** What an overrule settles, or what the undo of one makes count again. What an earlier overrule has settled stays
   *  so, also when this one is undone. */
  takeSettled(operation: OperationIn | OperationOut): void {
    for (const { annotation, author } of operation.settles ?? []) {
      const known = this.cells.opinions.by(annotation, author);
      if (known && !known.settled_by)
        this.cells.giveOpinion(annotation, { ...known, settled_by: operation.op_id });
    }
    if (operation.action === "undo" && operation.undoes) this.unsettle(operation, operation.undoes);
  }

  /** The opinions on the cells of `operation` that the overrule `op_id` has settled count again. */
  unsettle(operation: OperationIn | OperationOut, op_id: string): void {
    for (const { annotation } of operation.effects)
      for (const known of this.cells.opinions.on(annotation))
        if (known.settled_by === op_id) this.cells.giveOpinion(annotation, { ...known, settled_by: null });
  }

  /** An operation that another window of this person has done can be undone here as well. */
  recordOwn(operation: OperationOut): void {
    if (operation.author.id === this.person.id) this.record(operation, this.changesHere(operation));
  }
  private record(operation: OperationIn | OperationOut, changes: Change[]): void {
    if (this.recorded.has(operation.op_id)) return;
    this.recorded.add(operation.op_id);
    const { op_id, action, tool, undoes } = operation;
    this.history.record({ op_id, action, tool, undoes, changes });
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

  /** The layer's last operations up to `loaded`, the number of what was loaded: the own ones among them can be undone
   *  on this page too. They also tell of annotations that the pack does not have because they are deleted. */
  remember(tail: Tail, loaded: number): void {
    const last = new Map<string, string>();
    const deleted = new Map<string, { op_id: string; version: number }>();
    for (const operation of tail.operations) {
      if (operation.seq > loaded) break; // these come again when the log is followed
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

  // Opinions

  putOpinion(
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
  learnOpinions({ annotation, opinions }: Head): void {
    for (const one of opinions)
      if (one.author.id !== this.person.id || !this.isOnItsWay(annotation))
        this.cells.giveOpinion(annotation, one);
  }
  takeInOpinion(operation: OperationOut, annotation: string, after: OpinionContent | null): void {
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

  // The state of annotations

  /** The last operation on an annotation, or on the own opinion of it; undefined: not in memory. */
  readonly headOf: Heads = ({ annotation, opinion: isOpinion }) => {
    if (!isOpinion) return this.cells.headOf(annotation);
    const row = this.cells.rowOf(annotation);
    if (row < 0 || !this.cells.live[row]) return undefined; // opinions on a deleted cell are in the log only
    return this.cells.opinions.by(annotation, this.person.id)?.last_op ?? null;
  };
  stateOf(annotation: string): AnnotationState | null {
    const row = this.cells.rowOf(annotation);
    return row >= 0 ? this.cells.stateOf(row) : null;
  }
  /** An annotation as the picture has it; null: it is not there. */
  shownOf(annotation: string): Current | null {
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
  isOnItsWay(annotation: string): boolean {
    return this.left().some(
      ({ layer, operation }) => layer === this.layer.id && touches(operation, annotation),
    );
  }

  /** What the server has goes into the picture. */
  adopt(now: Current, author = 0): void {
    this.cells.put(this.layer.index, now.annotation, now.state, now.last_op, now.version, author);
    this.cells.setDecider(now.annotation, now.decided_by);
  }
  adoptUnlessAhead(now: Current): void {
    const row = this.cells.rowOf(now.annotation);
    if (!this.isOnItsWay(now.annotation) && (row < 0 || now.version >= this.cells.version[row]))
      this.adopt(now, now.author?.id);
  }

  // Who has acted

  rememberActor(op_id: string, author: Person): void {
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
  /** Who acted last on what the server has now, as far as it is known. */
  nameOf(now: Current): string | null {
    return now.author?.name ?? this.actorOf(now.last_op)?.name ?? null;
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
