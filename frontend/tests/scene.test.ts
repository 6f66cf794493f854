import { describe, expect, it } from "vitest";
import { imagePoint } from "../geometry/frames";
import { pack, unpack } from "../geometry/mask";
import * as edits from "../scene/edits";
import { History, type Entry } from "../scene/history";
import { nextInOrder, ordered, type Stop } from "../scene/order";
import { BadPack, decodePack } from "../scene/pack";
import { putUuid, uuid7, uuidAt } from "../scene/uuid";
import { FARTHEST, rasterise, withReach } from "../render/cell_texture";
import { Bins } from "../render/density";
import { Masks } from "../scene/masks";
import { Overview } from "../scene/overview";
import { IMAGE, packBytes, packOf, scene, seeded, state, uuid } from "./build";
import { Cells } from "../scene/cells";

describe("uuid", () => {
  it("is version 7, grows within a page, also when the clock is set back", () => {
    const made = [uuid7(5000), uuid7(5000), uuid7(4000), uuid7(5001), uuid7(90_000)];
    for (const id of made)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect([...made].sort()).toEqual(made);
    expect(parseInt(made[4].replaceAll("-", "").slice(0, 12), 16)).toBe(90_000);
  });
  it("survives being bytes, and zeros are none", () => {
    const bytes = new Uint8Array(32);
    putUuid(bytes, 1, uuid(77));
    expect(uuidAt(bytes, 1)).toBe(uuid(77));
    expect(uuidAt(bytes, 0)).toBeNull();
  });
});

describe("pack", () => {
  it("reads every column of a row", () => {
    const cells = scene();
    const row = cells.rowOf(uuid(102));
    expect(cells.stateOf(row)).toEqual(
      state([100, 100, 120, 130], {
        label_class: 6,
        mask: { x: 100, y: 100, width: 8, height: 1, bits: "fg==" },
      }),
    );
    expect(cells.lastOp(row)).toBe(uuid(22));
    expect(cells.score[row]).toBeCloseTo(0.9);
  });
  it("refuses what is no pack, is cut short, or lacks a column", () => {
    const good = packBytes([{ id: 1, op: 2, box: [0, 0, 1, 1] }]);
    expect(decodePack(good).count).toBe(1);
    expect(() => decodePack(new ArrayBuffer(4))).toThrow(BadPack);
    expect(() => decodePack(new TextEncoder().encode("<html>no</html>").buffer)).toThrow(/BXP1|version 1/);
    expect(() => decodePack(good.slice(0, good.byteLength - 64))).toThrow(BadPack);
    const without = packBytes([], 5, (h) => ({ ...h, columns: h.columns.filter((c) => c.name !== "box") }));
    expect(() => decodePack(without)).toThrow(/box/);
  });
  it("reads an empty layer", () => {
    expect(decodePack(packBytes([])).count).toBe(0);
  });
});

describe("cells", () => {
  it("picks the mask first, then the smaller box, and what is below next", () => {
    const cells = scene();
    const picked = cells.pick(imagePoint(15.5, 13.5), 0).map((row) => cells.idOf(row));
    expect(picked).toEqual([uuid(101), uuid(1)]);
    expect(cells.pick(imagePoint(20, 20), 0).map((r) => cells.idOf(r))).toEqual([uuid(2), uuid(1)]);
  });
  it("shows a proposal until it is decided, and again when the decision is deleted", () => {
    const cells = scene();
    const proposal = cells.rowOf(uuid(102));
    const seen: number[] = [];
    cells.watch((row) => seen.push(row));
    const verdict = cells.put(
      0,
      uuid(50),
      state([100, 100, 120, 130], { status: "rejected", derived_from: uuid(102) }),
      uuid(60),
    );
    expect(cells.isUndecided(proposal)).toBe(false);
    expect(cells.isShown(proposal)).toBe(false);
    expect(cells.isShown(verdict)).toBe(false);
    expect(seen).toEqual([verdict, proposal]); // the drawing is told of both
    expect(cells.counts()).toMatchObject({ cells: 2, rejected: 1, proposals: 2, undecided: 1 });
    cells.put(0, uuid(50), null, uuid(61));
    expect(cells.isUndecided(proposal)).toBe(true);
  });
  it("knows a decision whose proposal is loaded after it", () => {
    const cells = scene();
    cells.put(0, uuid(50), state([1, 1, 2, 2], { derived_from: uuid(777) }), uuid(60));
    cells.put(1, uuid(777), state([1, 1, 2, 2]), uuid(61));
    expect(cells.isUndecided(cells.rowOf(uuid(777)))).toBe(false);
  });
  it("does not take a colleague's cells for proposals, and shows them only when asked", () => {
    const cells = scene();
    const layer = cells.addLayer(uuid(902), false, "working");
    const row = cells.put(layer, uuid(201), state([200, 200, 220, 220]), uuid(31));
    expect(cells.isProposal(row)).toBe(false);
    expect(cells.counts()).toMatchObject({ cells: 2, proposals: 2, undecided: 2 });
    expect(cells.pick(imagePoint(210, 210), 0)).toEqual([]);
    const texels: number[] = [];
    cells.watch((r) => texels.push(r));
    cells.showLayer(layer, true);
    expect(texels).toEqual([row]);
    expect(cells.pick(imagePoint(210, 210), 0)).toEqual([row]);
  });
  it("knows which layers have masks to draw", () => {
    const cells = scene();
    expect(cells.maskCounts).toEqual([0, 2]);
    const row = cells.rowOf(uuid(101));
    const { annotation, after } = edits.accept(cells, row).effects[0];
    cells.put(0, annotation, after, uuid(60));
    expect(cells.maskCounts).toEqual([1, 2]);
    cells.put(0, annotation, null, uuid(61));
    expect(cells.maskCounts).toEqual([0, 2]);
  });
  it("finds a moved cell where it is now, and not where it was", () => {
    const cells = scene();
    cells.put(0, uuid(2), state([400, 400, 420, 420]), uuid(60));
    expect(cells.pick(imagePoint(410, 410), 0).map((r) => cells.idOf(r))).toEqual([uuid(2)]);
    expect(cells.pick(imagePoint(20, 20), 0).map((r) => cells.idOf(r))).toEqual([uuid(1)]);
  });
  it("holds more rows than it began with", () => {
    const cells = scene();
    for (let i = 0; i < 3000; i++)
      cells.put(0, uuid(5000 + i), state([i % 500, 1, (i % 500) + 3, 5]), uuid(1));
    expect(cells.counts().cells).toBe(3002);
    expect(cells.idOf(cells.rowOf(uuid(7999)))).toBe(uuid(7999));
    expect(cells.boxOf(cells.rowOf(uuid(1)))).toEqual({ x0: 10, y0: 10, x1: 30, y1: 30 });
  });
  it("picks a region only by its edge", () => {
    const cells = scene();
    cells.put(0, uuid(70), state([200, 200, 400, 400], { kind: "region", status: "exhaustive" }), uuid(60));
    expect(cells.pick(imagePoint(300, 300), 3)).toEqual([]);
    expect(cells.pick(imagePoint(201, 300), 3).map((r) => cells.idOf(r))).toEqual([uuid(70)]);
  });
});

describe("edits", () => {
  const only = (draft: edits.Draft) => {
    expect(draft.effects).toHaveLength(1);
    return draft.effects[0];
  };
  it("accepting gives the prompting cell its mask and leaves its box and class", () => {
    const cells = scene();
    const effect = only(edits.accept(cells, cells.rowOf(uuid(101))));
    expect(effect).toMatchObject({ annotation: uuid(1), seen: uuid(11) });
    expect(effect.after).toMatchObject({
      box: [10, 10, 30, 30],
      label_class: 5,
      derived_from: uuid(101),
      mask: { x: 12, y: 12 },
    });
  });
  it("accepting what no person drew makes a cell", () => {
    const cells = scene();
    const effect = only(edits.accept(cells, cells.rowOf(uuid(102))));
    expect(effect.seen).toBeNull();
    expect(effect.after).toMatchObject({
      box: [100, 100, 120, 130],
      label_class: 6,
      derived_from: uuid(102),
      status: "confirmed",
    });
  });
  it("makes a cell when the prompting cell has been deleted", () => {
    const cells = scene();
    cells.put(0, uuid(1), null, uuid(60));
    expect(only(edits.accept(cells, cells.rowOf(uuid(101)))).seen).toBeNull();
  });
  it("an edited proposal is an edit, with the new mask", () => {
    const cells = scene();
    const patch = unpack(cells.maskOf(cells.rowOf(uuid(102)))!);
    patch.pixels[0] = 1;
    const draft = edits.accept(cells, cells.rowOf(uuid(102)), pack(patch));
    expect(draft.action).toBe("edit");
    expect(only(draft).after).toMatchObject({ mask: { x: 100, width: 7, bits: "/g==" } });
  });
  it("rejecting leaves the person's box alone", () => {
    const cells = scene();
    const effect = only(edits.reject(cells, cells.rowOf(uuid(101))));
    expect(effect.annotation).not.toBe(uuid(1));
    expect(effect.after).toMatchObject({
      status: "rejected",
      mask: null,
      derived_from: uuid(101),
      box: [11, 11, 17, 15],
    });
  });
  it("cannot tell is a mark that comes off again", () => {
    const cells = scene();
    const row = cells.rowOf(uuid(2));
    const { annotation, after } = only(edits.cannotTell(cells, row));
    expect(after?.status).toBe("cannot_tell");
    cells.put(0, annotation, after, uuid(60));
    expect(only(edits.cannotTell(cells, row)).after?.status).toBe("confirmed");
  });
  it("the box of a cell grows to contain its mask, whatever changes", () => {
    const cells = scene();
    const row = cells.rowOf(uuid(2));
    const box = cells.stateOf(row)!.box;
    const [x, y] = [Math.floor(box[0]) - 3, Math.floor(box[1]) + 1];
    const mask = { x, y, width: 8, height: 1, bits: new Uint8Array([255]) };
    const after = only(edits.reshape(cells, row, mask)).after!;
    expect(after.box).toEqual([x, box[1], Math.max(box[2], x + 8), box[3]]);
    expect(edits.withMask(after)).toBe(after);
    const made = edits.create({ ...after, box: [x + 2, y, x + 4, y + 1] }).after!;
    expect(made.box).toEqual([x, y, x + 8, y + 1]);
  });
  it("a moved box carries its mask by whole pixels, a resized one leaves it and contains it", () => {
    const cells = scene();
    cells.put(
      0,
      uuid(1),
      state([10, 10, 30, 30], { mask: { x: 12, y: 12, width: 4, height: 2, bits: "/w==" } }),
      uuid(60),
    );
    const row = cells.rowOf(uuid(1));
    const to = { x0: 13.4, y0: 8, x1: 33.4, y1: 28 };
    expect(only(edits.setBox(cells, row, to, "move")).after).toMatchObject({
      box: [13, 8, 33, 28],
      mask: { x: 15, y: 10 },
    });
    expect(only(edits.setBox(cells, row, to, "resize")).after).toMatchObject({
      box: [12, 8, 33.4, 28],
      mask: { x: 12, y: 12 },
    });
  });
  it("a cell that is moved against the edge of the image stays in it, with the mask that sticks out of its box", () => {
    const cells = scene();
    const mask = { x: 478, y: 12, width: 4, height: 2, bits: "/w==" };
    cells.put(0, uuid(1), state([460.3, 10.7, 480.3, 30.7], { mask }), uuid(60));
    const corner = { x0: 492, y0: 0, x1: 512, y1: 20 }; // 31.7 px to the right, 10.7 up
    expect(only(edits.setBox(cells, cells.rowOf(uuid(1)), corner, "move")).after).toMatchObject({
      box: [490.3, 0.7, 512, 20.7].map((v) => expect.closeTo(v, 6) as number),
      mask: { x: 508, y: 2 },
    });
  });
});

describe("undo", () => {
  let op = 1000;
  const apply = (cells: Cells, history: History, draft: edits.Draft) => {
    const id = uuid(op++);
    const changes = draft.effects.map((e) => {
      const row = cells.rowOf(e.annotation);
      return {
        annotation: e.annotation,
        before: row < 0 ? null : cells.stateOf(row),
        after: e.after,
        seen: e.seen,
      };
    });
    for (const e of draft.effects) {
      const row = cells.rowOf(e.annotation);
      expect(e.seen).toBe(row < 0 ? null : cells.lastOp(row)); // what the server checks
      cells.put(0, e.annotation, e.after, id);
    }
    history.record({ op_id: id, action: draft.action, undoes: draft.undoes ?? null, changes });
    return draft.effects[0].annotation;
  };
  const step = (cells: Cells, history: History, way: "undo" | "redo") => {
    const result = history[way](({ annotation }) => cells.headOf(annotation));
    if (result === "nothing" || !("draft" in result)) return result;
    apply(cells, history, result.draft);
    return "done";
  };
  const boxOf = (cells: Cells, id: string) => cells.stateOf(cells.rowOf(id))?.box ?? null;

  it("takes a chain on one cell back, forth and back, every step a valid operation", () => {
    const [cells, history] = [scene(), new History()];
    const id = apply(cells, history, edits.draw({ x0: 1, y0: 1, x1: 5, y1: 5 }, null));
    apply(cells, history, edits.setBox(cells, cells.rowOf(id), { x0: 2, y0: 1, x1: 6, y1: 5 }, "move"));
    apply(cells, history, edits.remove(cells, cells.rowOf(id)));
    for (let round = 0; round < 3; round++) {
      expect(boxOf(cells, id)).toBeNull();
      expect(step(cells, history, "undo")).toBe("done");
      expect(boxOf(cells, id)).toEqual([2, 1, 6, 5]);
      expect(step(cells, history, "undo")).toBe("done");
      expect(boxOf(cells, id)).toEqual([1, 1, 5, 5]);
      expect(step(cells, history, "undo")).toBe("done");
      expect(boxOf(cells, id)).toBeNull();
      expect(step(cells, history, "undo")).toBe("nothing");
      for (let i = 0; i < 3; i++) expect(step(cells, history, "redo")).toBe("done");
      expect(step(cells, history, "redo")).toBe("nothing");
    }
  });
  it("is refused when a colleague acted since, and the act before can still be undone", () => {
    const [cells, history] = [scene(), new History()];
    const first = apply(cells, history, edits.draw({ x0: 1, y0: 1, x1: 5, y1: 5 }, null));
    apply(
      cells,
      history,
      edits.setBox(cells, cells.rowOf(uuid(2)), { x0: 40, y0: 40, x1: 50, y1: 50 }, "move"),
    );
    cells.put(0, uuid(2), state([300, 300, 310, 310]), uuid(4242));
    const declined = step(cells, history, "undo");
    expect(declined).toMatchObject({ changedSince: uuid(2) });
    history.drop((declined as { entry: Entry }).entry);
    expect(step(cells, history, "undo")).toBe("done");
    expect(boxOf(cells, first)).toBeNull();
    expect(boxOf(cells, uuid(2))).toEqual([300, 300, 310, 310]);
  });
  it("a new act ends what could be redone", () => {
    const [cells, history] = [scene(), new History()];
    apply(cells, history, edits.draw({ x0: 1, y0: 1, x1: 5, y1: 5 }, null));
    step(cells, history, "undo");
    apply(cells, history, edits.draw({ x0: 7, y0: 7, x1: 9, y1: 9 }, null));
    expect(step(cells, history, "redo")).toBe("nothing");
  });
  it("undoing an acceptance opens the proposal again and takes the mask off the box", () => {
    const [cells, history] = [scene(), new History()];
    apply(cells, history, edits.accept(cells, cells.rowOf(uuid(101))));
    expect(cells.isUndecided(cells.rowOf(uuid(101)))).toBe(false);
    step(cells, history, "undo");
    expect(cells.isUndecided(cells.rowOf(uuid(101)))).toBe(true);
    expect(cells.stateOf(cells.rowOf(uuid(1)))).toMatchObject({ mask: null, derived_from: null });
  });
});

describe("order of review", () => {
  const stop = (row: number, x: number, y: number, score = NaN): Stop => ({ row, x, y, height: 10, score });
  it("goes to the right, then back, band by band", () => {
    const stops = [
      stop(1, 50, 5),
      stop(2, 10, 12),
      stop(3, 90, 3),
      stop(4, 10, 40),
      stop(5, 90, 44),
      stop(6, 20, 70),
    ];
    expect(ordered(stops, "serpentine")).toEqual([2, 1, 3, 5, 4, 6]);
  });
  it("puts the most doubtful first and the unknown last", () => {
    expect(
      ordered([stop(1, 0, 0, 0.1), stop(2, 5, 0), stop(3, 9, 0, 0.8), stop(4, 7, 0, 0.1)], "uncertainty"),
    ).toEqual([3, 1, 4, 2]);
  });
  it("walks on from where it is, skips what is decided, goes round once", () => {
    const open = new Set([2, 4]);
    const next = (from: number, step: 1 | -1) => nextInOrder([1, 2, 3, 4, 5], from, step, (r) => open.has(r));
    expect([next(-1, 1), next(2, 1), next(4, 1), next(1, -1), next(-1, -1)]).toEqual([2, 4, 2, 4, 4]);
    open.delete(4);
    expect(next(2, 1)).toBe(-1);
  });
});

describe("id blocks", () => {
  it("puts overlapping cells into two slots and hidden ones into none", () => {
    const cells = scene();
    cells.put(
      1,
      uuid(103),
      state([10, 10, 20, 20], { mask: { x: 14, y: 12, width: 4, height: 1, bits: "8A==" } }),
      uuid(23),
    );
    const box = { x0: 0, y0: 0, x1: 512, y1: 512 };
    const rows = cells.masked(1, box);
    const [a, b] = [cells.rowOf(uuid(101)) + 1, cells.rowOf(uuid(103)) + 1];
    const slots = rasterise(cells, rows, box);
    const line = (slot: Uint32Array) => [...slot.subarray(12 * 512 + 11, 12 * 512 + 19)];
    expect(line(slots[0])).toEqual([0, a, a, a, a, b, b, 0]);
    expect(line(slots[1])).toEqual([0, 0, 0, b, b, 0, 0, 0]);
    cells.put(0, uuid(50), state([1, 1, 2, 2], { status: "rejected", derived_from: uuid(101) }), uuid(60));
    const after = rasterise(cells, rows, box);
    expect(after).toHaveLength(1);
    expect(line(after[0])).toEqual([0, 0, 0, b, b, b, b, 0]);
  });
  it("makes any part of a block as it makes the whole", () => {
    const cells = scene();
    const whole = { x0: 0, y0: 0, x1: 512, y1: 512 };
    const part = { x0: 12, y0: 11, x1: 30, y1: 14 };
    const [all] = rasterise(cells, cells.masked(1, whole), whole);
    const [some] = rasterise(cells, cells.masked(1, part), part);
    for (let y = part.y0; y < part.y1; y++)
      for (let x = part.x0; x < part.x1; x++)
        expect(some[(y - part.y0) * 18 + x - part.x0]).toBe(all[y * 512 + x]);
  });
  it("tells of every texel how far its cell reaches", () => {
    const [width, height] = [40, 30];
    const ids = new Uint32Array(width * height);
    for (let y = 3; y < 25; y++) for (let x = 2; x < 39; x++) ids[y * width + x] = x < 20 ? 7 : 0xffffff;
    const texels = withReach(ids, width);
    const reach = (x: number, y: number, dx: number, dy: number) => {
      for (let n = 1; n < FARTHEST; n++) {
        const [u, v] = [x + n * dx, y + n * dy];
        if (u < 0 || v < 0 || u >= width || v >= height) break;
        if (ids[v * width + u] !== ids[y * width + x]) return n;
      }
      return FARTHEST;
    };
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const at = 2 * (y * width + x);
        expect(texels[at]).toBe(ids[y * width + x]);
        const sides = [0, 8, 16, 24].map((shift) => (texels[at + 1] >>> shift) & 0xff);
        expect([x, y, ...sides]).toEqual([
          x,
          y,
          reach(x, y, -1, 0),
          reach(x, y, 0, -1),
          reach(x, y, 1, 0),
          reach(x, y, 0, 1),
        ]);
      }
  });
});

describe("density", () => {
  const palette = new Uint8Array([0, 0, 0, 255, 200, 100, 0, 255, 0, 50, 250, 255]);

  it("counts every cell where it is, and follows changes", () => {
    const bins = new Bins({ width: 1000, height: 500 }, palette);
    expect(bins.set(5000, 10, 10, 1)).toBe(true);
    bins.set(1, 11, 12, 2);
    bins.set(2, 999.9, 499.9, 1);
    expect([bins.total, bins.countAt(10, 10), bins.countAt(999, 499)]).toEqual([3, 2, 1]);
    expect(bins.set(1, 11, 12, 2)).toBe(false); // nothing new
    bins.set(1, 500, 250, 2); // moved
    bins.set(2, 0, 0, -1); // hidden
    expect([bins.total, bins.countAt(10, 10), bins.countAt(500, 250), bins.countAt(999, 499)]).toEqual([
      2, 1, 1, 0,
    ]);
    const picture = bins.picture();
    const at = 4 * bins.columns * Math.floor(250 / bins.side) + 4 * Math.floor(500 / bins.side);
    expect([...picture.subarray(at, at + 4)]).toEqual([0, 32, 162, 165]); // the class's colour, premultiplied by 0.65
  });
});

describe("masks", () => {
  it("stay apart whether they came with a pack or were drawn, and are gone when taken away", () => {
    const masks = new Masks();
    const [a, b] = [
      masks.addSource(new Uint8Array([1, 2, 3])),
      masks.addSource(new Uint8Array([0, 0, 255, 128, 7])),
    ];
    masks.setFrom(0, a, 1, 10, 20, 4, 2); // 8 pixels: one byte
    masks.setFrom(3000, b, 2, 50, 60, 3, 3); // 9 pixels: two bytes; grows
    masks.set(1, { x: 1, y: 2, width: 2, height: 1, bits: new Uint8Array([192]) });
    expect(masks.get(0)).toEqual({ x: 10, y: 20, width: 4, height: 2, bits: new Uint8Array([2]) });
    expect(masks.get(3000)).toEqual({ x: 50, y: 60, width: 3, height: 3, bits: new Uint8Array([255, 128]) });
    expect([masks.get(1)?.bits[0], masks.get(2), masks.has(2)]).toEqual([192, null, false]);
    const box = { x0: 5, y0: 21, x1: 12, y1: 30 };
    expect(masks.around(0, box)).toEqual({ x0: 5, y0: 20, x1: 14, y1: 30 });
    expect([masks.meets(0, box), masks.meets(3000, box), masks.meets(2, box)]).toEqual([true, false, false]);
    masks.set(0, null);
    masks.setFrom(1, b, 0, 0, 0, 1, 1);
    expect([masks.has(0), masks.get(1)?.bits[0]]).toEqual([false, 0]);
  });
});

describe("the overview", () => {
  /** Counts, list and filter by going through all cells. */
  const expected = (cells: Cells) => {
    const rows = Array.from({ length: cells.count }, (_, row) => row);
    const filterable = rows.filter((row) => cells.wouldShow(row));
    return {
      counts: cells.counts(),
      listed: rows.filter((row) => cells.isListed(row)),
      filtered: {
        hidden: filterable.filter((row) => !cells.isShown(row)).length,
        all: filterable.length,
      },
      ignored: rows.filter((row) => cells.live[row] && cells.statusOf(row) === "ignore").length,
      ofClass: [0, 5].map((label) => rows.filter((row) => isListedCell(cells, row, label)).length),
    };
  };
  const isListedCell = (cells: Cells, row: number, label: number) =>
    cells.isListed(row) && cells.kindOf(row) === "cell" && cells.labelClass[row] === label;
  const seen = (overview: Overview) => ({
    counts: { ...overview.counts },
    listed: [...overview.listedRows()],
    filtered: { ...overview.filtered },
    ignored: overview.ignoredRegions().length,
    ofClass: [0, 5].map((label) => overview.countOfClass(label)),
  });

  it("is what all cells say, after any changes in any order", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seeded(seed);
      const cells = scene();
      const overview = new Overview(cells);
      for (let step = 0; step < 30; step++) {
        change(cells, random);
        if (random() < 0.3) expect(seen(overview), `seed ${seed}, step ${step}`).toEqual(expected(cells));
      }
      expect(seen(overview), `seed ${seed}`).toEqual(expected(cells));
    }
  });
  it("hears of decisions that come with a later pack than their proposals", () => {
    const cells = new Cells(IMAGE);
    const overview = new Overview(cells);
    const [prediction, working] = [
      cells.addLayer(uuid(901), false, "prediction"),
      cells.addLayer(uuid(900), true, "working"),
    ];
    cells.load(prediction, packOf([{ id: 101, op: 21, box: [1, 1, 9, 9] }]));
    expect(overview.counts.undecided).toBe(1);
    cells.load(working, packOf([{ id: 1, op: 11, box: [1, 1, 9, 9], derived: 101 }]));
    expect(seen(overview)).toEqual(expected(cells));
    expect(overview.counts.undecided).toBe(0);
  });
});

/** One change of the kinds that there are: put, delete, decide, opinion, filter, layer. */
function change(cells: Cells, random: () => number): void {
  const roll = random();
  const n = 1 + Math.floor(8 * random());
  const x = Math.floor(400 * random());
  if (roll < 0.35) {
    const statuses = ["confirmed", "cannot_tell", "rejected"] as const;
    const derived_from = random() < 0.4 ? uuid(101 + Math.floor(2 * random())) : null;
    const status = derived_from ? statuses[Math.floor(3 * random())] : statuses[Math.floor(2 * random())];
    const label_class = random() < 0.5 ? 5 : null;
    cells.put(
      0,
      uuid(n),
      state([x, x, x + 9, x + 9], { status, derived_from, label_class }),
      uuid(5000 + x),
      1,
      7,
    );
  } else if (roll < 0.5) {
    const status = random() < 0.5 ? "ignore" : "exhaustive";
    cells.put(0, uuid(50 + n), state([x, x, x + 9, x + 9], { kind: "region", status }), uuid(5000 + x), 1, 7);
  } else if (roll < 0.65) cells.put(0, uuid(n), null, uuid(5000 + x), 2, 7);
  else if (roll < 0.8) {
    const verdict = random() < 0.5 ? "rejected" : "accepted";
    cells.giveOpinion(uuid(n), {
      author: { id: 8, name: "B" }, given_at: "", last_op: uuid(6000 + x), verdict, label_class: null, reason: "",
    }); // prettier-ignore
  } else if (roll < 0.9) cells.hide(random() < 0.3 ? null : (row) => row % 3 === n % 3);
  else cells.showLayer(1, random() < 0.5);
}
