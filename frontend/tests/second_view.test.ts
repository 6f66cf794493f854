/** Two registered images: the map that landmarks give, and that every place of both is seen at one point. */
import { describe, expect, it, vi } from "vitest";
import { SecondImage } from "../editor/second_image";
import type { Store } from "../editor/store";
import { affineOf, apply, determinant, inverse, type Affine } from "../geometry/affine";
import { imagePoint, screenPoint, toImage, toScreen } from "../geometry/frames";
import { secondPlace, secondView } from "../geometry/second_view";

const turn = (degrees: number, scale: number, mirror = 1): Affine => {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return { a: scale * cos * mirror, b: scale * sin * mirror, c: -scale * sin, d: scale * cos, e: 40, f: -17 };
};
const MAPS: [string, Affine][] = [
  ["only moved", turn(0, 1)],
  ["turned and twice as fine", turn(33, 2)],
  ["mirrored", turn(-120, 0.7, -1)],
  ["sheared", { a: 1.1, b: 0.2, c: -0.4, d: 0.9, e: 5, f: 6 }],
];
const PLACES = [
  { x: 10, y: 20 },
  { x: 900, y: 35 },
  { x: 300, y: 700 },
  { x: 512.5, y: 400 },
];
const CAMERA = { scale: 1.7, left: 120, top: 60 };
const CANVAS = { width: 800, height: 500 };

describe.each(MAPS)("%s", (_, map) => {
  it("is found again from three landmarks, and from more", () => {
    for (const n of [3, 4]) {
      const pairs = PLACES.slice(0, n).map((from) => ({ from, to: apply(map, from) }));
      const found = affineOf(pairs) as Affine;
      for (const key of ["a", "b", "c", "d", "e", "f"] as const) expect(found[key]).toBeCloseTo(map[key], 6);
    }
  });
  it("goes there and back", () => {
    for (const place of PLACES) {
      const back = apply(inverse(map), apply(map, place));
      expect(back.x).toBeCloseTo(place.x);
      expect(back.y).toBeCloseTo(place.y);
    }
  });
  it("shows each place of the second image over the same place of the first", () => {
    const view = secondView(CAMERA, CANVAS, map);
    expect(Math.abs(determinant(view.shape))).toBeCloseTo(1);
    for (const place of PLACES) {
      const at = toScreen(imagePoint(place.x, place.y), CAMERA);
      const second = apply(map, place);
      const own = toScreen(imagePoint(second.x, second.y), view.camera);
      const step = { x: own.x - view.size.width / 2, y: own.y - view.size.height / 2 };
      const seen = apply(view.shape, step);
      expect(seen.x + CANVAS.width / 2).toBeCloseTo(at.x, 4);
      expect(seen.y + CANVAS.height / 2).toBeCloseTo(at.y, 4);
      const found = secondPlace(screenPoint(at.x, at.y), CAMERA, map);
      expect(found.x).toBeCloseTo(second.x);
      expect(found.y).toBeCloseTo(second.y);
    }
  });
  it("fills the canvas to its corners", () => {
    const { size, shape } = secondView(CAMERA, CANVAS, map);
    const back = inverse(shape);
    for (const x of [-CANVAS.width / 2, CANVAS.width / 2])
      for (const y of [-CANVAS.height / 2, CANVAS.height / 2]) {
        const corner = apply(back, { x, y });
        expect(Math.abs(corner.x)).toBeLessThanOrEqual(size.width / 2 + 1e-6);
        expect(Math.abs(corner.y)).toBeLessThanOrEqual(size.height / 2 + 1e-6);
      }
  });
});

it("says that places in one line, or too few, give no map", () => {
  const line = [0, 1, 2, 3].map((n) => ({ from: { x: n, y: 2 * n }, to: { x: n, y: 3 * n } }));
  expect(affineOf(line)).toBeNull();
  expect(affineOf(line.slice(0, 2))).toBeNull();
  expect(toImage(screenPoint(0, 0), CAMERA).x).toBe(CAMERA.left);
});

describe("the choice of the second image", () => {
  const LANDMARKS = [
    [0, 0, 5, 5],
    [9, 0, 14, 5],
    [0, 9, 5, 14],
  ];
  function opened() {
    const image = { id: 1, width: 800, height: 500, um_per_px: null };
    const second = { ...image, id: 2, name: "IHC", landmarks: LANDMARKS };
    const patch = vi.fn().mockResolvedValue({});
    const get = vi.fn().mockResolvedValue({ image: { ...image, id: 3, name: "another" } });
    const store = {
      opened: { image, second, project: { id: 1 } },
      api: { get, patch },
      toasts: { show: vi.fn() },
    };
    return { found: new SecondImage(store as unknown as Store), patch };
  }
  it("none is kept also after another image was looked at", async () => {
    const { found, patch } = opened();
    await found.choose(3);
    expect(found.isRegistered).toBe(false);
    await found.choose(null);
    expect(found.image).toBeNull();
    expect(patch).toHaveBeenCalledWith("images/1/", { registration: null });
  });
  it("is among the choices before they are listed", () => {
    expect(opened().found.choices.map(({ id }) => id)).toEqual([2]);
  });
  it("ends the picking of places where only one picture is left to click in", () => {
    const { found } = opened();
    found.register();
    found.show("over");
    expect(found.picked).toBeNull();
  });
});
