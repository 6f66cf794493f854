import { describe, expect, it } from "vitest";
import { boxBetween, handleUnder, insideImage, moved, resized } from "../geometry/box";
import { fit, imagePoint, panBy, screenPoint, toImage, toScreen, within, zoomAt } from "../geometry/frames";
import { Grid } from "../geometry/grid";
import {
  covers,
  fromBase64,
  grown,
  pack,
  paintSegment,
  patchOver,
  toBase64,
  unpack,
  type Mask,
} from "../geometry/mask";

const IMAGE = { width: 100, height: 80 };
const CANVAS = { width: 400, height: 300 };

describe("frames", () => {
  it("goes from the screen to the image and back", () => {
    const camera = { scale: 2.5, left: 10, top: -4 };
    const there = toImage(screenPoint(50, 25), camera);
    expect(there).toMatchObject({ x: 30, y: 6 });
    expect(toScreen(there, camera)).toMatchObject({ x: 50, y: 25 });
  });

  it("keeps what is under the cursor under it while zooming", () => {
    const camera = fit(IMAGE, CANVAS);
    const at = screenPoint(123, 77);
    const before = toImage(at, camera);
    const after = toImage(at, zoomAt(camera, at, 1.7, IMAGE, CANVAS));
    expect(after.x).toBeCloseTo(before.x, 9);
    expect(after.y).toBeCloseTo(before.y, 9);
  });

  it("never loses the image by panning", () => {
    const camera = panBy(fit(IMAGE, CANVAS), 1e6, -1e6, IMAGE, CANVAS);
    const corner = toScreen(imagePoint(0, IMAGE.height), camera);
    expect(corner.x).toBeLessThan(CANVAS.width);
    expect(corner.y).toBeGreaterThan(0);
  });

  it("shows no empty space beside an image that could fill it", () => {
    const shown = within({ scale: 10, left: -35, top: 70 }, IMAGE, CANVAS, 20);
    expect(shown).toEqual({ scale: 10, left: -2, top: 80 + 2 - 30 });
    expect(within({ scale: 1, left: 99, top: 99 }, IMAGE, CANVAS)).toEqual({
      scale: 1,
      left: -150,
      top: -110,
    });
  });
});

describe("boxes", () => {
  it("is the same box from whatever corner it is drawn", () => {
    const [a, b] = [imagePoint(9, 2), imagePoint(3, 8)];
    expect(boxBetween(a, b)).toEqual({ x0: 3, y0: 2, x1: 9, y1: 8 });
    expect(boxBetween(b, a)).toEqual(boxBetween(a, b));
  });

  it("is cut at the border, and is nothing outside or without area", () => {
    expect(insideImage({ x0: -5, y0: 70, x1: 10, y1: 95 }, IMAGE)).toEqual({ x0: 0, y0: 70, x1: 10, y1: 80 });
    expect(insideImage({ x0: 120, y0: 0, x1: 140, y1: 20 }, IMAGE)).toBeNull();
    expect(insideImage({ x0: 5, y0: 5, x1: 5, y1: 20 }, IMAGE)).toBeNull();
  });

  it("stops at the border with its size when it is moved", () => {
    expect(moved({ x0: 80, y0: 10, x1: 95, y1: 20 }, 30, -30, IMAGE)).toEqual({
      x0: 85,
      y0: 0,
      x1: 100,
      y1: 10,
    });
  });

  it("turns over when a handle crosses the opposite side", () => {
    expect(resized({ x0: 10, y0: 10, x1: 20, y1: 20 }, "e", imagePoint(4, 99))).toEqual({
      x0: 4,
      y0: 10,
      x1: 10,
      y1: 20,
    });
  });

  it("finds the nearest handle within reach", () => {
    const box = { x0: 10, y0: 10, x1: 30, y1: 20 };
    expect(handleUnder(box, imagePoint(29, 11), 3)).toBe("ne");
    expect(handleUnder(box, imagePoint(20, 15), 3)).toBeNull();
  });
});

describe("masks", () => {
  // 3 x 2 pixels, rows 101 and 011, so the bits 1010 11.. are the one byte 0xac.
  const mask: Mask = { x: 4, y: 7, width: 3, height: 2, bits: Uint8Array.of(0xac) };

  it("reads the bits as the server packs them", () => {
    expect([...unpack(mask).pixels]).toEqual([1, 0, 1, 0, 1, 1]);
    expect(covers(mask, 4.9, 7.1)).toBe(true);
    expect(covers(mask, 5.5, 7.5)).toBe(false);
    expect(covers(mask, 7, 7)).toBe(false);
  });

  it("packs what it unpacks, in the smallest box", () => {
    const wide = grown(unpack(mask), { x0: 0, y0: 0, x1: 20, y1: 20 }, IMAGE);
    expect(wide).toMatchObject({ x: 0, y: 0, width: 20, height: 20 });
    expect(pack(wide)).toEqual(mask);
  });

  it("is no mask without a pixel", () => {
    expect(pack(patchOver({ x0: 1, y0: 1, x1: 5, y1: 5 }, IMAGE))).toBeNull();
  });

  it("paints the pixels whose centre lies in the brush, and nothing beyond the patch", () => {
    const patch = patchOver({ x0: 0, y0: 0, x1: 6, y1: 3 }, IMAGE);
    paintSegment(patch, { x: 1.5, y: 1.5 }, { x: 99, y: 1.5 }, 0.5, 1);
    expect([...patch.pixels]).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    paintSegment(patch, { x: 3.5, y: 1.5 }, { x: 3.5, y: 1.5 }, 0.5, 0);
    expect(patch.pixels[9]).toBe(0);
  });

  it("keeps a patch inside the image however far it grows", () => {
    const patch = grown(
      patchOver({ x0: 1, y0: 1, x1: 3, y1: 3 }, IMAGE),
      { x0: -50, y0: -50, x1: 500, y1: 500 },
      IMAGE,
    );
    expect(patch).toMatchObject({ x: 0, y: 0, width: 100, height: 80 });
  });

  it("survives base64", () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 7) % 256);
    expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  });
});

describe("grid", () => {
  it("finds what a plain search finds, after insertions and removals", () => {
    const grid = new Grid(1000);
    const boxes = Array.from({ length: 300 }, (_, i) => {
      const [x, y, s] = [(i * 137) % 990, (i * 71) % 990, 1 + ((i * 13) % 90)];
      return { x0: x, y0: y, x1: x + s, y1: y + s };
    });
    boxes.push({ x0: 0, y0: 0, x1: 1000, y1: 1000 }); // a region over everything
    boxes.forEach((box, row) => grid.insert(row, box));
    for (let row = 0; row < 300; row += 3) grid.remove(row, boxes[row]);
    const near = { x0: 400, y0: 300, x1: 460, y1: 420 };
    const meets = (b: (typeof boxes)[0]) =>
      b.x0 < near.x1 && near.x0 < b.x1 && b.y0 < near.y1 && near.y0 < b.y1;
    const expected = boxes.flatMap((b, row) => ((row % 3 || row === 300) && meets(b) ? [row] : []));
    const found = grid.query(near);
    expect(new Set(found).size).toBe(found.length);
    expect(found.filter((row) => meets(boxes[row])).sort((a, b) => a - b)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(3);
    grid.remove(300, boxes[300]);
    expect(grid.query(near)).not.toContain(300);
  });
});
