/** Undo and redo as operations of the log: who undoes adds an operation that restores what was before.
 *
 *  For every effect it remembers `head`, the operation that must still be the annotation's last one. When a
 *  colleague has acted since, head is not the last operation and the step is refused instead of undoing their act.
 *  Undoing the later of two own acts adds an operation, so the head of the earlier act is carried on to it. */
import type { Action, State } from "./contract";
import type { Draft } from "./edits";

export type Change = { annotation: string; before: State | null; after: State | null; seen: string | null };
export type Done = { op_id: string; action: Action; undoes: string | null; changes: Change[] };
type Effect = Change & { head: string };
type Entry = { op_id: string; action: Action; effects: Effect[] };

/** The step as a draft, the annotation that someone else changed since, or "nothing". */
export type Step = { draft: Draft } | { changedSince: string } | "nothing";

export class History {
  private done: Entry[] = [];
  private undone: Entry[] = [];

  constructor(private readonly most = 500) {}

  get canUndo(): boolean {
    return this.done.length > 0;
  }
  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  /** Take in an operation of this person: a new act, or an undo or redo of a known one. */
  record(op: Done): void {
    if (op.action === "undo") this.turn(this.done, this.undone, op);
    else if (op.action === "redo") this.turn(this.undone, this.done, op);
    else {
      this.done.push({
        op_id: op.op_id,
        action: op.action,
        effects: op.changes.map((c) => ({ ...c, head: op.op_id })),
      });
      this.undone = [];
      if (this.done.length > this.most) this.done.shift();
    }
  }

  undo(lastOp: (annotation: string) => string | null): Step {
    return this.step("undo", this.done.at(-1), lastOp);
  }

  redo(lastOp: (annotation: string) => string | null): Step {
    return this.step("redo", this.undone.at(-1), lastOp);
  }

  /** The server did not take this operation: it cannot be undone, nor can what was built on it. */
  forget(op_id: string): void {
    const without = (entries: Entry[]) =>
      entries.filter((e) => e.op_id !== op_id && !e.effects.some((f) => f.head === op_id));
    this.done = without(this.done);
    this.undone = without(this.undone);
  }

  private step(
    action: "undo" | "redo",
    entry: Entry | undefined,
    lastOp: (annotation: string) => string | null,
  ): Step {
    if (!entry) return "nothing";
    for (const effect of entry.effects)
      if (lastOp(effect.annotation) !== effect.head) return { changedSince: effect.annotation };
    return {
      draft: {
        action,
        tool: "keys",
        undoes: entry.op_id,
        effects: entry.effects.map((e) => ({ annotation: e.annotation, seen: e.head, after: e.before })),
      },
    };
  }

  /** Move the entry that `op` turns back to the other stack, turned round, and carry the heads below it on. */
  private turn(from: Entry[], to: Entry[], op: Done): void {
    const place = from.findLastIndex((entry) => entry.op_id === op.undoes);
    if (place < 0) return; // older than what is remembered
    const [entry] = from.splice(place, 1);
    for (const effect of entry.effects)
      for (const other of from.flatMap((e) => e.effects))
        if (other.annotation === effect.annotation && effect.seen !== null && other.head === effect.seen)
          other.head = op.op_id;
    to.push({
      op_id: op.op_id,
      action: entry.action,
      effects: entry.effects.map((e) => ({
        annotation: e.annotation,
        before: e.after,
        after: e.before,
        seen: e.head,
        head: op.op_id,
      })),
    });
  }

  /** A step was refused because of a colleague's act: drop it, so that the one before can be reached. */
  drop(action: "undo" | "redo"): void {
    (action === "undo" ? this.done : this.undone).pop();
  }
}
