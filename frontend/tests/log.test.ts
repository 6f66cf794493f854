import { describe, expect, it } from "vitest";
import type { OperationOut, AnnotationState } from "../scene/contract";
import * as bulk from "../scene/bulk";
import * as edits from "../scene/edits";
import type { Entry } from "../scene/history";
import type { Waiting } from "../sync/outbox";
import { state, uuid } from "./build";
import { logSetup, move, PERSON, tail, theirs, TIMING } from "./log_setup";

describe("log", () => {
  it("an own act is in the picture at once and not applied again when the tail brings it", () => {
    const d = logSetup();
    const op = move(d, uuid(2), 10);
    expect(d.boxOf(uuid(2))).toEqual([25, 15, 35, 25]);
    d.answer("accepted", [{ annotation: uuid(2), version: 2, last_op: op, state: null }]);
    const later = move(d, uuid(2), 10);
    const own = { ...theirs(6, uuid(2), state([25, 15, 35, 25])), op_id: op };
    d.log.follow(tail([own], 6));
    expect(d.boxOf(uuid(2))).toEqual([35, 15, 45, 25]);
    expect(d.cells.lastOp(d.cells.rowOf(uuid(2)))).toBe(later);
    expect(d.log.seq).toBe(6);
  });

  it("a chain made offline names the act before it as seen", () => {
    const d = logSetup();
    const first = move(d, uuid(2), 10);
    move(d, uuid(2), 10);
    expect(d.out.map((w) => w.operation.effects[0].seen)).toEqual([uuid(12), first]);
  });

  it("shows what a colleague did, and what they deleted", () => {
    const d = logSetup();
    d.log.follow(tail([theirs(6, uuid(2), state([1, 1, 9, 9])), theirs(7, uuid(1), null)], 7));
    expect(d.boxOf(uuid(2))).toEqual([1, 1, 9, 9]);
    expect(d.boxOf(uuid(1))).toBeNull();
  });

  it("two people move one box: neither is overwritten, and both choices lead to one state", () => {
    for (const choice of ["mine", "theirs"] as const) {
      const d = logSetup();
      move(d, uuid(2), 10);
      move(d, uuid(2), 10);
      const now = { annotation: uuid(2), version: 2, last_op: uuid(5006), state: state([50, 50, 60, 60]) };
      d.log.follow(tail([theirs(6, uuid(2), now.state)], 6));
      expect(d.boxOf(uuid(2))).toEqual([35, 15, 45, 25]); // still my picture: my acts are on their way
      d.answer("stale", [now]);
      d.answer("stale", [now]);
      expect(d.log.conflicts).toMatchObject([{ annotation: uuid(2), by: "Dr B" }]);
      expect(d.stale).toHaveLength(2); // kept on this computer until the choice is made
      expect(d.history.canUndo).toBe(false);
      d.log.resolve(d.log.conflicts[0], choice, TIMING);
      expect(d.log.conflicts).toEqual([]);
      expect(d.stale).toEqual([]);
      expect(d.boxOf(uuid(2))).toEqual(choice === "mine" ? [35, 15, 45, 25] : [50, 50, 60, 60]);
      expect(d.out.map((w) => [w.operation.action, w.operation.effects[0].seen])).toEqual(
        choice === "mine" ? [["move", uuid(5006)]] : [],
      );
    }
  });

  it("the tail that comes late does not take back the choice", () => {
    const d = logSetup();
    move(d, uuid(2), 10);
    const now = { annotation: uuid(2), version: 2, last_op: uuid(5006), state: state([50, 50, 60, 60]) };
    d.answer("stale", [now]);
    d.log.resolve(d.log.conflicts[0], "mine", TIMING);
    const again = d.out[0].operation.op_id;
    d.answer("accepted", [{ annotation: uuid(2), version: 3, last_op: again, state: null }]);
    d.log.follow(tail([theirs(6, uuid(2), now.state)], 6));
    expect(d.boxOf(uuid(2))).toEqual([25, 15, 35, 25]);
    expect(d.cells.lastOp(d.cells.rowOf(uuid(2)))).toBe(again);
  });

  it("the same decision on both sides is no conflict", () => {
    const d = logSetup();
    move(d, uuid(2), 10);
    d.answer("stale", [
      { annotation: uuid(2), version: 2, last_op: uuid(5006), state: state([25, 15, 35, 25]) },
    ]);
    expect(d.log.conflicts).toEqual([]);
    expect(d.cells.lastOp(d.cells.rowOf(uuid(2)))).toBe(uuid(5006));
  });

  it("another attribute or another cell around is a conflict, the same ones in another order are none", () => {
    const mine = { attributes: { Mitosis: "yes", Stain: "2" }, parent: uuid(1) };
    const conflicts = (more: Partial<AnnotationState>) => {
      const d = logSetup();
      d.log.commit(
        {
          action: "classify",
          tool: "attribute",
          effects: [edits.change(d.cells, d.cells.rowOf(uuid(2)), mine)],
        },
        TIMING,
      );
      d.answer("stale", [
        { annotation: uuid(2), version: 2, last_op: uuid(5006), state: state([15, 15, 25, 25], more) },
      ]);
      return d.log.conflicts.length;
    };
    expect(conflicts({ ...mine, attributes: { Mitosis: "no", Stain: "2" } })).toBe(1);
    expect(conflicts({ ...mine, parent: null })).toBe(1);
    expect(conflicts({ ...mine, attributes: { Stain: "2", Mitosis: "yes" } })).toBe(0);
  });

  it("a colleague has decided the same proposal: theirs stands, and it is said", () => {
    const d = logSetup();
    d.log.commit(edits.accept(d.cells, d.cells.rowOf(uuid(102))), TIMING);
    const mine = d.out[0].operation.effects[0].annotation;
    d.answer("stale", []);
    expect(d.boxOf(mine)).toBeNull();
    expect(d.notices).toHaveLength(1);
    d.log.follow(
      tail(
        [
          theirs(
            6,
            uuid(60),
            state([100, 100, 120, 130], { status: "rejected", derived_from: uuid(102) }),
            1,
          ),
        ],
        6,
      ),
    );
    expect(d.cells.isUndecided(d.cells.rowOf(uuid(102)))).toBe(false);
  });

  /** A colleague's decision on a proposal, as the server names it in the way of a later one. */
  const holder = (proposal: number, status: AnnotationState["status"], decided_by = 8) => ({
    annotation: uuid(60),
    version: 1,
    last_op: uuid(5006),
    state: state([100, 100, 120, 130], { status, derived_from: uuid(proposal) }),
    author: { id: decided_by, name: decided_by === 8 ? "Dr B" : "A" },
    decided_by,
  });

  it("a verdict that comes second is kept as an opinion, and the first one stands", () => {
    const d = logSetup();
    d.log.commit(edits.reject(d.cells, d.cells.rowOf(uuid(102)), "boundary"), TIMING);
    const mine = d.out[0].operation.effects[0].annotation;
    d.answer("stale", [holder(102, "confirmed")]);
    expect(d.cells.live[d.cells.rowOf(mine)]).toBe(0);
    expect(d.out.map((w) => w.operation)).toMatchObject([
      {
        action: "opinion",
        effects: [],
        opinions: [{ annotation: uuid(60), seen: null, after: { verdict: "rejected", reason: "boundary" } }],
      },
    ]);
    expect(d.notices).toEqual([
      "Dr B had decided this proposal already. Your verdict is kept as an opinion.",
    ]);
    expect(d.cells.disputed[d.cells.rowOf(uuid(60))]).toBe(1);
  });

  it("an own earlier decision, made in another window, is nobody else's and no opinion", () => {
    const d = logSetup();
    d.log.commit(edits.reject(d.cells, d.cells.rowOf(uuid(102))), TIMING);
    d.answer("stale", [holder(102, "confirmed", PERSON)]);
    expect(d.out).toEqual([]);
    expect(d.notices[0]).toContain("in another window");
  });

  it("what the server does not have is not blamed on a colleague", () => {
    const d = logSetup();
    move(d, uuid(2), 10);
    d.answer("stale", []);
    expect(d.notices).toEqual([
      "Not kept: the server does not have the cell that you changed, or has it no more.",
    ]);
  });

  it("one stale cell of a bulk act costs the others nothing", () => {
    const d = logSetup();
    const [draft] = bulk.acceptAll(d.cells, [d.cells.rowOf(uuid(101)), d.cells.rowOf(uuid(102))], "viewport");
    d.log.commit(draft, TIMING);
    const now = {
      annotation: uuid(1),
      version: 1,
      last_op: uuid(11),
      state: state([10, 10, 30, 30], { label_class: 5 }),
    };
    d.answer("stale", [now, holder(102, "rejected")]);
    const sent = d.out.map((w) => w.operation);
    expect(sent.map((o) => o.action).sort()).toEqual(["bulk", "opinion"]);
    const again = sent.find((o) => o.action === "bulk");
    expect(again?.effects.map((e) => [e.annotation, e.seen])).toEqual([[uuid(1), uuid(11)]]);
    expect(d.cells.isUndecided(d.cells.rowOf(uuid(101)))).toBe(false);
  });

  it("others' opinions come with the tail, and no cell changes by them", () => {
    const d = logSetup();
    const before = d.cells.stateOf(d.cells.rowOf(uuid(2)));
    const after = { verdict: "rejected" as const, label_class: null, reason: "" as const };
    const operation = {
      ...theirs(6, uuid(2), null),
      action: "opinion" as const,
      effects: [],
      committed_at: "2026-11-29T10:00:00Z",
    };
    d.log.follow(tail([{ ...operation, opinions: [{ annotation: uuid(2), before: null, after }] }], 6));
    const row = d.cells.rowOf(uuid(2));
    expect([d.cells.stateOf(row), d.cells.disputed[row]]).toEqual([before, 1]);
    expect(d.cells.opinions.on(uuid(2))).toMatchObject([{ author: { name: "Dr B" }, verdict: "rejected" }]);
  });

  it("who deleted a cell in conflict is asked of the log after a reload", async () => {
    const before = logSetup();
    const draft = edits.draw({ x0: 1, y0: 1, x1: 9, y1: 9 }, null);
    const after = logSetup();
    const op = before.log.commit(draft, TIMING);
    const id = draft.effects[0].annotation;
    const moved = before.log.commit(
      { action: "move", tool: "select", effects: [edits.change(before.cells, before.cells.rowOf(id), {})] },
      TIMING,
    );
    expect(moved).not.toBe(op);
    const known = { annotation: id, version: 2, last_op: uuid(5001), state: state([2, 2, 9, 9]) };
    after.stale.push({ ...before.out[1], theirs: [known] });
    after.log.reopen();
    expect(after.log.conflicts).toMatchObject([{ annotation: id, by: null }]);
    const operation = {
      seq: 9,
      action: "delete" as const,
      tool: "keys",
      author: { id: 8, name: "Dr B" },
      committed_at: "",
    };
    await after.log.askAboutConflicts((asked) =>
      Promise.resolve(
        asked.map((annotation) => ({
          ...known,
          annotation,
          version: 3,
          last_op: uuid(5002),
          state: null,
          author: operation.author,
          decided_by: null,
          disputed: false,
          operation,
          opinions: [],
        })),
      ),
    );
    expect(after.log.conflicts).toMatchObject([{ by: "Dr B", theirs: { last_op: uuid(5002), state: null } }]);
  });

  it("takes an invalid act back and says why", () => {
    const d = logSetup();
    move(d, uuid(2), 10);
    const waiting = d.out.shift() as Waiting;
    const error = { code: "bad_box", detail: "the box lies outside the image", field: "box" };
    const now = { annotation: uuid(2), version: 1, last_op: uuid(12), state: state([15, 15, 25, 25]) };
    d.log.settle(
      { op_id: waiting.operation.op_id, verdict: "invalid", seq: null, error, current: [now] },
      waiting,
    );
    expect(d.boxOf(uuid(2))).toEqual([15, 15, 25, 25]);
    expect(d.notices[0]).toContain("outside the image");
    expect(d.history.canUndo).toBe(false);
  });

  it("a class deleted while it was in use costs the class, not the cell", () => {
    const d = logSetup();
    const draft = edits.draw({ x0: 40, y0: 40, x1: 60, y1: 60 }, 99);
    d.log.commit(draft, TIMING);
    const waiting = d.out.shift() as Waiting;
    const id = draft.effects[0].annotation;
    const error = { code: "invalid", detail: "class 99 is not one of this project's", field: "label_class" };
    d.log.settle(
      { op_id: waiting.operation.op_id, verdict: "invalid", seq: null, error, current: [] },
      waiting,
    );
    expect(d.boxOf(id)).toEqual([40, 40, 60, 60]);
    expect(d.out[0].operation.effects[0]).toMatchObject({
      annotation: id,
      seen: null,
      after: { label_class: null },
    });
    expect(d.notices[0]).toContain("without a class");
    d.answer("accepted", [
      {
        annotation: id,
        version: 1,
        last_op: d.cells.lastOp(d.cells.rowOf(id)),
        state: d.cells.stateOf(d.cells.rowOf(id)),
      },
    ]);
    expect(d.history.canUndo).toBe(true);
  });

  it("an attribute removed while it was in use costs the attribute, not the cell nor what was done on top", () => {
    const d = logSetup();
    const accepted = edits.accept(d.cells, d.cells.rowOf(uuid(102)), null, undefined, undefined, {
      Mitosis: "perhaps",
    });
    const id = accepted.effects[0].annotation;
    const row = () => d.cells.rowOf(id);
    d.log.commit(accepted, TIMING);
    move(d, id, 10);
    d.log.commit(
      {
        action: "classify",
        tool: "attribute",
        effects: [edits.change(d.cells, row(), { attributes: { Mitosis: "maybe" } })],
      },
      TIMING,
    );
    move(d, id, 10); // says "maybe" too
    d.log.commit(
      { action: "classify", tool: "attribute", effects: [edits.change(d.cells, row(), { attributes: {} })] },
      TIMING,
    );
    const [sent, error] = [
      d.out.splice(0),
      { code: "invalid", detail: "no value of the attribute", field: "attributes" },
    ];
    const nothing = [{ annotation: id, version: 0, last_op: null, state: null }];
    sent.forEach((w, i) =>
      d.log.settle(
        {
          op_id: w.operation.op_id,
          verdict: i < 4 ? "invalid" : "stale",
          seq: null,
          error,
          current: nothing,
        },
        w,
      ),
    );
    const again = d.out.map((w) => w.operation);
    // What was said is not said again.
    expect(again.map((o) => o.action)).toEqual(["accept", "move", "move", "classify"]);
    // One on top of the other.
    expect(again.map((o) => o.effects[0].seen)).toEqual([null, ...again.slice(0, 3).map((o) => o.op_id)]);
    expect(again.map((o) => o.effects[0].after?.attributes ?? {})).toEqual([{}, {}, {}, {}]);
    expect([d.boxOf(id), d.log.conflicts]).toEqual([[120, 100, 140, 130], []]);
    expect(d.notices.map((n) => n.includes("is kept, without it"))).toEqual([true, true, false, true]);
  });

  it("own acts can be undone after a reload, a colleague's cannot", () => {
    const d = logSetup();
    const mine = (
      seq: number,
      op: number,
      action: OperationOut["action"],
      before: AnnotationState | null,
      after: AnnotationState | null,
      undoes: string | null = null,
    ) => ({
      ...theirs(seq, uuid(2), after, seq, op),
      action,
      undoes,
      author: { id: PERSON, name: "A" },
      effects: [{ annotation: uuid(2), version: seq, before, after, decided_by: PERSON }],
    });
    const [a, b, c] = [1, 2, 3].map((n) => state([n, n, n + 9, n + 9]));
    // Drawn, moved, the move undone; in between a colleague acted on another cell.
    d.log.remember(
      tail(
        [
          mine(1, 31, "draw", null, a),
          mine(2, 32, "move", a, b),
          theirs(3, uuid(1), c, 2),
          mine(4, 33, "undo", b, a, uuid(32)),
        ],
        4,
      ),
    );
    d.cells.put(0, uuid(2), a, uuid(33), 3);
    expect(d.history.redo(d.log.headOf)).toMatchObject({
      draft: { undoes: uuid(33), effects: [{ seen: uuid(33), after: b }] },
    });
    expect(d.history.undo(d.log.headOf)).toMatchObject({
      draft: { undoes: uuid(31), effects: [{ annotation: uuid(2), seen: uuid(33), after: null }] },
    });
    // The cell of this scene's pack was not there before operation 31 in the remembered log.
    d.history.drop((d.history.undo(d.log.headOf) as { entry: Entry }).entry);
    expect(d.history.undo(d.log.headOf)).toBe("nothing");
  });

  it("a reload shows what is still waiting on top of the server's state, and what it has already only once", () => {
    const before = logSetup();
    move(before, uuid(2), 10);
    move(before, uuid(2), 10);
    const draft = edits.draw({ x0: 200, y0: 200, x1: 210, y1: 210 }, null);
    before.log.commit(draft, TIMING);
    const after = logSetup();
    // The server has taken the first move; its answer was lost.
    after.cells.put(0, uuid(2), state([25, 15, 35, 25]), before.out[0].operation.op_id, 2);
    after.log.replay(before.out);
    expect(after.boxOf(uuid(2))).toEqual([35, 15, 45, 25]);
    expect(after.boxOf(draft.effects[0].annotation)).toEqual([200, 200, 210, 210]);
  });
});

describe("log after a reload", () => {
  it("an act that the server will refuse stays in the picture, so that nothing of it is lost unasked", () => {
    const before = logSetup();
    move(before, uuid(2), 10);
    const after = logSetup();
    const theirState = state([50, 50, 60, 60]);
    after.cells.put(0, uuid(2), theirState, uuid(5006), 2); // a colleague was faster
    after.log.replay(before.out);
    after.out.push(...before.out);
    expect(after.boxOf(uuid(2))).toEqual([25, 15, 35, 25]);
    after.answer("stale", [{ annotation: uuid(2), version: 2, last_op: uuid(5006), state: theirState }]);
    expect(after.log.conflicts).toHaveLength(1);
    after.log.resolve(after.log.conflicts[0], "mine", TIMING);
    expect(after.out[0].operation.effects[0]).toMatchObject({
      seen: uuid(5006),
      after: { box: [25, 15, 35, 25] },
    });
  });

  it("a conflict that nobody has settled is asked again, on top of what is there by now", () => {
    const before = logSetup();
    move(before, uuid(2), 10);
    move(before, uuid(2), 10);
    const seen = { annotation: uuid(2), version: 2, last_op: uuid(5006), state: state([50, 50, 60, 60]) };
    before.answer("stale", [seen]);
    before.answer("stale", [seen]);
    for (const choice of ["mine", "theirs"] as const) {
      const after = logSetup();
      after.cells.put(0, uuid(2), state([70, 70, 80, 80]), uuid(5007), 3); // the colleague went on meanwhile
      after.log.remember(tail([theirs(5, uuid(2), state([70, 70, 80, 80]), 3, 5007)], 5));
      after.stale.push(...before.stale);
      after.log.reopen();
      expect(after.log.conflicts).toMatchObject([
        { annotation: uuid(2), by: "Dr B", theirs: { last_op: uuid(5007) } },
      ]);
      expect(after.boxOf(uuid(2))).toEqual([35, 15, 45, 25]);
      expect(after.out).toEqual([]); // nothing is sent before somebody has chosen
      after.log.resolve(after.log.conflicts[0], choice, TIMING);
      expect(after.boxOf(uuid(2))).toEqual(choice === "mine" ? [35, 15, 45, 25] : [70, 70, 80, 80]);
      expect(after.out.map((w) => w.operation.effects[0].seen)).toEqual(
        choice === "mine" ? [uuid(5007)] : [],
      );
      expect(after.stale).toEqual([]);
    }
  });

  it("a conflict over a cell that was deleted meanwhile is asked too; one that has gone by itself is not", () => {
    const before = logSetup();
    move(before, uuid(2), 10);
    before.answer("stale", [{ annotation: uuid(2), version: 2, last_op: uuid(5006), state: null }]);
    const after = logSetup();
    after.cells.put(0, uuid(2), null, uuid(5006), 2);
    after.stale.push(...before.stale);
    after.log.reopen();
    expect(after.log.conflicts).toMatchObject([{ annotation: uuid(2), theirs: { state: null } }]);
    expect(after.boxOf(uuid(2))).toEqual([25, 15, 35, 25]);
    const same = logSetup();
    same.cells.put(0, uuid(2), state([25, 15, 35, 25]), uuid(5008), 4); // they came to what I had
    same.stale.push(...before.stale);
    same.log.reopen();
    expect([same.log.conflicts, same.stale]).toEqual([[], []]);
  });

  it("an act that was saved although its answer was lost is undone to what was before it", () => {
    const before = logSetup();
    const op = move(before, uuid(2), 10);
    const after = logSetup();
    const [from, to] = [state([15, 15, 25, 25]), state([25, 15, 35, 25])];
    after.cells.put(0, uuid(2), to, op, 2);
    const saved = { ...theirs(5, uuid(2), to), op_id: op, author: { id: PERSON, name: "A" } };
    after.log.remember(
      tail(
        [
          {
            ...saved,
            effects: [{ annotation: uuid(2), version: 2, before: from, after: to, decided_by: PERSON }],
          },
        ],
        5,
      ),
    );
    after.log.replay(before.out);
    const undo = () => after.history.undo(after.log.headOf);
    expect(undo()).toMatchObject({ draft: { undoes: op, effects: [{ after: from }] } });
    after.history.drop((undo() as { entry: Entry }).entry);
    expect(undo()).toBe("nothing");
  });

  it("an act that was saved, and acted upon since, gives way to what is there now", () => {
    const before = logSetup();
    move(before, uuid(2), 10);
    const after = logSetup();
    const now = { annotation: uuid(2), version: 3, last_op: uuid(5006), state: state([50, 50, 60, 60]) };
    after.cells.put(0, uuid(2), now.state, now.last_op, 3);
    after.log.replay(before.out);
    after.out.push(...before.out);
    after.answer("repeated", [now]);
    expect(after.boxOf(uuid(2))).toEqual([50, 50, 60, 60]);
    expect(after.log.conflicts).toEqual([]);
  });

  it("an own act on top of a repeated one stays, although the queue has let go of both", () => {
    const d = logSetup();
    const [first, second] = [move(d, uuid(2), 10), move(d, uuid(2), 10)];
    const [a, b] = d.out.splice(0);
    const theirState = state([50, 50, 60, 60]);
    const current = [{ annotation: uuid(2), version: 3, last_op: uuid(5006), state: theirState }];
    const error = { code: "stale", detail: "", field: "" };
    d.log.settle({ op_id: first, verdict: "repeated", seq: 1, error: null, current }, a);
    d.log.settle({ op_id: second, verdict: "stale", seq: null, error, current }, b);
    expect(d.boxOf(uuid(2))).toEqual([35, 15, 45, 25]);
    expect(d.log.conflicts).toHaveLength(1);
  });
});
