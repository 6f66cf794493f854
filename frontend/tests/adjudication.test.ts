import { describe, expect, it } from "vitest";
import { nextOpen, sideOf, withClass, type Place } from "../adjudication/sides";
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

  it("gives the cell that is there another class", () => {
    expect(withClass(place([null, cell(8, 3)]), 5)).toMatchObject({ label_class: 5, box: [8, 0, 12, 4] });
    expect(withClass(place([null, null]), 5)).toBe(null);
  });
});
