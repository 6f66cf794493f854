import "fake-indexeddb/auto";
import { deleteDB, openDB } from "idb";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Answer, OperationIn, Verdict } from "../scene/contract";
import * as edits from "../scene/edits";
import { History } from "../scene/history";
import { Api, ApiError, Unreachable } from "../sync/api";
import { Log } from "../sync/log";
import { backOff, databaseName, Outbox, type SaveState, type Sender, type Waiting } from "../sync/outbox";
import { saveWords } from "../editor/words";
import { pageWith, scene, state, uuid } from "./build";
import { logSetup, LAYER, move, PERSON, TIMING } from "./log_setup";

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
  const queues: Outbox[] = [];
  const states: SaveState[] = [];
  const verdicts: Verdict[] = [];
  const open = async (sender: Sender) => {
    const outbox = await Outbox.open(PERSON, sender, {
      onState: (s) => states.push(s),
      onVerdict: (v) => verdicts.push(v),
    });
    queues.push(outbox);
    return outbox;
  };
  beforeEach(() => {
    states.length = verdicts.length = 0;
  });
  afterEach(async () => {
    for (const outbox of queues.splice(0)) outbox.stop();
    await deleteDB(databaseName(PERSON));
  });

  it("keeps an operation before it is sent, and lets go of it when the server has it", async () => {
    let atSending: string[] = [];
    const outbox = await open(async (layer, operations) => {
      atSending = await kept();
      return accept(layer, operations);
    });
    await outbox.add(LAYER, 1, operation(1));
    await outbox.flush();
    expect(atSending).toEqual([uuid(1)]);
    expect(await kept()).toEqual([]);
    expect(verdicts.map((v) => v.op_id)).toEqual([uuid(1)]);
    expect(outbox.state.kind).toBe("saved");
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
    const outbox = await open((layer, operations) => {
      expect(operations.length).toBeLessThanOrEqual(200);
      // The server takes the batch, and the answer to the first one is lost.
      for (const o of operations) if (!stored.includes(o.op_id)) stored.push(o.op_id);
      if (broken) {
        broken = false;
        return Promise.reject(new Unreachable("reset"));
      }
      return Promise.resolve(accept(layer, operations));
    });
    expect(outbox.count).toBe(251);
    await outbox.flush();
    expect(outbox.state.kind).toBe("offline");
    await outbox.flush();
    expect(stored).toEqual(Array.from({ length: 251 }, (_, i) => uuid(i)));
    expect(await kept()).toEqual([]);
    expect(outbox.state.kind).toBe("saved");
  });

  it("keeps everything when the session has ended, and goes on when it is renewed", async () => {
    let signedIn = false;
    const outbox = await open((layer, operations) =>
      signedIn
        ? Promise.resolve(accept(layer, operations))
        : Promise.reject(new ApiError(401, "not_signed_in", "")),
    );
    await outbox.add(LAYER, 1, operation(1));
    await outbox.flush();
    expect(outbox.state).toEqual({ kind: "signed_out", count: 1 });
    expect(await kept()).toEqual([uuid(1)]);
    await outbox.add(LAYER, 1, operation(2)); // work goes on, nothing is sent
    expect(outbox.state).toEqual({ kind: "signed_out", count: 2 });
    signedIn = true;
    await outbox.flush();
    expect(outbox.state.kind).toBe("saved");
  });

  it("one bad operation does not hold the others back", async () => {
    const outbox = await open((layer, operations) => {
      const answer = accept(layer, operations);
      answer.results[0].verdict = "invalid";
      return Promise.resolve(answer);
    });
    await Promise.all([outbox.add(LAYER, 1, operation(1)), outbox.add(LAYER, 1, operation(2))]);
    await outbox.flush();
    expect(verdicts.map((v) => v.verdict).sort()).toContain("accepted");
    expect(await kept()).toEqual([]);
  });

  it("says what the server refuses and keeps it", async () => {
    const outbox = await open(() => Promise.reject(new ApiError(403, "role", "a viewer may not write")));
    await outbox.add(LAYER, 1, operation(1));
    await outbox.flush();
    expect(outbox.state).toMatchObject({ kind: "rejected", count: 1, detail: "a viewer may not write" });
    expect(await kept()).toEqual([uuid(1)]);
  });

  it("keeps what an archived project refuses, says why, and sends it when the project is restored", async () => {
    const sentence =
      "this project is archived; until an owner or manager restores it, nothing in it is changed";
    let archived = true;
    const answers = () =>
      archived
        ? new Response(JSON.stringify({ status: 409, code: "archived", detail: sentence }), {
            status: 409,
            headers: { "Content-Type": "application/problem+json" },
          })
        : new Response(JSON.stringify(accept(LAYER, [operation(1)])), { status: 200 });
    vi.stubGlobal("document", pageWith());
    vi.stubGlobal("fetch", () => Promise.resolve(answers()));
    try {
      const api = new Api("/api/v1/");
      const outbox = await open((layer, operations) => api.send(layer, operations));
      await outbox.add(LAYER, 1, operation(1));
      await outbox.flush();
      expect(outbox.state).toMatchObject({ kind: "rejected", count: 1, detail: sentence });
      expect(await kept()).toEqual([uuid(1)]);
      archived = false;
      outbox.noteContact(null); // the next poll of the log succeeds: the outbox tries again
      await outbox.flush();
      expect(outbox.state.kind).toBe("saved");
      expect(await kept()).toEqual([]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("a layer that the server refuses does not hold the others back", async () => {
    const other = uuid(901);
    const outbox = await open((layer, operations) =>
      layer === other
        ? Promise.reject(new ApiError(404, "not_found", "no such layer"))
        : Promise.resolve(accept(layer, operations)),
    );
    await Promise.all([
      outbox.add(other, 1, operation(1)),
      outbox.add(LAYER, 2, operation(2)),
      outbox.add(other, 1, operation(3)),
    ]);
    await outbox.flush();
    expect(verdicts.map((v) => v.op_id)).toEqual([uuid(2)]);
    expect(outbox.state).toMatchObject({ kind: "rejected", count: 2, detail: "no such layer" });
    expect(await kept()).toEqual([uuid(1), uuid(3)]);
  });

  it("tries again by itself", async () => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout"],
      shouldAdvanceTime: true,
      advanceTimeDelta: 200,
    });
    try {
      let tries = 0;
      const outbox = await open((layer, operations) =>
        ++tries < 3 ? Promise.reject(new ApiError(503, "", "")) : Promise.resolve(accept(layer, operations)),
      );
      await outbox.add(LAYER, 1, operation(1));
      await vi.waitFor(() => expect(outbox.state.kind).toBe("saved"), { timeout: 8000 });
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
    const outbox = await open(() => Promise.reject(new Unreachable("")));
    await outbox.add(LAYER, 1, operation(1));
    const other = await Outbox.open(8, () => Promise.reject(new Error("nothing to send")), {
      onState: () => {},
      onVerdict: () => {},
    });
    expect(other.count).toBe(0);
    other.stop();
  });

  it("goes on without a database and says that nothing is kept", async () => {
    const real = globalThis.indexedDB;
    Object.defineProperty(globalThis, "indexedDB", { value: undefined, configurable: true, writable: true });
    try {
      const outbox = await open((layer, operations) => Promise.resolve(accept(layer, operations)));
      expect(outbox.durable).toBe(false);
      await outbox.add(LAYER, 1, operation(1));
      await outbox.flush();
      expect(outbox.state.kind).toBe("saved");
    } finally {
      Object.defineProperty(globalThis, "indexedDB", { value: real, configurable: true, writable: true });
    }
  });

  it("when the browser's disk is full it says so, and what is drawn still goes to the server", async () => {
    const outbox = await open((layer, operations) => Promise.resolve(accept(layer, operations)));
    const add = vi.spyOn(IDBObjectStore.prototype, "add").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    try {
      await outbox.add(LAYER, 1, operation(1));
      expect(outbox.durable).toBe(false);
      expect(saveWords({ kind: "offline", count: 1, retryAt: 0 }, 0, outbox.durable).text).toContain(
        "do not close",
      );
      await outbox.flush();
      expect(outbox.state.kind).toBe("saved");
      expect(verdicts.map((v) => v.op_id)).toEqual([uuid(1)]);
    } finally {
      add.mockRestore();
    }
  });

  it("verdicts that come in another order are matched to their operations", async () => {
    const notified: [string, string][] = [];
    const outbox = await Outbox.open(
      PERSON,
      (layer, operations) => {
        const answer = accept(layer, operations);
        answer.results.reverse();
        return Promise.resolve(answer);
      },
      { onState: () => {}, onVerdict: (v, w) => notified.push([v.op_id, w.operation.op_id]) },
    );
    queues.push(outbox);
    await Promise.all([1, 2, 3].map((n) => outbox.add(LAYER, 1, operation(n))));
    await outbox.flush();
    expect(notified.map(([v]) => v).sort()).toEqual([uuid(1), uuid(2), uuid(3)]);
    expect(notified.every(([v, w]) => v === w)).toBe(true);
    expect(await kept()).toEqual([]);
  });

  it("keeps a stale act through a new page, sends it no second time, and lets go of it when told", async () => {
    let sent = 0;
    const stale: Sender = (layer, operations) => {
      sent += operations.length;
      const current = [{ annotation: uuid(2), version: 3, last_op: uuid(5006), state: null }];
      const verdict = (id: string) => (id === uuid(71) ? "stale" : "accepted");
      return Promise.resolve({
        layer,
        seq: 1,
        results: operations.map((o) => ({
          op_id: o.op_id,
          verdict: verdict(o.op_id),
          seq: 1,
          error: null,
          current,
        })),
      });
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
    expect(second.unsettled(LAYER)).toMatchObject([
      { operation: { op_id: uuid(71) }, theirs: [{ last_op: uuid(5006) }] },
    ]);
    expect(second.unsettled(uuid(901))).toEqual([]); // another image asks about its own
    await second.settle(new Set([uuid(71)]));
    expect(await kept()).toEqual([]);
    expect(second.unsettled(LAYER)).toEqual([]);
  });

  it("of two conflicts in one answer both are kept on this computer, until each is settled", async () => {
    const current = [1, 2].map((n) => ({
      annotation: uuid(n),
      version: 2,
      last_op: uuid(5000 + n),
      state: state([50, 50, 60, 60]),
    }));
    let log: Log | null = null;
    const outbox = await Outbox.open(
      PERSON,
      (layer, operations) =>
        Promise.resolve({
          layer,
          seq: 9,
          results: operations.map((o) => ({
            op_id: o.op_id,
            verdict: "stale" as const,
            seq: null,
            error: null,
            current: current.filter((c) => c.annotation === o.effects[0].annotation),
          })),
        }),
      { onState: () => {}, onVerdict: (v, w) => log?.settle(v, w) },
    );
    queues.push(outbox);
    const cells = scene();
    log = new Log(
      cells,
      { id: LAYER, index: 0, seq: 5 },
      1,
      { id: PERSON, name: "A" },
      uuid(1),
      new History(),
      outbox,
      () => {},
    );
    const ids = [move({ cells, log }, uuid(1), 10), move({ cells, log }, uuid(2), 10)]; // both before the first is sent
    await vi.waitFor(() => expect(outbox.state.kind).toBe("saved"));
    expect(log.conflicts.map((c) => c.annotation)).toEqual([uuid(1), uuid(2)]);
    expect(await kept()).toEqual(ids);
    log.resolve(log.conflicts[0], "theirs", TIMING);
    await vi.waitFor(async () => expect(await kept()).toEqual([ids[1]]));
  });

  it("acts keep their order and their times when the clock is set back between them, and after a reload", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const d = logSetup();
      const sent: string[] = [];
      const outbox = await open(() => Promise.reject(new Unreachable("down")));
      const act = (at: string, wait: number) => {
        vi.setSystemTime(new Date(at));
        d.log.commit(edits.draw({ x0: wait, y0: 0, x1: wait + 9, y1: 9 }, null), {
          begun_ms: 1000,
          committed_ms: 1000 + wait,
          activity: null,
        });
      };
      act("2026-11-21T12:00:00Z", 400);
      act("2026-11-21T09:00:00Z", 700); // three hours back
      act("2026-11-20T09:00:00Z", 900); // a day back
      for (const w of d.out) await outbox.add(w.layer, w.image, w.operation);
      outbox.stop();
      vi.setSystemTime(new Date("2020-01-01T00:00:00Z"));
      const later = await open((layer, operations) => {
        sent.push(...operations.map((o) => o.op_id));
        return Promise.resolve(accept(layer, operations));
      });
      await later.flush();
      const made = d.out.map((w) => w.operation);
      expect(sent).toEqual(made.map((o) => o.op_id)); // in the order of the acts
      expect(made.map((o) => o.op_id)).toEqual(made.map((o) => o.op_id).sort()); // ids go on upwards
      // By the clock that only goes forward.
      expect(made.map((o) => Date.parse(o.committed_at) - Date.parse(o.begun_at))).toEqual([400, 700, 900]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("waits longer after every failure, up to half a minute", () => {
    expect([0, 1, 2, 3, 9].map((n) => backOff(n, () => 1))).toEqual([1000, 2000, 4000, 8000, 30_000]);
    expect(backOff(3, () => 0)).toBe(6000);
  });
});
