import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveUpdates, PACE, type Pace } from "../editor/live_updates";
import { ApiError, Unreachable } from "../sync/api";
import { Recorder, type Batch } from "../timing/recorder";
import type { Store } from "../editor/store";
import type { View } from "../editor/view";

function setUp(on = true, answer: () => Promise<void> = () => Promise.resolve()) {
  const sent: Batch[] = [];
  const clock = { t: 0, mono: () => clock.t, wall: () => 1_000_000 + clock.t };
  const recorder = new Recorder(
    on,
    "s",
    3,
    (batch) => {
      sent.push(structuredClone(batch));
      return answer();
    },
    (error) => error instanceof Unreachable,
    clock,
  );
  return { recorder, sent, clock };
}

describe("activity recorder", () => {
  it("numbers events without a gap over batches, and anchors each batch to the wall clock", async () => {
    const { recorder, sent, clock } = setUp();
    recorder.record("focus");
    clock.t = 40.26;
    recorder.record("key", "review.accept");
    await recorder.flush();
    clock.t = 90;
    recorder.record("decision", "accept", 88);
    await recorder.flush();
    await recorder.flush(); // nothing new: nothing sent
    expect(sent).toEqual([
      {
        session: "s",
        image: 3,
        wall_ms: 1_000_040.26,
        mono_ms: 40.26,
        first: 0,
        events: [
          [0, "focus"],
          [40.3, "key", "review.accept"],
        ],
      },
      {
        session: "s",
        image: 3,
        wall_ms: 1_000_090,
        mono_ms: 90,
        first: 2,
        events: [[88, "decision", "accept"]],
      },
    ]);
  });

  it("records the first move of every press, so that a quick drag is no click", async () => {
    const { recorder, sent } = setUp();
    recorder.record("pointer_move", undefined, 0);
    recorder.record("pointer_down", undefined, 5);
    recorder.record("pointer_move", undefined, 10);
    recorder.record("pointer_move", undefined, 12); // one is enough
    recorder.record("pointer_up", undefined, 15);
    await recorder.flush();
    expect(sent[0].events.map(([, kind]) => kind)).toEqual([
      "pointer_move",
      "pointer_down",
      "pointer_move",
      "pointer_up",
    ]);
  });

  it("a clock that is set back changes neither times nor order, only where the next batch is anchored", async () => {
    const { recorder, sent, clock } = setUp();
    recorder.record("pointer_down");
    clock.t = 500;
    recorder.record("pointer_up");
    await recorder.flush();
    clock.wall = () => 1_000_000 + clock.t - 3 * 3600_000; // three hours back
    clock.t = 900;
    recorder.record("decision", "accept");
    recorder.beat(false);
    clock.t = 925;
    recorder.beat(false);
    await recorder.flush();
    expect(sent.flatMap((b) => b.events)).toEqual([
      [0, "pointer_down"],
      [500, "pointer_up"],
      [900, "decision", "accept"],
    ]);
    expect(sent.map((b) => b.first)).toEqual([0, 2]);
    expect(sent[1].wall_ms - sent[0].wall_ms).toBe(425 - 3 * 3600_000);
  });

  it("thins pointer moves to ten a second and loses no click", () => {
    const { recorder } = setUp();
    for (let t = 0; t < 1000; t += 5) recorder.record("pointer_move", undefined, t);
    expect(recorder.at).toBe(10);
    for (let t = 0; t < 20; t += 5) recorder.record("pointer_down", undefined, t);
    expect(recorder.at).toBe(14);
  });

  it("sends the same events again after a failure, with those that came meanwhile", async () => {
    let broken = true;
    const { recorder, sent } = setUp(true, () =>
      broken ? Promise.reject(new Unreachable("")) : Promise.resolve(),
    );
    recorder.record("focus");
    await recorder.flush();
    recorder.record("blur");
    broken = false;
    await recorder.flush();
    expect(sent.map((b) => [b.first, b.events.length])).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });

  it("does not send an event twice when the page is left during a send", async () => {
    let release = () => {};
    const { recorder, sent } = setUp(true, () => new Promise((resolve) => (release = resolve)));
    recorder.record("focus");
    const first = recorder.flush();
    const releaseFirst = release;
    recorder.record("blur");
    const farewell = recorder.flush(true);
    release();
    await farewell;
    recorder.record("visible");
    releaseFirst();
    await first;
    const last = recorder.flush();
    release();
    await last;
    expect(sent.map((b) => [b.first, b.events.length])).toEqual([
      [0, 1],
      [0, 2],
      [2, 1],
    ]);
  });

  it("ends its record where the server refuses it, instead of leaving a gap", async () => {
    const { recorder, sent } = setUp(true, () => Promise.reject(new ApiError(422, "gap", "")));
    recorder.record("focus");
    await recorder.flush();
    recorder.record("blur");
    await recorder.flush();
    expect(sent).toHaveLength(1);
    expect(recorder.since(0)).toBeNull();
  });

  it("names the range of events of an act", () => {
    const { recorder } = setUp();
    recorder.record("focus");
    const begun = recorder.at;
    expect(recorder.since(begun)).toBeNull();
    recorder.record("pointer_down");
    recorder.record("pointer_up");
    expect(recorder.since(begun)).toEqual([1, 2]);
  });

  it("records nothing where the project does not record", async () => {
    const { recorder, sent } = setUp(false);
    recorder.record("focus");
    await recorder.flush(true);
    expect(sent).toEqual([]);
    expect(recorder.since(0)).toBeNull();
  });
});

describe("a batch that came again", () => {
  it("is counted in the record itself", async () => {
    let failures = 2;
    const { recorder, sent } = setUp(true, () =>
      failures-- > 0 ? Promise.reject(new Unreachable("")) : Promise.resolve(),
    );
    recorder.record("key", "other", 100);
    for (let k = 0; k < 3; k++) await recorder.flush();
    recorder.record("key", "other", 200);
    await recorder.flush();
    expect(sent.map((batch) => batch.first)).toEqual([0, 0, 0, 1]);
    expect(sent[3].events.map(([, kind, data]) => [kind, data])).toEqual([
      ["stall_end", { again: 2 }],
      ["key", "other"],
    ]);
  });
});

describe("what the clocks do to the record", () => {
  it("never lets a time go back: input is stamped before, and heard after, what the page did meanwhile", async () => {
    const { recorder, sent } = setUp();
    recorder.record("target_presented", "a", 111.5);
    recorder.record("pointer_down", undefined, 108.2);
    recorder.record("pointer_up", undefined, 130);
    await recorder.flush();
    expect(sent[0].events.map(([t]) => t)).toEqual([111.5, 111.5, 130]);
  });

  it("says when the page did not run, and since when", () => {
    const { recorder, sent, clock } = setUp();
    const beat = (t: number, hidden = false) => {
      clock.t = t;
      recorder.beat(hidden);
    };
    beat(0);
    beat(50);
    beat(900); // a slow moment
    expect(recorder.at).toBe(0);
    beat(4000); // a stopped process
    beat(4050, true);
    beat(9000, true); // hidden pages are slowed down
    beat(9050);
    void recorder.flush();
    expect(sent[0].events).toEqual([[4000, "wait_end", { since: 912.5 }]]);
  });
});

describe("the pace of the recorder", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("document", { hidden: false });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  const counted = (pace: Pace, forMs: number) => {
    const recorder = { beat: vi.fn(), flush: vi.fn(() => Promise.resolve()) };
    const store = { recorder, outbox: { count: 0 }, log: null, opened: { layers: [] }, cells: {} };
    const liveUpdates = new LiveUpdates(store as unknown as Store, {} as View, pace);
    liveUpdates.start();
    vi.advanceTimersByTime(forMs);
    liveUpdates.stop();
    vi.advanceTimersByTime(forMs); // nothing more
    return { beats: recorder.beat.mock.calls.length, batches: recorder.flush.mock.calls.length };
  };

  it("is 25 ms a beat and 5 s a batch, unless a test asks for another", () => {
    expect(counted(PACE, 10_000)).toEqual({ beats: 400, batches: 2 });
    expect(counted({ beatMs: 100, batchMs: 200 }, 1000)).toEqual({ beats: 10, batches: 5 });
  });
});
