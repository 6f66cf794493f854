import { describe, expect, it } from "vitest";
import * as bulk from "../scene/bulk";
import { Cells } from "../scene/cells";
import { accept, change } from "../scene/edits";
import { decodePack } from "../scene/pack";
import { REST_MS, Rest, WORK_MS } from "../timing/rest";
import { IMAGE, packBytes, scene, state, uuid } from "./build";

const cell = (cells: Cells, n: number) => cells.rowOf(uuid(n));
const apply = (
  cells: Cells,
  drafts: readonly { effects: readonly { annotation: string; after: unknown }[] }[],
  op = uuid(700),
) => {
  for (const draft of drafts) for (const e of draft.effects) cells.put(0, e.annotation, e.after as never, op);
};

describe("attributes", () => {
  it("are one operation on all that lack the value, and are taken back to nothing", () => {
    const cells = scene();
    const rows = [cell(cells, 1), cell(cells, 2)];
    const [draft] = bulk.attributeAll(cells, rows, "Mitosis", "yes");
    expect([draft.action, draft.tool, draft.effects.length]).toEqual(["bulk", "attribute", 2]);
    apply(cells, [draft]);
    expect(rows.map((row) => cells.attributesOf(row))).toEqual([{ Mitosis: "yes" }, { Mitosis: "yes" }]);
    const [one] = bulk.attributeAll(cells, [rows[0]], "Stain", "2");
    expect(one.action).toBe("classify");
    apply(cells, [one], uuid(701));
    expect(bulk.attributeAll(cells, rows, "Mitosis", "yes")).toEqual([]);
    apply(cells, bulk.attributeAll(cells, rows, "Mitosis", null), uuid(702));
    expect(cells.stateOf(rows[0])?.attributes).toEqual({ Stain: "2" });
    expect(cells.stateOf(rows[1])).not.toHaveProperty("attributes");
    expect(bulk.attributeAll(cells, [cell(cells, 102)], "Mitosis", "yes"), "proposals are not mine").toEqual(
      [],
    );
  });

  it("survive every other act on the cell, and are said of a proposal as it is accepted", () => {
    const cells = scene();
    const row = cell(cells, 1);
    apply(cells, bulk.attributeAll(cells, [row], "Stain", "2"));
    expect(change(cells, row, { box: [10, 10, 31, 30] }).after?.attributes).toEqual({ Stain: "2" });
    const accepted = accept(cells, cell(cells, 101), null, undefined, undefined, { Mitosis: "no" })
      .effects[0];
    expect(accepted.after?.attributes).toEqual({ Stain: "2", Mitosis: "no" });
    expect(accept(cells, cell(cells, 102)).effects[0].after).not.toHaveProperty("attributes");
  });

  it("come out of a pack by the header's own list, and rows that say the same share it", () => {
    const rows = [1, 2, 3].map((id) => ({ id, op: 10 + id, box: [0, 0, 5, 5] }));
    const parent = uuid(1)
      .replaceAll("-", "")
      .match(/../g)!
      .map((hex) => parseInt(hex, 16));
    const pack = decodePack(packBytes(rows));
    const packed = {
      ...pack,
      attributes: [
        ["Stain", ["2", "3"]],
        ["Mitosis", ["yes"]],
      ] as const,
      columns: {
        ...pack.columns,
        attributes: Uint8Array.of(2, 0, 0, 0, 2, 0),
        parent: Uint8Array.from([...new Array<number>(32).fill(0), ...parent]),
      },
    };
    const cells = new Cells(IMAGE);
    cells.load(cells.addLayer(uuid(900), true, "working"), packed);
    expect([0, 1, 2].map((row) => cells.attributesOf(row))).toEqual([{ Stain: "3" }, {}, { Stain: "3" }]);
    expect(cells.attributesOf(0)).toBe(cells.attributesOf(2));
    expect([0, 1, 2].map((row) => cells.parentOf(row))).toEqual([-1, -1, 0]);
    expect(pack.columns.attributes, "nothing said, no column").toBeUndefined();
  });

  it("a nucleus is linked to the cell around it, once, and is nobody's when that cell goes", () => {
    const cells = scene();
    const [whole, nucleus] = [cell(cells, 1), cell(cells, 2)];
    const draft = bulk.nest(cells, [nucleus, whole]);
    expect(draft?.effects.map((e) => [e.annotation, e.after?.parent])).toEqual([[uuid(2), uuid(1)]]);
    apply(cells, [draft!]);
    expect(cells.parentOf(nucleus)).toBe(whole);
    expect(bulk.nest(cells, [nucleus, whole])).toBeNull();
    cells.put(0, uuid(1), null, uuid(701));
    expect(cells.parentOf(nucleus)).toBe(-1);
    cells.put(0, uuid(3), state([400, 400, 420, 420]), uuid(702));
    expect(bulk.nest(cells, [nucleus, cell(cells, 3)]), "it lies elsewhere").toBeNull();
  });
});

describe("a break", () => {
  it("is suggested after long work, once, and not to somebody who has just had one", () => {
    const rest = new Rest();
    const minute = 60_000;
    const suggested: number[] = [];
    for (let m = 0; m <= 110; m++) if (rest.seen(m * minute)) suggested.push(m);
    expect(suggested).toEqual([WORK_MS / minute, (2 * WORK_MS) / minute]);
    const rested = new Rest();
    for (let m = 0; m < 49; m++) expect(rested.seen(m * minute)).toBe(false);
    expect(rested.seen(49 * minute + REST_MS + 1)).toBe(false);
    expect(rested.seen(60 * minute)).toBe(false);
  });
});
