import "fake-indexeddb/auto";
import { deleteDB, openDB } from "idb";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Answer, OperationIn, OperationOut, State, Verdict } from "../scene/contract";
import * as edits from "../scene/edits";
import { History } from "../scene/history";
import { Api, csrfToken, Refused, Unreachable } from "../sync/api";
import { Log } from "../sync/log";
import { backOff, databaseName, Queue, type QueueState, type Sender, type Waiting } from "../sync/queue";
import { saveWords } from "../ui/words";
import { scene, state, uuid } from "./build";

const PERSON = 7;
const LAYER = uuid(900);
const operation = (n: number, effects: OperationIn["effects"] = []): OperationIn => ({
  op_id: uuid(n),
  action: "draw",
  tool: "box",
  session: uuid(1),
  begun_at: "",
  committed_at: "",
  begun_ms: 0,
  committed_ms: 0,
  activity: null,
  undoes: null,
  effects,
});
const accept = (layer: string, operations: OperationIn[]): Answer => ({
  layer,
  seq: 1,
  results: operations.map((o) => ({ op_id: o.op_id, verdict: "accepted", seq: 1, error: null, current: [] })),
});
const kept = async () => {
  const db = await openDB(databaseName(PERSON));
  const all = (await db.getAll("operations")) as Waiting[];
  db.close();
  return all.map((w) => w.operation.op_id);
};

describe("queue", () => {
  const queues: Queue[] = [];
  const states: QueueState[] = [];
  const verdicts: Verdict[] = [];
  const open = async (sender: Sender) => {
    const queue = await Queue.open(PERSON, sender, { onState: (s) => states.push(s), onVerdict: (v) => verdicts.push(v) });
    queues.push(queue);
    return queue;
  };
  beforeEach(() => {
    states.length = verdicts.length = 0;
  });
  afterEach(async () => {
    for (const queue of queues.splice(0)) queue.stop();
    await deleteDB(databaseName(PERSON));
  });

  it("keeps an operation before it is sent, and lets go of it when the server has it", async () => {
    let atSending: string[] = [];
    const queue = await open(async (layer, operations) => {
      atSending = await kept();
      return accept(layer, operations);
    });
    await queue.add(LAYER, 1, operation(1));
    await queue.flush();
    expect(atSending).toEqual([uuid(1)]);
    expect(await kept()).toEqual([]);
    expect(verdicts.map((v) => v.op_id)).toEqual([uuid(1)]);
    expect(queue.state.kind).toBe("saved");
  });

  it("brings 250 acts made without a server through a new page, all, in order, once each", async () => {
    const offline = await open(() => Promise.reject(new Unreachable("no route")));
    for (let i = 0; i < 250; i++) void offline.add(LAYER, 1, operation(i));
    await offline.add(LAYER, 1, operation(250));
    await offline.flush();
    expect(offline.state).toMatchObject({ kind: "offline", count: 251 });
    offline.stop();

    const stored: string[] = [];
    let broken = true;
    const queue = await open((layer, operations) => {
      expect(operations.length).toBeLessThanOrEqual(200);
      // The server takes the batch, and the answer to the first one is lost.
      for (const o of operations) if (!stored.includes(o.op_id)) stored.push(o.op_id);
      if (broken) {
        broken = false;
        return Promise.reject(new Unreachable("reset"));
      }
      return Promise.resolve(accept(layer, operations));
    });
    expect(queue.count).toBe(251);
    await queue.flush();
    expect(queue.state.kind).toBe("offline");
    await queue.flush();
    expect(stored).toEqual(Array.from({ length: 251 }, (_, i) => uuid(i)));
    expect(await kept()).toEqual([]);
    expect(queue.state.kind).toBe("saved");
  });

  it("keeps everything when the session has ended, and goes on when it is renewed", async () => {
    let signedIn = false;
    const queue = await open((layer, operations) =>
      signedIn ? Promise.resolve(accept(layer, operations)) : Promise.reject(new Refused(401, "not_signed_in", "")),
    );
    await queue.add(LAYER, 1, operation(1));
    await queue.flush();
    expect(queue.state).toEqual({ kind: "signed_out", count: 1 });
    expect(await kept()).toEqual([uuid(1)]);
    await queue.add(LAYER, 1, operation(2)); // work goes on, nothing is sent
    expect(queue.state).toEqual({ kind: "signed_out", count: 2 });
    signedIn = true;
    await queue.flush();
    expect(queue.state.kind).toBe("saved");
  });

  it("one bad operation does not hold the others back", async () => {
    const queue = await open((layer, operations) => {
      const answer = accept(layer, operations);
      answer.results[0].verdict = "invalid";
      return Promise.resolve(answer);
    });
    await Promise.all([queue.add(LAYER, 1, operation(1)), queue.add(LAYER, 1, operation(2))]);
    await queue.flush();
    expect(verdicts.map((v) => v.verdict).sort()).toContain("accepted");
    expect(await kept()).toEqual([]);
  });

  it("says what the server refuses and keeps it", async () => {
    const queue = await open(() => Promise.reject(new Refused(403, "role", "a viewer may not write")));
    await queue.add(LAYER, 1, operation(1));
    await queue.flush();
    expect(queue.state).toMatchObject({ kind: "refused", count: 1, detail: "a viewer may not write" });
    expect(await kept()).toEqual([uuid(1)]);
  });

  it("keeps what an archived project refuses, says why, and sends it when the project is restored", async () => {
    const sentence = "this project is archived; until an owner or manager restores it, nothing in it is changed";
    let archived = true;
    const answers = () =>
      archived
        ? new Response(JSON.stringify({ status: 409, code: "archived", detail: sentence }), { status: 409, headers: { "Content-Type": "application/problem+json" } })
        : new Response(JSON.stringify(accept(LAYER, [operation(1)])), { status: 200 });
    vi.stubGlobal("document", { cookie: "" });
    vi.stubGlobal("fetch", () => Promise.resolve(answers()));
    try {
      const api = new Api("/api/v1/");
      const queue = await open((layer, operations) => api.send(layer, operations));
      await queue.add(LAYER, 1, operation(1));
      await queue.flush();
      expect(queue.state).toMatchObject({ kind: "refused", count: 1, detail: sentence });
      expect(await kept()).toEqual([uuid(1)]);
      archived = false;
      queue.heard(null); // the next look at the log goes well: the queue tries again
      await queue.flush();
      expect(queue.state.kind).toBe("saved");
      expect(await kept()).toEqual([]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("a layer that the server refuses does not hold the others back", async () => {
    const other = uuid(901);
    const queue = await open((layer, operations) =>
      layer === other ? Promise.reject(new Refused(404, "not_found", "no such layer")) : Promise.resolve(accept(layer, operations)),
    );
    await Promise.all([queue.add(other, 1, operation(1)), queue.add(LAYER, 2, operation(2)), queue.add(other, 1, operation(3))]);
    await queue.flush();
    expect(verdicts.map((v) => v.op_id)).toEqual([uuid(2)]);
    expect(queue.state).toMatchObject({ kind: "refused", count: 2, detail: "no such layer" });
    expect(await kept()).toEqual([uuid(1), uuid(3)]);
  });

  it("tries again by itself", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"], shouldAdvanceTime: true, advanceTimeDelta: 200 });
    try {
      let tries = 0;
      const queue = await open((layer, operations) =>
        ++tries < 3 ? Promise.reject(new Refused(503, "", "")) : Promise.resolve(accept(layer, operations)),
      );
      await queue.add(LAYER, 1, operation(1));
      await vi.waitFor(() => expect(queue.state.kind).toBe("saved"), { timeout: 8000 });
      expect(tries).toBe(3);
    } finally {
      vi.useRealTimers();
    }
  });

  it("sends what another tab of the same person has left", async () => {
    const sent: string[] = [];
    const one = await open(() => Promise.reject(new Unreachable("")));
    const two = await open((layer, operations) => {
      sent.push(...operations.map((o) => o.op_id));
      return Promise.resolve(accept(layer, operations));
    });
    await one.add(LAYER, 1, operation(1));
    await one.flush();
    await two.flush();
    expect(sent).toEqual([uuid(1)]);
  });

  it("does not show one person's queue to another", async () => {
    const queue = await open(() => Promise.reject(new Unreachable("")));
    await queue.add(LAYER, 1, operation(1));
    const other = await Queue.open(8, () => Promise.reject(new Error("nothing to send")), { onState: () => {}, onVerdict: () => {} });
    expect(other.count).toBe(0);
    other.stop();
  });

  it("goes on without a database and says that nothing is kept", async () => {
    const real = globalThis.indexedDB;
    Object.defineProperty(globalThis, "indexedDB", { value: undefined, configurable: true, writable: true });
    try {
      const queue = await open((layer, operations) => Promise.resolve(accept(layer, operations)));
      expect(queue.durable).toBe(false);
      await queue.add(LAYER, 1, operation(1));
      await queue.flush();
      expect(queue.state.kind).toBe("saved");
    } finally {
      Object.defineProperty(globalThis, "indexedDB", { value: real, configurable: true, writable: true });
    }
  });

  it("when the browser's disk is full it says so, and what is drawn still goes to the server", async () => {
    const queue = await open((layer, operations) => Promise.resolve(accept(layer, operations)));
    const add = vi.spyOn(IDBObjectStore.prototype, "add").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    try {
      await queue.add(LAYER, 1, operation(1));
      expect(queue.durable).toBe(false);
      expect(saveWords({ kind: "offline", count: 1, retryAt: 0 }, 0, queue.durable).text).toContain("do not close");
      await queue.flush();
      expect(queue.state.kind).toBe("saved");
      expect(verdicts.map((v) => v.op_id)).toEqual([uuid(1)]);
    } finally {
      add.mockRestore();
    }
  });

  it("verdicts that come in another order are matched to their operations", async () => {
    const told: [string, string][] = [];
    const queue = await Queue.open(PERSON, (layer, operations) => {
      const answer = accept(layer, operations);
      answer.results.reverse();
      return Promise.resolve(answer);
    }, { onState: () => {}, onVerdict: (v, w) => told.push([v.op_id, w.operation.op_id]) });
    queues.push(queue);
    await Promise.all([1, 2, 3].map((n) => queue.add(LAYER, 1, operation(n))));
    await queue.flush();
    expect(told.map(([v]) => v).sort()).toEqual([uuid(1), uuid(2), uuid(3)]);
    expect(told.every(([v, w]) => v === w)).toBe(true);
    expect(await kept()).toEqual([]);
  });

  it("keeps what was found stale through a new page, sends it no second time, and lets go of it when told", async () => {
    let sent = 0;
    const stale: Sender = (layer, operations) => {
      sent += operations.length;
      const current = [{ annotation: uuid(2), version: 3, last_op: uuid(5006), state: null }];
      const verdict = (id: string) => (id === uuid(71) ? "stale" : "accepted");
      return Promise.resolve({ layer, seq: 1, results: operations.map((o) => ({ op_id: o.op_id, verdict: verdict(o.op_id), seq: 1, error: null, current })) });
    };
    const first = await open(stale);
    await first.add(LAYER, 1, operation(71));
    await first.add(LAYER, 1, operation(72));
    await first.flush();
    expect([sent, first.count, first.unsettled(LAYER).length]).toEqual([2, 0, 1]);
    await vi.waitFor(async () => expect(await kept()).toEqual([uuid(71)]));
    const second = await open(stale);
    await second.flush();
    expect([sent, second.count]).toEqual([2, 0]);
    expect(second.unsettled(LAYER)).toMatchObject([{ operation: { op_id: uuid(71) }, theirs: [{ last_op: uuid(5006) }] }]);
    expect(second.unsettled(uuid(901))).toEqual([]); // another image asks about its own
    await second.settle(new Set([uuid(71)]));
    expect(await kept()).toEqual([]);
    expect(second.unsettled(LAYER)).toEqual([]);
  });

  it("of two conflicts in one answer both are kept on this computer, until each is settled", async () => {
    const current = [1, 2].map((n) => ({ annotation: uuid(n), version: 2, last_op: uuid(5000 + n), state: state([50, 50, 60, 60]) }));
    let log: Log | null = null;
    const queue = await Queue.open(PERSON, (layer, operations) =>
      Promise.resolve({ layer, seq: 9, results: operations.map((o) => ({ op_id: o.op_id, verdict: "stale" as const, seq: null, error: null, current: current.filter((c) => c.annotation === o.effects[0].annotation) })) }),
      { onState: () => {}, onVerdict: (v, w) => log?.settle(v, w) });
    queues.push(queue);
    const { move, TIMING } = logTools();
    const cells = scene();
    log = new Log(cells, { id: LAYER, index: 0, seq: 5 }, 1, { id: PERSON, name: "A" }, uuid(1), new History(), queue, { onChange: () => {}, onNotice: () => {} });
    const ids = [move({ cells, log }, uuid(1), 10), move({ cells, log }, uuid(2), 10)]; // both before the first is sent
    await vi.waitFor(() => expect(queue.state.kind).toBe("saved"));
    expect(log.conflicts.map((c) => c.annotation)).toEqual([uuid(1), uuid(2)]);
    expect(await kept()).toEqual(ids);
    log.resolve(log.conflicts[0], "theirs", TIMING);
    await vi.waitFor(async () => expect(await kept()).toEqual([ids[1]]));
  });

  it("acts keep their order and their times when the clock is set back between them, and after a reload", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const d = logTools().desk();
      const sent: string[] = [];
      const queue = await open(() => Promise.reject(new Unreachable("down")));
      const act = (at: string, wait: number) => {
        vi.setSystemTime(new Date(at));
        d.log.commit(edits.draw({ x0: wait, y0: 0, x1: wait + 9, y1: 9 }, null), { begun_ms: 1000, committed_ms: 1000 + wait, activity: null });
      };
      act("2026-11-21T12:00:00Z", 400);
      act("2026-11-21T09:00:00Z", 700); // three hours back
      act("2026-11-20T09:00:00Z", 900); // a day back
      for (const w of d.out) await queue.add(w.layer, w.image, w.operation);
      queue.stop();
      vi.setSystemTime(new Date("2020-01-01T00:00:00Z"));
      const later = await open((layer, operations) => {
        sent.push(...operations.map((o) => o.op_id));
        return Promise.resolve(accept(layer, operations));
      });
      await later.flush();
      const made = d.out.map((w) => w.operation);
      expect(sent).toEqual(made.map((o) => o.op_id)); // in the order of the acts
      expect(made.map((o) => o.op_id)).toEqual(made.map((o) => o.op_id).sort()); // ids go on upwards
      expect(made.map((o) => Date.parse(o.committed_at) - Date.parse(o.begun_at))).toEqual([400, 700, 900]); // by the clock that only goes forward
    } finally {
      vi.useRealTimers();
    }
  });

  it("waits longer after every failure, up to half a minute", () => {
    expect([0, 1, 2, 3, 9].map((n) => backOff(n, () => 1))).toEqual([1000, 2000, 4000, 8000, 30_000]);
    expect(backOff(3, () => 0)).toBe(6000);
  });
});

function logTools() {
  const TIMING = { begun_ms: 1, committed_ms: 2, activity: null };
  const desk = () => {
    const cells = scene();
    const history = new History();
    const out: Waiting[] = [];
    const stale: Waiting[] = [];
    const notices: string[] = [];
    const log = new Log(cells, { id: LAYER, index: 0, seq: 5 }, 1, { id: PERSON, name: "A" }, uuid(1), history, {
      add: (layer, image, op) => Promise.resolve(void out.push({ layer, image, operation: op })),
      left: () => out,
      unsettled: () => stale,
      settle: (ids) => Promise.resolve(void stale.splice(0, stale.length, ...stale.filter((w) => !ids.has(w.operation.op_id)))),
    }, { onChange: () => {}, onNotice: (text) => notices.push(text) });
    const boxOf = (id: string) => cells.stateOf(cells.rowOf(id))?.box ?? null;
    const answer = (verdict: Verdict["verdict"], now: Verdict["current"] = []) => {
      const waiting = out.shift() as Waiting;
      if (verdict === "stale") stale.push({ ...waiting, theirs: now });
      log.settle({ op_id: waiting.operation.op_id, verdict, seq: 9, error: null, current: now }, waiting);
    };
    return { cells, history, out, stale, notices, log, boxOf, answer };
  };
  const theirs = (seq: number, annotation: string, after: State | null, version = 2, op = 5000 + seq): OperationOut => ({
    op_id: uuid(op), layer: LAYER, seq, action: "move", author: { id: 8, name: "Dr B" }, tool: "select", session: uuid(2),
    undoes: null, begun_at: "", committed_at: "", effects: [{ annotation, version, before: null, after }],
  });
  const tail = (operations: OperationOut[], seq = 0) => ({ layer: LAYER, seq, operations, more: false });
  const move = (d: Pick<ReturnType<typeof desk>, "cells" | "log">, id: string, by: number) => {
    const row = d.cells.rowOf(id);
    const b = d.cells.boxOf(row);
    return d.log.commit(edits.setBox(d.cells, row, { x0: b.x0 + by, y0: b.y0, x1: b.x1 + by, y1: b.y1 }, "move"), TIMING);
  };
  return { TIMING, desk, theirs, tail, move };
}

describe("log", () => {
  const { TIMING, desk, theirs, tail, move } = logTools();

  it("an own act is in the picture at once and not applied again when the tail brings it", () => {
    const d = desk();
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
    const d = desk();
    const first = move(d, uuid(2), 10);
    move(d, uuid(2), 10);
    expect(d.out.map((w) => w.operation.effects[0].seen)).toEqual([uuid(12), first]);
  });

  it("shows what a colleague did, and what they deleted", () => {
    const d = desk();
    d.log.follow(tail([theirs(6, uuid(2), state([1, 1, 9, 9])), theirs(7, uuid(1), null)], 7));
    expect(d.boxOf(uuid(2))).toEqual([1, 1, 9, 9]);
    expect(d.boxOf(uuid(1))).toBeNull();
  });

  it("two people move one box: neither is overwritten, and both choices lead to one state", () => {
    for (const choice of ["mine", "theirs"] as const) {
      const d = desk();
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
      expect(d.out.map((w) => [w.operation.action, w.operation.effects[0].seen])).toEqual(choice === "mine" ? [["move", uuid(5006)]] : []);
    }
  });

  it("the tail that comes late does not take back the choice", () => {
    const d = desk();
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
    const d = desk();
    move(d, uuid(2), 10);
    d.answer("stale", [{ annotation: uuid(2), version: 2, last_op: uuid(5006), state: state([25, 15, 35, 25]) }]);
    expect(d.log.conflicts).toEqual([]);
    expect(d.cells.lastOp(d.cells.rowOf(uuid(2)))).toBe(uuid(5006));
  });

  it("another attribute or another cell around is a conflict, the same ones in another order are none", () => {
    const mine = { attributes: { Mitosis: "yes", Stain: "2" }, parent: uuid(1) };
    const conflicts = (more: Partial<State>) => {
      const d = desk();
      d.log.commit({ action: "classify", tool: "attribute", effects: [edits.change(d.cells, d.cells.rowOf(uuid(2)), mine)] }, TIMING);
      d.answer("stale", [{ annotation: uuid(2), version: 2, last_op: uuid(5006), state: state([15, 15, 25, 25], more) }]);
      return d.log.conflicts.length;
    };
    expect(conflicts({ ...mine, attributes: { Mitosis: "no", Stain: "2" } })).toBe(1);
    expect(conflicts({ ...mine, parent: null })).toBe(1);
    expect(conflicts({ ...mine, attributes: { Stain: "2", Mitosis: "yes" } })).toBe(0);
  });

  it("a colleague has decided the same proposal: theirs stands, and it is said", () => {
    const d = desk();
    d.log.commit(edits.accept(d.cells, d.cells.rowOf(uuid(102))), TIMING);
    const mine = d.out[0].operation.effects[0].annotation;
    d.answer("stale", []);
    expect(d.boxOf(mine)).toBeNull();
    expect(d.notices).toHaveLength(1);
    d.log.follow(tail([theirs(6, uuid(60), state([100, 100, 120, 130], { status: "rejected", derived_from: uuid(102) }), 1)], 6));
    expect(d.cells.isUndecided(d.cells.rowOf(uuid(102)))).toBe(false);
  });

  it("takes an invalid act back and says why", () => {
    const d = desk();
    move(d, uuid(2), 10);
    const waiting = d.out.shift() as Waiting;
    const error = { code: "bad_box", detail: "the box lies outside the image", field: "box" };
    const now = { annotation: uuid(2), version: 1, last_op: uuid(12), state: state([15, 15, 25, 25]) };
    d.log.settle({ op_id: waiting.operation.op_id, verdict: "invalid", seq: null, error, current: [now] }, waiting);
    expect(d.boxOf(uuid(2))).toEqual([15, 15, 25, 25]);
    expect(d.notices[0]).toContain("outside the image");
    expect(d.history.canUndo).toBe(false);
  });

  it("a class deleted while it was in use costs the class, not the cell", () => {
    const d = desk();
    const draft = edits.draw({ x0: 40, y0: 40, x1: 60, y1: 60 }, 99);
    d.log.commit(draft, TIMING);
    const waiting = d.out.shift() as Waiting;
    const id = draft.effects[0].annotation;
    const error = { code: "invalid", detail: "class 99 is not one of this project's", field: "label_class" };
    d.log.settle({ op_id: waiting.operation.op_id, verdict: "invalid", seq: null, error, current: [] }, waiting);
    expect(d.boxOf(id)).toEqual([40, 40, 60, 60]);
    expect(d.out[0].operation.effects[0]).toMatchObject({ annotation: id, seen: null, after: { label_class: null } });
    expect(d.notices[0]).toContain("without a class");
    d.answer("accepted", [{ annotation: id, version: 1, last_op: d.cells.lastOp(d.cells.rowOf(id)), state: d.cells.stateOf(d.cells.rowOf(id)) }]);
    expect(d.history.canUndo).toBe(true);
  });

  it("an attribute removed while it was in use costs the attribute, not the cell nor what was done on top", () => {
    const d = desk();
    const said = edits.accept(d.cells, d.cells.rowOf(uuid(102)), null, undefined, undefined, { Mitosis: "perhaps" });
    const id = said.effects[0].annotation;
    const row = () => d.cells.rowOf(id);
    d.log.commit(said, TIMING);
    move(d, id, 10);
    d.log.commit({ action: "classify", tool: "attribute", effects: [edits.change(d.cells, row(), { attributes: { Mitosis: "maybe" } })] }, TIMING);
    move(d, id, 10); // says "maybe" too
    d.log.commit({ action: "classify", tool: "attribute", effects: [edits.change(d.cells, row(), { attributes: {} })] }, TIMING);
    const [sent, error] = [d.out.splice(0), { code: "invalid", detail: "no value of the attribute", field: "attributes" }];
    const nothing = [{ annotation: id, version: 0, last_op: null, state: null }];
    sent.forEach((w, i) => d.log.settle({ op_id: w.operation.op_id, verdict: i < 4 ? "invalid" : "stale", seq: null, error, current: nothing }, w));
    const again = d.out.map((w) => w.operation);
    expect(again.map((o) => o.action)).toEqual(["accept", "move", "move", "classify"]); // what was said is not said again
    expect(again.map((o) => o.effects[0].seen)).toEqual([null, ...again.slice(0, 3).map((o) => o.op_id)]); // one on top of the other
    expect(again.map((o) => o.effects[0].after?.attributes ?? {})).toEqual([{}, {}, {}, {}]);
    expect([d.boxOf(id), d.log.conflicts]).toEqual([[120, 100, 140, 130], []]);
    expect(d.notices.map((n) => n.includes("is kept, without it"))).toEqual([true, true, false, true]);
  });

  it("own acts can be undone after a reload, a colleague's cannot", () => {
    const d = desk();
    const mine = (seq: number, op: number, action: OperationOut["action"], before: State | null, after: State | null, undoes: string | null = null) => ({
      ...theirs(seq, uuid(2), after, seq, op), action, undoes, author: { id: PERSON, name: "A" },
      effects: [{ annotation: uuid(2), version: seq, before, after }],
    });
    const [a, b, c] = [1, 2, 3].map((n) => state([n, n, n + 9, n + 9]));
    // Drawn, moved, the move undone; in between a colleague acted on another cell.
    d.log.remember(tail([mine(1, 31, "draw", null, a), mine(2, 32, "move", a, b), theirs(3, uuid(1), c, 2), mine(4, 33, "undo", b, a, uuid(32))], 4));
    d.cells.put(0, uuid(2), a, uuid(33), 3);
    const lastOp = (id: string) => d.cells.lastOp(d.cells.rowOf(id));
    expect(d.history.redo(lastOp)).toMatchObject({ draft: { undoes: uuid(33), effects: [{ seen: uuid(33), after: b }] } });
    expect(d.history.undo(lastOp)).toMatchObject({ draft: { undoes: uuid(31), effects: [{ annotation: uuid(2), seen: uuid(33), after: null }] } });
    // The cell of this scene's pack was not there before operation 31 in the remembered log.
    d.history.drop("undo");
    expect(d.history.undo(lastOp)).toBe("nothing");
  });

  it("a reload shows what is still waiting on top of the server's state, and what it has already only once", () => {
    const before = desk();
    move(before, uuid(2), 10);
    move(before, uuid(2), 10);
    const draft = edits.draw({ x0: 200, y0: 200, x1: 210, y1: 210 }, null);
    before.log.commit(draft, TIMING);
    const after = desk();
    // The server has taken the first move; its answer was lost.
    after.cells.put(0, uuid(2), state([25, 15, 35, 25]), before.out[0].operation.op_id, 2);
    after.log.replay(before.out);
    expect(after.boxOf(uuid(2))).toEqual([35, 15, 45, 25]);
    expect(after.boxOf(draft.effects[0].annotation)).toEqual([200, 200, 210, 210]);
  });
});

describe("log after a reload", () => {
  const { desk, move, theirs, tail, TIMING } = logTools();

  it("an act that the server will refuse stays in the picture, so that nothing of it is lost unasked", () => {
    const before = desk();
    move(before, uuid(2), 10);
    const after = desk();
    const theirState = state([50, 50, 60, 60]);
    after.cells.put(0, uuid(2), theirState, uuid(5006), 2); // a colleague was faster
    after.log.replay(before.out);
    after.out.push(...before.out);
    expect(after.boxOf(uuid(2))).toEqual([25, 15, 35, 25]);
    after.answer("stale", [{ annotation: uuid(2), version: 2, last_op: uuid(5006), state: theirState }]);
    expect(after.log.conflicts).toHaveLength(1);
    after.log.resolve(after.log.conflicts[0], "mine", TIMING);
    expect(after.out[0].operation.effects[0]).toMatchObject({ seen: uuid(5006), after: { box: [25, 15, 35, 25] } });
  });

  it("a conflict that nobody has settled is asked again, on top of what is there by now", () => {
    const before = desk();
    move(before, uuid(2), 10);
    move(before, uuid(2), 10);
    const seen = { annotation: uuid(2), version: 2, last_op: uuid(5006), state: state([50, 50, 60, 60]) };
    before.answer("stale", [seen]);
    before.answer("stale", [seen]);
    for (const choice of ["mine", "theirs"] as const) {
      const after = desk();
      after.cells.put(0, uuid(2), state([70, 70, 80, 80]), uuid(5007), 3); // the colleague went on meanwhile
      after.log.remember(tail([theirs(5, uuid(2), state([70, 70, 80, 80]), 3, 5007)], 5));
      after.stale.push(...before.stale);
      after.log.reopen();
      expect(after.log.conflicts).toMatchObject([{ annotation: uuid(2), by: "Dr B", theirs: { last_op: uuid(5007) } }]);
      expect(after.boxOf(uuid(2))).toEqual([35, 15, 45, 25]);
      expect(after.out).toEqual([]); // nothing is sent before somebody has chosen
      after.log.resolve(after.log.conflicts[0], choice, TIMING);
      expect(after.boxOf(uuid(2))).toEqual(choice === "mine" ? [35, 15, 45, 25] : [70, 70, 80, 80]);
      expect(after.out.map((w) => w.operation.effects[0].seen)).toEqual(choice === "mine" ? [uuid(5007)] : []);
      expect(after.stale).toEqual([]);
    }
  });

  it("a conflict over a cell that was deleted meanwhile is asked too; one that has gone by itself is not", () => {
    const before = desk();
    move(before, uuid(2), 10);
    before.answer("stale", [{ annotation: uuid(2), version: 2, last_op: uuid(5006), state: null }]);
    const after = desk();
    after.cells.put(0, uuid(2), null, uuid(5006), 2);
    after.stale.push(...before.stale);
    after.log.reopen();
    expect(after.log.conflicts).toMatchObject([{ annotation: uuid(2), theirs: { state: null } }]);
    expect(after.boxOf(uuid(2))).toEqual([25, 15, 35, 25]);
    const same = desk();
    same.cells.put(0, uuid(2), state([25, 15, 35, 25]), uuid(5008), 4); // they came to what I had
    same.stale.push(...before.stale);
    same.log.reopen();
    expect([same.log.conflicts, same.stale]).toEqual([[], []]);
  });

  it("an act that was saved although its answer was lost is undone to what was before it", () => {
    const before = desk();
    const op = move(before, uuid(2), 10);
    const after = desk();
    const [from, to] = [state([15, 15, 25, 25]), state([25, 15, 35, 25])];
    after.cells.put(0, uuid(2), to, op, 2);
    const saved = { ...theirs(5, uuid(2), to), op_id: op, author: { id: PERSON, name: "A" } };
    after.log.remember(tail([{ ...saved, effects: [{ annotation: uuid(2), version: 2, before: from, after: to }] }], 5));
    after.log.replay(before.out);
    const undo = () => after.history.undo((id) => after.cells.lastOp(after.cells.rowOf(id)));
    expect(undo()).toMatchObject({ draft: { undoes: op, effects: [{ after: from }] } });
    after.history.drop("undo");
    expect(undo()).toBe("nothing");
  });

  it("an act that was saved, and acted upon since, gives way to what is there now", () => {
    const before = desk();
    move(before, uuid(2), 10);
    const after = desk();
    const now = { annotation: uuid(2), version: 3, last_op: uuid(5006), state: state([50, 50, 60, 60]) };
    after.cells.put(0, uuid(2), now.state, now.last_op, 3);
    after.log.replay(before.out);
    after.out.push(...before.out);
    after.answer("repeated", [now]);
    expect(after.boxOf(uuid(2))).toEqual([50, 50, 60, 60]);
    expect(after.log.conflicts).toEqual([]);
  });

  it("an own act on top of a repeated one stays, although the queue has let go of both", () => {
    const d = desk();
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

describe("api", () => {
  it("finds the CSRF token among the cookies", () => {
    expect(csrfToken("a=1; csrftoken=abc; b=2")).toBe("abc");
    expect(csrfToken("xcsrftoken=no")).toBe("");
  });
});
