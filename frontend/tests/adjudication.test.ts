import { describe, expect, it } from "vitest";
import { editActOf, OutlineEdit } from "../adjudication/outline_edit";
import { cellToEdit, nextOpen, sideOf, withClass, type Place } from "../adjudication/sides";
import { imagePoint } from "../geometry/frames";
import { toBase64 } from "../geometry/mask";

const cell = (x: number, label_class: number | null, mask: Place["sides"][number] = null) => ({
  box: [x, 0, x + 4, 4] as [number, number, number, number],
  label_class,
  mask: mask && mask.mask,
});
const place = (sides: Place["sides"], decision: Place["decision"] = ""): Place => ({
  id: 1,
  number: 1,
  kind: "missing",
  box: [0, 0, 4, 4],
  sides,
  edited: [],
  decision,
  decided_by: null,
  decided_at: null,
});

describe("the sides of places where readings differ", () => {
  it("puts the cells of one side into one pack, and knows the place of each row", () => {
    const places = [
      place([cell(0, 7), null]),
      place([null, cell(8, 3)]),
      place([cell(16, null), cell(17, 9)]),
    ];
    const [left, right] = [sideOf(places, 0), sideOf(places, 1)];
    expect(left.places).toEqual([0, 2]);
    expect([...left.pack.columns.label_class]).toEqual([7, 0]);
    expect(right.places).toEqual([1, 2]);
    expect([...right.pack.columns.box]).toEqual([8, 0, 12, 4, 17, 0, 21, 4]);
  });

  it("keeps the pixels of a mask", () => {
    const bits = Uint8Array.from([0b10100000]);
    const masked = { ...cell(0, 1), mask: { x: 1, y: 2, width: 3, height: 1, bits: toBase64(bits) } };
    const { pack } = sideOf([place([masked, null])], 0);
    expect([...pack.columns.mask_box]).toEqual([1, 2, 3, 1]);
    expect([...pack.columns.mask_bits]).toEqual([...bits]);
    expect([...pack.columns.mask_offset]).toEqual([0, 1]);
  });

  it("goes to the next open place, round the end, and says when all are decided", () => {
    const places = [place([null, null]), place([null, null], "left"), place([null, null], "both")];
    expect(nextOpen(places, -1)).toBe(0);
    expect(nextOpen(places, 1)).toBe(0);
    expect(nextOpen([place([null, null], "left")], 0)).toBe(null);
    expect(nextOpen([], -1)).toBe(null);
  });

  it("gives a cell another class", () => {
    expect(withClass(cell(8, 3), 5)).toMatchObject({ label_class: 5, box: [8, 0, 12, 4] });
  });

  it("edits what was put there, else the side taken, else that under the pointer, else the one there is", () => {
    const both: Place["sides"] = [cell(0, 1), cell(8, 2)];
    const put = { ...place(both, "edited"), edited: [cell(20, 3)] };
    expect(cellToEdit(put, 1)?.label_class).toBe(3);
    expect(cellToEdit(place(both, "right"), 0)?.label_class).toBe(2);
    expect(cellToEdit(place(both), 1)?.label_class).toBe(2);
    expect(cellToEdit(place(both), null)?.label_class).toBe(1);
    expect(cellToEdit(place([null, cell(8, 2)]), 0)?.label_class).toBe(2);
    expect(cellToEdit(place([null, null]), 0)).toBe(null);
  });
});

describe("the outline that is made at a place", () => {
  const image = { width: 40, height: 40 };
  const pixels = (edit: OutlineEdit) => edit.patch.pixels.reduce((sum, one) => sum + one, 0);
  const stroke = (edit: OutlineEdit, x: number, y: number, alt = false) => {
    edit.touch({ kind: "down", at: imagePoint(x, y), alt });
    edit.touch({ kind: "up", at: imagePoint(x, y), alt });
  };

  it("begins as the box of a cell without a mask", () => {
    const edit = new OutlineEdit(cell(4, 7), image);
    expect(edit.cell()).toMatchObject({ label_class: 7, box: [4, 0, 8, 4] });
    expect(pixels(edit)).toBe(16);
  });

  it("grows with a stroke, shrinks with Alt, and goes back a stroke at a time", () => {
    const edit = new OutlineEdit(cell(4, 7), image);
    stroke(edit, 9, 2);
    const grown = pixels(edit);
    expect(grown).toBeGreaterThan(16);
    expect(edit.cell()?.box[2]).toBeGreaterThan(8);
    stroke(edit, 5, 1, true);
    expect(pixels(edit)).toBeLessThan(grown);
    edit.change("back");
    edit.change("back");
    edit.change("back"); // there is none any more
    expect(pixels(edit)).toBe(16);
  });

  it("is no cell once nothing of it is left", () => {
    const edit = new OutlineEdit(cell(4, 7), image);
    for (let i = 0; i < 20; i++) edit.change("larger");
    edit.change("swap");
    stroke(edit, 6, 2);
    expect(edit.cell()).toBe(null);
  });

  it("has the keys of a mask that is edited in the workspace", () => {
    const plain = { ctrlKey: false, metaKey: false, altKey: false };
    expect(editActOf({ ...plain, key: "Enter" })).toBe("keep");
    expect(editActOf({ ...plain, key: "z", ctrlKey: true })).toBe("back");
    expect(editActOf({ ...plain, key: "z" })).toBe(undefined);
    expect(editActOf({ ...plain, key: "s", ctrlKey: true })).toBe(undefined);
  });
});
