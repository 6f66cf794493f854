/** Undo and redo as operations of the log: who undoes adds an operation that restores what was before.
 *
 *  For every effect it remembers `head`, the operation that must still be the last one on the annotation (or on the own
 *  opinion of it). A head is the same, another one, or not in memory: the last is no reason to decline, only to ask the
 *  log. When somebody has acted since, the step is declined instead of undoing their act. Undoing the later of two own
 *  acts adds an operation, so the head of the earlier act is carried on to it. */
import { summaryOf, type Change, type Done, type OperationSummary } from "./operation_summary";
import type { OpinionContent, AnnotationState } from "./contract";
import type { Draft } from "./edits";
import { observed } from "./observed";

export type Effect = Change & { head: string };
/** An act that can be turned back. `op_id` is its last operation: of the act itself, or of its undo or redo. */
export type Entry = { op_id: string; summary: OperationSummary; effects: readonly Effect[] };

/** The last operation on a target; undefined: not in memory. */
export type Heads = (target: Pick<Change, "annotation" | "opinion">) => string | null | undefined;

/** The step as a draft; the annotation that has been changed since; or those of which the log must be asked. */
export type Step =
  | { entry: Entry; draft: Draft }
  | { entry: Entry; changedSince: string }
  | { entry: Entry; unknown: string[] }
  | "nothing";

type Stacks = {
  /** Acts that stand, the last one last. */
  done: readonly Entry[];
  undone: readonly Entry[];
};

export class History extends observed((): Stacks => ({ done: [], undone: [] })) {
  constructor(private readonly most = 500) {
    super();
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }
  get canRedo(): boolean {
    return this.undone.length > 0;
  }
  /** Whether an own operation stands and can be turned back. */
  has(op_id: string): boolean {
    return this.done.some((entry) => entry.op_id === op_id);
  }

  /** Take in an operation of this person: a new act, or an undo or redo of a known one. */
  record(op: Done): void {
    if (op.action === "undo") this.turn("done", "undone", op);
    else if (op.action === "redo") this.turn("undone", "done", op);
    else this.add(op);
  }
  private add(op: Done): void {
    const effects = op.changes.map((change) => ({ ...change, head: op.op_id }));
    const entry = { op_id: op.op_id, summary: summaryOf(op), effects };
    this.done = [...this.done, entry].slice(-this.most);
    this.undone = [];
  }

  /** The last act back; with `op_id` that act, wherever it stands. */
  undo(heads: Heads, op_id?: string): Step {
    const entry = op_id === undefined ? this.done.at(-1) : this.done.find((e) => e.op_id === op_id);
    return this.step("undo", entry, heads);
  }

  redo(heads: Heads, op_id?: string): Step {
    const entry = op_id === undefined ? this.undone.at(-1) : this.undone.find((e) => e.op_id === op_id);
    return this.step("redo", entry, heads);
  }

  /** The server did not take this operation: it cannot be undone, nor can what was built on it. */
  forget(op_id: string): void {
    const without = (entries: readonly Entry[]) =>
      entries.filter((e) => e.op_id !== op_id && !e.effects.some((f) => f.head === op_id));
    this.done = without(this.done);
    this.undone = without(this.undone);
  }

  private step(action: "undo" | "redo", entry: Entry | undefined, heads: Heads): Step {
    if (!entry) return "nothing";
    const unknown: string[] = [];
    for (const effect of entry.effects) {
      const head = heads(effect);
      if (head === undefined) unknown.push(effect.annotation);
      else if (head !== effect.head) return { entry, changedSince: effect.annotation };
    }
    if (unknown.length) return { entry, unknown };
    return { entry, draft: draftOf(action, entry) };
  }

  /** Move the entry that `op` turns back to the other stack, turned round, and carry the heads below it on. */
  private turn(from: keyof Stacks, to: keyof Stacks, op: Done): void {
    const entry = this[from].findLast((one) => one.op_id === op.undoes);
    if (!entry) return; // older than what is remembered
    const others = this[from].filter((one) => one !== entry);
    for (const effect of entry.effects) carryOn(others, effect, op.op_id);
    const turned = entry.effects.map((effect) => ({
      ...effect,
      before: effect.after,
      after: effect.before,
      seen: effect.head,
      head: op.op_id,
    }));
    this[from] = others;
    this[to] = [...this[to], { op_id: op.op_id, summary: entry.summary, effects: turned }];
  }

  /** The log shows that somebody has acted on it since: the step goes, so that the one before can be reached. */
  drop(entry: Entry): void {
    this.done = this.done.filter((other) => other !== entry);
    this.undone = this.undone.filter((other) => other !== entry);
  }
}

/** Entries whose last act on the same target is the one that was turned back rest on the new operation now. */
function carryOn(entries: readonly Entry[], turned: Effect, op_id: string): void {
  if (turned.seen === null) return;
  for (const entry of entries)
    for (const effect of entry.effects) {
      const isSameTarget =
        effect.annotation === turned.annotation && Boolean(effect.opinion) === Boolean(turned.opinion);
      if (isSameTarget && effect.head === turned.seen) effect.head = op_id;
    }
}

function draftOf(action: "undo" | "redo", entry: Entry): Draft {
  const cells = entry.effects.filter((effect) => !effect.opinion);
  const opinions = entry.effects.filter((effect) => effect.opinion);
  const draft: Draft = {
    action,
    tool: "keys",
    undoes: entry.op_id,
    effects: cells.map((e) => ({
      annotation: e.annotation,
      seen: e.head,
      after: e.before as AnnotationState | null,
    })),
  };
  if (opinions.length)
    draft.opinions = opinions.map((e) => ({
      annotation: e.annotation,
      seen: e.head,
      after: e.before as OpinionContent | null,
    }));
  return draft;
}
