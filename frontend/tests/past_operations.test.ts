/** The history of a cell, restoring from it, and the playback of a log. */
import { describe, expect, it, vi } from "vitest";
import { restoring } from "../editor/past_operations";
import type { Head, OperationOut } from "../scene/contract";
import { Playback } from "../scene/playback";
import { squareOver } from "../ui/state_picture";
import { state, uuid } from "./build";
import { openEditor } from "./editor_setup";

const A = state([10, 10, 30, 30]);
const B = state([12, 10, 32, 30]);
const C = state([50, 50, 60, 60]);
const effect = (n: number, before: typeof A | null, after: typeof A | null) => ({
  annotation: uuid(n),
  version: 1,
  before,
  after,
  decided_by: null,
});
const headOf = (now: typeof A): Head => ({
  annotation: uuid(1),
  version: 1,
  last_op: uuid(11),
  state: now,
  author: null,
  decided_by: null,
  operation: null,
  disputed: false,
  opinions: [],
});
const LOG: Pick<OperationOut, "effects">[] = [
  { effects: [effect(1, null, A)] },
  { effects: [effect(1, A, B), effect(2, null, C)] },
  { effects: [effect(1, B, null)] },
];

describe("playback", () => {
  const at = (film: Playback, n: number) => {
    film.go(n);
    return new Map(film.cells);
  };

  it("shows the same cells at a moment, from wherever it comes", () => {
    const expected = [
      new Map(),
      new Map([[uuid(1), A]]),
      new Map([
        [uuid(1), B],
        [uuid(2), C],
      ]),
      new Map([[uuid(2), C]]),
    ];
    for (let from = 0; from <= LOG.length; from++)
      for (let to = 0; to <= LOG.length; to++) {
        const film = new Playback(LOG);
        film.go(from);
        expect(at(film, to)).toEqual(expected[to]);
      }
  });
  it("stays within the log", () => {
    const film = new Playback(LOG);
    film.go(99);
    expect([film.at, film.count]).toEqual([3, 1]);
    film.go(-5);
    expect([film.at, film.count]).toEqual([0, 0]);
  });
});

describe("restoring", () => {
  it("is an operation of the log that has seen the last one on the cell", async () => {
    const { editor, sent } = openEditor();
    const before = state([1, 2, 30, 40]);
    const head = headOf(state([10, 10, 30, 30], { label_class: 5 }));
    editor.store.api.heads = () => Promise.resolve([head]);
    editor.store.api.get = () => Promise.resolve({ items: [], next: null }) as never;
    await editor.past.restore(uuid(1), before);
    expect(sent).toHaveLength(1);
    const effects = [{ annotation: uuid(1), seen: uuid(11), after: before }];
    expect(sent[0]).toMatchObject({ action: "restore", effects });
    expect(editor.store.cells.stateOf(editor.store.cells.rowOf(uuid(1)))?.box).toEqual(before.box);
    expect(editor.store.history.canUndo).toBe(true);
  });
  it("sends nothing where the cell is like that already, or where the server does not answer", async () => {
    const { editor, sent } = openEditor();
    const now = state([10, 10, 30, 30], { label_class: 5 });
    const head = headOf(now);
    editor.store.api.heads = () => Promise.resolve([head]);
    await editor.past.restore(uuid(1), { ...now, provenance: { from: "elsewhere" } });
    editor.store.api.heads = vi.fn(() => Promise.reject(new Error("away")));
    await editor.past.restore(uuid(1), state([1, 2, 3, 4]));
    expect(sent).toEqual([]);
  });
  it("can take a cell away again", () => {
    expect(restoring(uuid(1), uuid(2), null).effects).toEqual([
      { annotation: uuid(1), seen: uuid(2), after: null },
    ]);
  });
});

it("the square of a picture holds both states and tissue around them", () => {
  const { x, y, reach } = squareOver([null, A, B]);
  expect([x, y]).toEqual([21, 20]);
  expect(reach).toBeGreaterThanOrEqual(12);
});
