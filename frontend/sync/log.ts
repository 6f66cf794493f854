/** The layer that this person writes: own acts go in at once and to the queue, others' acts come from the log's tail.
 *
 *  What is drawn is always the server's state plus the own acts that are still on their way. When the server finds
 *  that somebody else has changed an annotation since (stale), nothing is overwritten on either side: the own version
 *  stays in the picture and a conflict asks for mine or theirs. */
import { t } from "../locale/locale";
import type { Cells } from "../scene/cells";
import type {
  Action,
  Current,
  EffectIn,
  OperationIn,
  OperationOut,
  Person,
  State,
  Tail,
  Verdict,
} from "../scene/contract";
import type { Draft } from "../scene/edits";
import type { History } from "../scene/history";
import { uuid7 } from "../scene/uuid";
import type { Waiting } from "./queue";

export type Conflict = {
  readonly annotation: string;
  readonly action: Action;
  readonly theirs: Current;
  /** Who acted, when the log's tail has told it already. */
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
export type LogEvents = {
  onChange: () => void;
  onNotice: (text: string) => void;
};

export class Log {
  readonly conflicts: Conflict[] = [];
  seq: number;
  private readonly settled = new Set<string>();
  /** Stale operations that have been looked at: the queue marks all of a batch before it tells of the first one. */
  private readonly heard = new Set<string>();
  /** What stands in the place of an own act that was refused, by `place`: it was sent again, or nothing of it was left. */
  private readonly instead = new Map<string, string | null>();
  private readonly lastActor = new Map<string, string>();

  constructor(
    private readonly cells: Cells,
    private readonly layer: { readonly id: string; readonly index: number; readonly seq: number },
    private readonly image: number,
    private readonly person: Person,
    private readonly session: string,
    private readonly history: History,
    private readonly outbox: Outbox,
    private readonly events: LogEvents,
  ) {
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
    };
    const changes = draft.effects.map((e) => ({
      annotation: e.annotation,
      before: this.stateOf(e.annotation),
      after: e.after,
      seen: e.seen,
    }));
    for (const e of draft.effects)
      this.cells.put(this.layer.index, e.annotation, e.after, op_id, undefined, this.person.id);
    this.history.record({ op_id, action: draft.action, undoes: draft.undoes ?? null, changes });
    void this.outbox.add(this.layer.id, this.image, operation);
    this.events.onChange();
    return op_id;
  }

  /** The layer's last operations up to what was loaded: the own ones among them can be undone on this page too. */
  remember(tail: Tail): void {
    const last = new Map<string, string>();
    for (const operation of tail.operations) {
      if (operation.seq > this.seq) break; // these come again when the log is followed
      const changes = operation.effects.map((e) => ({
        annotation: e.annotation,
        before: e.before,
        after: e.after,
        seen: last.get(e.annotation) ?? null,
      }));
      for (const e of operation.effects) last.set(e.annotation, operation.op_id);
      this.lastActor.set(operation.op_id, operation.author.name);
      if (operation.author.id !== this.person.id) continue;
      this.history.record({
        op_id: operation.op_id,
        action: operation.action,
        undoes: operation.undoes,
        changes,
      });
    }
  }

  /** What an earlier page left in the queue goes on top of the server's state, in order: the same picture as before.
   *  Also what the server will call stale: the own version has to be there when the conflict asks about it. */
  replay(waiting: readonly Waiting[]): void {
    for (const { layer, operation } of waiting) {
      if (layer !== this.layer.id || this.lastActor.has(operation.op_id)) continue; // saved, only its answer was lost
      const changes = operation.effects.map((e) => ({ ...e, before: this.stateOf(e.annotation) }));
      for (const e of changes)
        this.cells.put(this.layer.index, e.annotation, e.after, operation.op_id, undefined, this.person.id);
      this.history.record({
        op_id: operation.op_id,
        action: operation.action,
        undoes: operation.undoes,
        changes,
      });
    }
  }

  /** Conflicts that an earlier page left open: the own version is in the picture again, and the question with it. */
  reopen(): void {
    for (const { operation, theirs } of this.outbox.unsettled(this.layer.id)) {
      this.heard.add(operation.op_id);
      for (const e of operation.effects) {
        const known = theirs?.find((t) => t.annotation === e.annotation);
        if (!known || known.last_op === null) continue; // it never came to be on the server: nothing to choose
        const open = this.conflicts.findIndex((c) => c.annotation === e.annotation);
        const row = this.cells.rowOf(e.annotation);
        // What the pack does not have has been deleted; a choice for the own version is then judged by the server.
        const now: Current =
          open >= 0
            ? this.conflicts[open].theirs
            : row < 0
              ? { ...known, state: null }
              : {
                  annotation: e.annotation,
                  version: this.cells.version[row],
                  last_op: this.cells.lastOp(row),
                  state: this.stateOf(e.annotation),
                };
        if (open >= 0) this.conflicts.splice(open, 1); // a later act on the same cell
        if (same(e.after, now.state)) {
          if (open >= 0) this.adopt(now);
          continue;
        }
        this.cells.put(this.layer.index, e.annotation, e.after, operation.op_id, undefined, this.person.id);
        this.conflicts.push({
          annotation: e.annotation,
          action: operation.action,
          theirs: now,
          by: (now.last_op && this.lastActor.get(now.last_op)) ?? null,
        });
      }
    }
    this.letGo();
  }

  /** What the queue keeps for a choice that is made, or need not be made, need not be kept. */
  private letGo(): void {
    const open = new Set(this.conflicts.map((c) => c.annotation));
    const heard = this.outbox.unsettled(this.layer.id).filter((w) => this.heard.has(w.operation.op_id));
    const done = heard.filter((w) => !w.operation.effects.some((e) => open.has(e.annotation)));
    if (done.length) void this.outbox.settle(new Set(done.map((w) => w.operation.op_id)));
  }

  /** The server's answer for one of the own operations. */
  settle(verdict: Verdict, waiting: Waiting): void {
    if (waiting.layer !== this.layer.id) return;
    switch (verdict.verdict) {
      case "accepted":
      case "repeated":
        for (const now of verdict.current) {
          const row = this.cells.rowOf(now.annotation);
          if (row >= 0 && this.cells.lastOp(row) === now.last_op) this.cells.version[row] = now.version;
          // Saved long ago, and somebody has acted on top of it since.
          // An own later act in the picture is decided by its own verdict, which may follow in the same answer.
          else if (verdict.verdict === "repeated" && row >= 0 && this.cells.lastOp(row) === verdict.op_id)
            this.adopt(now);
        }
        break;
      case "stale":
        this.history.forget(verdict.op_id);
        this.heard.add(verdict.op_id);
        if (!this.settled.delete(verdict.op_id) && !this.restsOnAnother(waiting))
          for (const theirs of this.currentOf(verdict, waiting)) this.stale(theirs, waiting.operation.action);
        this.letGo();
        break;
      case "invalid":
        this.history.forget(verdict.op_id);
        for (const now of this.currentOf(verdict, waiting))
          if (
            !waiting.operation.effects.some(
              (e) => e.annotation === now.annotation && this.instead.has(place(e.seen, e)),
            )
          )
            this.adopt(now);
        if (this.withoutWhatWentAway(verdict, waiting)) break;
        this.events.onNotice(
          t("Not saved, and taken back: {detail}", {
            detail: verdict.error?.detail ?? t("the server found it invalid"),
          }),
        );
        break;
    }
    this.events.onChange();
  }

  /** Take in what the tail brings; true when there is more to fetch. */
  follow(tail: Tail): boolean {
    let changed = false;
    for (const operation of tail.operations) {
      this.seq = Math.max(this.seq, operation.seq);
      this.takeIn(operation);
      changed = true;
    }
    if (!tail.more) this.seq = Math.max(this.seq, tail.seq);
    if (changed) this.events.onChange();
    return tail.more;
  }

  /** Settle a conflict: "mine" acts again on top of theirs, "theirs" takes the own version back. */
  resolve(conflict: Conflict, choice: "mine" | "theirs", timing: Timing): void {
    const mine = this.stateOf(conflict.annotation);
    this.conflicts.splice(this.conflicts.indexOf(conflict), 1);
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
    this.events.onChange();
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
    this.events.onNotice(
      field === "label_class"
        ? t("This class has been removed from the project meanwhile. What you drew is kept, without a class.")
        : t(
            "An attribute or one of its values has been removed from the project meanwhile. What you drew is kept, without it.",
          ),
    );
    return true;
  }

  /** Stale for no more than that the own act before it was refused: it is sent on top of what stands there instead. */
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

  private stale(theirs: Current, action: Action): void {
    const row = this.cells.rowOf(theirs.annotation);
    const mine = this.stateOf(theirs.annotation);
    if (theirs.last_op === null) {
      // It never came to be on the server: a colleague has decided the same proposal. Theirs is in the tail.
      if (row >= 0) this.adopt(theirs);
      this.events.onNotice(t("A colleague had decided this proposal already; their decision stands."));
      return;
    }
    if (same(mine, theirs.state)) {
      this.adopt(theirs);
      return;
    }
    const known = this.conflicts.findIndex((c) => c.annotation === theirs.annotation);
    const by = this.lastActor.get(theirs.last_op) ?? null;
    const conflict: Conflict = { annotation: theirs.annotation, action, theirs, by };
    if (known >= 0) this.conflicts[known] = conflict;
    else this.conflicts.push(conflict);
  }

  private takeIn(operation: OperationOut): void {
    this.lastActor.set(operation.op_id, operation.author.name);
    for (const e of operation.effects) {
      const theirs: Current = {
        annotation: e.annotation,
        version: e.version,
        last_op: operation.op_id,
        state: e.after,
      };
      const open = this.conflicts.findIndex((c) => c.annotation === e.annotation);
      if (open >= 0) {
        const conflict = this.conflicts[open];
        if (e.version >= conflict.theirs.version)
          this.conflicts[open] = { ...conflict, theirs, by: operation.author.name };
        continue;
      }
      if (this.isOnItsWay(e.annotation)) continue; // the own act will be called stale, with the state of that moment
      const row = this.cells.rowOf(e.annotation);
      if (row >= 0 && e.version <= this.cells.version[row]) continue; // a verdict told of this act, or of a later one
      this.adopt(theirs, operation.author.id);
    }
  }

  private isOnItsWay(annotation: string): boolean {
    return this.outbox
      .left()
      .some((w) => w.layer === this.layer.id && w.operation.effects.some((e) => e.annotation === annotation));
  }

  private adopt(now: Current, author = 0): void {
    if (now.state === null && this.cells.rowOf(now.annotation) < 0) return;
    this.cells.put(this.layer.index, now.annotation, now.state, now.last_op, now.version, author);
  }

  private stateOf(annotation: string): State | null {
    const row = this.cells.rowOf(annotation);
    return row >= 0 ? this.cells.stateOf(row) : null;
  }

  /** The server's state of every annotation the operation touched; what it does not name does not exist there. */
  private currentOf(verdict: Verdict, waiting: Waiting): Current[] {
    const told = new Map(verdict.current.map((c) => [c.annotation, c]));
    return waiting.operation.effects.map(
      (e) => told.get(e.annotation) ?? { annotation: e.annotation, version: 0, last_op: null, state: null },
    );
  }
}

const place = (op_id: string | null, effect: EffectIn): string => `${op_id} ${effect.annotation}`;

/** The same to a person: provenance is the server's, and does not count. */
function same(a: State | null, b: State | null): boolean {
  if (!a || !b) return a === b;
  const mask = (s: State) => s.mask && [s.mask.x, s.mask.y, s.mask.width, s.mask.height, s.mask.bits];
  const said = (s: State) => [Object.entries(s.attributes ?? {}).sort(), s.parent ?? null]; // the server may order them
  const bare = (s: State) =>
    JSON.stringify([s.kind, s.status, s.label_class, s.box, mask(s), s.derived_from, s.reason, said(s)]);
  return bare(a) === bare(b);
}
