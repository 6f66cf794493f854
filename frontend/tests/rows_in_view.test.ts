/** A frame looks at the rows around the view and at no others, and misses none that a search through all would find. */
import { describe, expect, it, vi } from "vitest";
import { overlap, type Box } from "../geometry/box";
import { RowsInView } from "../render/rows_in_view";
import { Cells } from "../scene/cells";
import { seeded, state, uuid } from "./build";

const SIDE = 20_000;
const COUNT = 2000;

/** Cells of 20 pixels, spread over a slide. */
function slide(): { cells: Cells; random: () => number } {
  const cells = new Cells({ width: SIDE, height: SIDE });
  const random = seeded(7);
  for (let n = 0; n < COUNT; n++) cells.put(0, uuid(n), state(boxAt(random)), uuid(n));
  return { cells, random };
}
function boxAt(random: () => number): [number, number, number, number] {
  const x = Math.floor(random() * (SIDE - 20));
  const y = Math.floor(random() * (SIDE - 20));
  return [x, y, x + 20, y + 20];
}
const view = (x: number, y: number, side: number): Box => ({ x0: x, y0: y, x1: x + side, y1: y + side });
function visited(rows: RowsInView, wanted: Box): number[] {
  const found: number[] = [];
  rows.forEach(wanted, (row) => found.push(row));
  return found;
}
function touching(cells: Cells, wanted: Box): number[] {
  const rows = Array.from({ length: cells.count }, (_, row) => row);
  return rows.filter((row) => overlap(cells.boxOf(row), wanted));
}

describe("rows in view", () => {
  it("are all that touch the view, wherever it goes and whatever changes", () => {
    const { cells, random } = slide();
    const rows = new RowsInView(cells);
    let [x, y, side] = [9000, 9000, 2000];
    for (let turn = 0; turn < 300; turn++) {
      if (turn % 7 === 0) cells.put(0, uuid(Math.floor(random() * COUNT)), state(boxAt(random)), uuid(turn));
      side = Math.min(SIDE, Math.max(100, side * (0.7 + 0.6 * random())));
      x = Math.min(SIDE - side, Math.max(0, x + (random() - 0.5) * side));
      y = Math.min(SIDE - side, Math.max(0, y + (random() - 0.5) * side));
      const found = visited(rows, view(x, y, side));
      expect(found).toEqual(expect.arrayContaining(touching(cells, view(x, y, side))));
      expect(found).toEqual([...found].sort((a, b) => a - b));
    }
  });
  it("are few in a small view, also after the whole slide was in view", () => {
    const { cells } = slide();
    const rows = new RowsInView(cells);
    expect(visited(rows, view(0, 0, SIDE))).toHaveLength(COUNT);
    expect(visited(rows, view(8000, 8000, 1000)).length).toBeLessThan(COUNT / 20);
  });
  it("are looked up once while the view moves a little", () => {
    const { cells } = slide();
    const rows = new RowsInView(cells);
    const near = vi.spyOn(cells, "near");
    for (let step = 0; step < 40; step++) visited(rows, view(8000 + 10 * step, 8000, 1000));
    expect(near).toHaveBeenCalledTimes(1);
  });
});
