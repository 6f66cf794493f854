import { describe, expect, it } from "vitest";
import {
  asPack,
  againstReference,
  betweenRounds,
  blocks,
  classOf,
  coverage,
  difference,
  tally,
  type Found,
  type Part,
} from "../compare/difference";
import { pack, unpack } from "../geometry/mask";
import { Flag, styleOf } from "../render/cell_style";
import { CellColours } from "../render/colour_by";
import { paletteIndex } from "../render/palette";
import { Cells } from "../scene/cells";
import { decodePack } from "../scene/pack";
import { packBytes } from "./build";

const SIZE = { width: 700, height: 530 }; // four blocks, none of them whole but the first
let seed = 5;
const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;

/** Rectangles with holes, some over each other, and the pixels that they cover, counted without any packing. */
function layer(count: number) {
  const covered = new Uint8Array(SIZE.width * SIZE.height);
  const rows = Array.from({ length: count }, (_, n) => {
    const [width, height] = [20 + Math.floor(60 * random()), 20 + Math.floor(60 * random())];
    const [x, y] = [
      Math.floor((SIZE.width - width) * random()),
      Math.floor((SIZE.height - height) * random()),
    ];
    const pixels = Uint8Array.from({ length: width * height }, () => Number(random() < 0.7));
    pixels[0] = pixels[pixels.length - 1] = 1;
    pixels.forEach(
      (on, i) => on && (covered[(y + Math.floor(i / width)) * SIZE.width + x + (i % width)] = 1),
    );
    const mask = pack({ x, y, width, height, pixels });
    if (!mask) throw new Error("empty");
    return {
      id: n,
      op: n,
      box: [x, y, x + width, y + height],
      mask: [mask.x, mask.y, mask.width, mask.height, mask.bits] as [
        number,
        number,
        number,
        number,
        Uint8Array,
      ],
    };
  });
  return { covered, pack: decodePack(packBytes(rows)) };
}

function painted(found: Found): (Part | undefined)[] {
  let twice = 0;
  const picture = new Array<Part | undefined>(SIZE.width * SIZE.height);
  for (const { part, mask } of found) {
    const patch = unpack(mask);
    patch.pixels.forEach((on, i) => {
      if (!on) return;
      const at = (patch.y + Math.floor(i / patch.width)) * SIZE.width + patch.x + (i % patch.width);
      if (picture[at]) twice++;
      picture[at] = part;
    });
  }
  expect(twice).toBe(0); // no pixel is in two parts
  return picture;
}

describe("a difference", () => {
  const [a, b] = [layer(60), layer(60)];
  const cells = new Cells(SIZE);
  [a, b].forEach((one, i) => cells.load(cells.addLayer(`${i}`, false, "import"), one.pack));

  it("names every pixel by who covers it, across blocks and overlaps", () => {
    for (const [naming, names] of [
      [betweenRounds, [undefined, "last", "first", "both"]],
      [againstReference, [undefined, "missed", "extra", "met"]],
    ] as const) {
      const found = [...blocks(SIZE)].flatMap((box) =>
        difference(coverage(cells, 0, box), coverage(cells, 1, box), box, naming),
      );
      const expected = Array.from(a.covered, (on, i) => names[2 * on + b.covered[i]]);
      expect(painted(found).filter((part, i) => part !== expected[i]).length).toBe(0);
      const counts = tally(found);
      for (const name of names)
        if (name) expect(counts[name]).toBe(expected.filter((one) => one === name).length);
    }
  });

  it("is a layer that is painted whole, in a colour of its own", () => {
    const box = { x0: 0, y0: 0, x1: 512, y1: 512 };
    const found = difference(coverage(cells, 0, box), coverage(cells, 1, box), box, betweenRounds);
    const shown = new Cells(SIZE);
    shown.load(shown.addLayer("difference", false, "difference"), asPack(found));
    shown.showLayer(0, true);
    const classes = found.map(({ part }) => ({ id: classOf(part), name: part, color: "#0072b2", key: null }));
    const places = paletteIndex(classes);
    const colours = new CellColours({ classes, people: [], roundOf: () => null });
    found.forEach(({ part, mask }, row) => {
      expect(shown.maskOf(row)).toEqual(mask);
      const style = styleOf(shown, row, colours, { selected: -1, hovered: -1, boxes: true, editing: -1 });
      expect(style).toEqual({
        colour: places.get(classOf(part)),
        maskLine: 1,
        boxLine: 0,
        flags: Flag.solid,
      });
    });
  });

  it("says nothing where nobody says anything", () => {
    const empty = new Uint8Array(16);
    expect(difference(empty, empty, { x0: 0, y0: 0, x1: 4, y1: 4 }, betweenRounds)).toEqual([]);
    expect(asPack([]).count).toBe(0);
  });
});
