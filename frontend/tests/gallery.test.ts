import { describe, expect, it, vi } from "vitest";
import { encircled, lassoed } from "../gallery/lasso";
import { cellAt, heightOf, layoutOf, placeOf, touching, whollyIn } from "../gallery/layout";
import { markOf, Marks, verdictOf, type Mark } from "../gallery/marks";
import { Sheets, SHEET } from "../gallery/sheets";
import { markOfSuggestion, Suggestions, SURE } from "../gallery/suggestions";
import { Views } from "../gallery/views";
import type { Schemas } from "../scene/contract";
import type { Api } from "../sync/api";

describe("the layout of a gallery", () => {
  const layout = layoutOf(1000, 100, 10_000);

  it("finds each cell where it lies", () => {
    for (const index of [0, 9, 10, 4321, 9999]) {
      const { left, top } = placeOf(layout, index);
      expect(cellAt(layout, left + 50, top + 50)).toBe(index);
    }
    expect(cellAt(layout, -1, 5)).toBe(-1);
    expect(cellAt(layout, 5, heightOf(layout) + 5)).toBe(-1);
  });

  it("tells the cells wholly in view from those that touch it", () => {
    expect(touching(layout, 150, 300)).toEqual({ first: 10, end: 50 });
    expect(whollyIn(layout, 150, 300)).toEqual({ first: 20, end: 40 });
    expect(whollyIn(layout, 0, 500)).toEqual({ first: 0, end: 50 });
  });

  it("never goes beyond the last cell", () => {
    const few = layoutOf(1000, 100, 13);
    expect(touching(few, 0, 5000)).toEqual({ first: 0, end: 13 });
    expect(whollyIn(few, 9000, 500)).toEqual({ first: 13, end: 13 });
    expect(layoutOf(40, 100, 13).columns).toBe(1);
  });
});

describe("the time in view", () => {
  it("is counted for the cells of the screen alone", () => {
    const views = new Views(true);
    views.show({ first: 0, end: 2 }, 1000);
    views.show({ first: 1, end: 3 }, 1400);
    expect([0, 1, 2].map((index) => views.millisecondsOf(index, 2000))).toEqual([400, 1000, 600]);
  });

  it("stands still while the page is hidden", () => {
    const views = new Views(true);
    views.show({ first: 0, end: 1 }, 0);
    views.inSight(false, 300);
    views.inSight(true, 60_000);
    expect(views.millisecondsOf(0, 60_100)).toBe(400);
  });

  it("begins when a tab that was opened behind others is seen", () => {
    const views = new Views(false);
    views.show({ first: 0, end: 1 }, 0);
    views.inSight(true, 60_000);
    expect(views.millisecondsOf(0, 60_200)).toBe(200);
  });

  it("of a screen goes from its first picture to the act, without the time that the page is hidden", () => {
    const views = new Views(true);
    views.show({ first: 0, end: 0 }, 0);
    views.show({ first: 0, end: 2 }, 1000);
    views.inSight(false, 1500);
    views.inSight(true, 60_000);
    expect(views.screenMilliseconds(60_250)).toBe(750);
    views.nextScreen(60_300);
    views.show({ first: 2, end: 4 }, 61_000);
    expect(views.screenMilliseconds(61_100)).toBe(100);
  });
});

describe("marks", () => {
  it("say what becomes of their cells", () => {
    expect(verdictOf("a", { kind: "reject" })).toEqual({ cell: "a", verdict: "reject" });
    expect(verdictOf("a", { kind: "cannot_tell" })).toEqual({ cell: "a", verdict: "cannot_tell" });
    const chosen = verdictOf("a", { kind: "class", labelClass: 7 });
    expect(chosen).toEqual({ cell: "a", verdict: "accept", label_class: 7 });
  });

  it("come back from the verdicts of a screen that the server did not take", () => {
    const marks: Mark[] = [{ kind: "reject" }, { kind: "cannot_tell" }, { kind: "class", labelClass: 7 }];
    expect(marks.map((mark) => markOf(verdictOf("a", mark)))).toEqual(marks);
  });

  it("are taken off by the same click", () => {
    const marks = new Marks();
    expect([marks.toggle(3), marks.toggle(3), marks.size]).toEqual([true, false, 0]);
  });
});

describe("sheets", () => {
  it("are one request for 64 cells, and none is asked for twice", async () => {
    const asked: string[] = [];
    const api = {
      get: (path: string) => {
        asked.push(path);
        return Promise.resolve({ crops: [], picture: "", pixels: 128, columns: 10 });
      },
    } as unknown as Api;
    const cells = Array.from({ length: 200 }, (_, n) => `cell-${n}`);
    const sheets = new Sheets(
      api,
      4,
      cells,
      32,
      () => undefined,
      () => undefined,
    );
    sheets.want(0, 130);
    sheets.want(0, 130);
    await Promise.resolve();
    expect(asked.length).toBe(3);
    expect(asked[0].match(/cell=/g)?.length).toBe(SHEET);
  });

  it("that do not arrive are asked for again after a while, not with each drawing", async () => {
    vi.useFakeTimers();
    const errors: unknown[] = [];
    let asked = 0;
    const api = { get: () => Promise.reject(new Error(`no answer ${++asked}`)) } as unknown as Api;
    const sheets: Sheets = new Sheets(
      api,
      4,
      ["cell-1"],
      12.5,
      () => sheets.want(0, 1),
      (error) => errors.push(error),
    );
    sheets.want(0, 1);
    for (let drawing = 0; drawing < 100; drawing++) {
      await Promise.resolve();
      sheets.want(0, 1);
    }
    expect([asked, errors.length]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(asked).toBe(2);
    await vi.advanceTimersByTimeAsync(3900);
    expect(asked).toBe(2);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked).toBe(3);
    vi.useRealTimers();
  });

  it("have all pictures of a screen only with those between its first and last cell", async () => {
    const answers: (() => void)[] = [];
    const api = {
      get: () =>
        new Promise((resolve) => {
          answers.push(() => resolve({ crops: [], picture: "", pixels: 128, columns: 10 }));
        }),
    } as unknown as Api;
    const cells = Array.from({ length: 200 }, (_, n) => `cell-${n}`);
    let arrived = 0;
    const sheets = new Sheets(
      api,
      4,
      cells,
      32,
      () => (arrived += 1),
      () => undefined,
    );
    sheets.want(0, 192);
    answers[0]();
    answers[2]();
    await vi.waitFor(() => expect(arrived).toBe(2));
    expect(sheets.hasAll(0, 192)).toBe(false);
    answers[1]();
    await vi.waitFor(() => expect(sheets.hasAll(0, 192)).toBe(true));
  });
});

describe("a map", () => {
  const square: [number, number][] = [
    [0.2, 0.2],
    [0.6, 0.2],
    [0.6, 0.6],
    [0.2, 0.6],
  ];

  it("gives the cells inside a lasso, however it is drawn", () => {
    const places: [number, number][] = [
      [0.4, 0.4],
      [0.7, 0.4],
      [0.21, 0.59],
      [0.1, 0.1],
    ];
    expect(lassoed(places, square)).toEqual([0, 2]);
    expect(lassoed(places, [...square].reverse())).toEqual([0, 2]);
    expect(lassoed(places, [])).toEqual([]);
    expect(encircled(places, [0.4, 0.4], 0.3)).toEqual([0, 1, 2]);
  });
});

describe("suggestions", () => {
  const answer = (cells: string[], suggested: number[], chances: number[]) =>
    ({ cells, suggested, chances }) as unknown as Schemas["LikenessAnswer"];
  const settled = () => new Promise((resolve) => setTimeout(resolve));

  it("mark a cell only where they are sure enough", () => {
    expect(markOfSuggestion({ label: 7, chance: SURE })).toEqual({ kind: "class", labelClass: 7 });
    expect(markOfSuggestion({ label: -1, chance: 1 })).toEqual({ kind: "reject" });
    expect(markOfSuggestion({ label: 7, chance: SURE - 0.01 })).toBeNull();
    expect(markOfSuggestion({ label: 0, chance: 1 })).toBeNull();
  });

  it("are asked for once, and again after a verdict, and stay while the answer is on its way", async () => {
    const get = vi
      .fn()
      .mockResolvedValueOnce(answer(["a", "b"], [7, 0], [0.8, 0]))
      .mockResolvedValueOnce(answer(["a", "b"], [8, 7], [0.9, 0.6]));
    const found = new Suggestions({ get } as unknown as Api, 1, () => undefined);
    found.want(["a", "b"]);
    found.want(["a", "b"]);
    await settled();
    expect([found.of("a"), found.of("b"), get.mock.calls.length]).toEqual([
      { label: 7, chance: 0.8 },
      undefined,
      1,
    ]);
    found.outdate();
    expect(found.of("a")).toEqual({ label: 7, chance: 0.8 });
    await settled();
    expect([found.of("a"), found.of("b")]).toEqual([
      { label: 8, chance: 0.9 },
      { label: 7, chance: 0.6 },
    ]);
  });

  it("are asked for again when a verdict was given while the answer was on its way", async () => {
    const get = vi
      .fn()
      .mockResolvedValueOnce(answer(["a"], [7], [0.8]))
      .mockResolvedValueOnce(answer(["a"], [8], [0.9]));
    const found = new Suggestions({ get } as unknown as Api, 1, () => undefined);
    found.want(["a"]);
    found.outdate();
    await settled();
    expect([found.of("a"), get.mock.calls.length]).toEqual([{ label: 8, chance: 0.9 }, 2]);
  });

  it("leave the gallery as it is when nobody answers", async () => {
    const get = vi.fn().mockRejectedValue(new Error("no worker"));
    const found = new Suggestions({ get } as unknown as Api, 1, () => undefined);
    found.want(["a"]);
    await settled();
    expect([found.of("a"), found.isWaiting, get.mock.calls.length]).toEqual([undefined, false, 1]);
  });
});
