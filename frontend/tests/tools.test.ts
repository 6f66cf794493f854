import { describe, expect, it } from "vitest";
import { imagePoint, screenPoint, toImage } from "../geometry/frames";
import { pack, patchOver } from "../geometry/mask";
import * as box from "../tools/box";
import * as brush from "../tools/brush";
import { pinch, wheelFactor } from "../canvas/pinch";
import type { Input } from "../editor/input";
import * as select from "../tools/select";

const IMAGE = { width: 200, height: 100 };
const at = (
  kind: "down" | "move" | "up",
  x: number,
  y: number,
  more: { shift?: boolean; alt?: boolean } = {},
): Input => ({
  kind,
  at: imagePoint(x, y),
  shift: false,
  alt: false,
  ...more,
});

describe("box tool", () => {
  const run = (inputs: Input[]) =>
    inputs.reduce<box.Step>((last, input) => box.step(last.state, input, IMAGE, 2), { state: box.IDLE });

  it("commits what was dragged over, once", () => {
    const done = run([at("down", 10, 10), at("move", 30, 20), at("up", 40, 25)]);
    expect(done).toMatchObject({ state: box.IDLE, commit: { x0: 10, y0: 10, x1: 40, y1: 25 } });
    expect(box.step(done.state, at("up", 50, 50), IMAGE, 2).commit).toBeUndefined();
  });
  it("does not begin again with a second finger", () => {
    expect(run([at("down", 10, 10), at("down", 90, 90), at("up", 40, 25)]).commit).toMatchObject({
      x0: 10,
      y0: 10,
    });
  });
  it("leaves nothing of a cancelled drag", () => {
    expect(run([at("down", 10, 10), at("move", 60, 60), { kind: "cancel" }, at("up", 40, 40)])).toEqual({
      state: box.IDLE,
    });
  });
  it("takes a slip of the hand for a click", () => {
    expect(run([at("down", 10, 10), at("up", 11, 11)])).toMatchObject({ click: { x: 10, y: 10 } });
  });
  it("cuts the box at the border of the image, and draws none outside", () => {
    expect(run([at("down", 180, 50), at("up", 999, 999)]).commit).toEqual({
      x0: 180,
      y0: 50,
      x1: 200,
      y1: 100,
    });
    expect(run([at("down", 300, 150), at("up", 400, 190)]).commit).toBeUndefined();
  });
});

describe("select tool", () => {
  const TARGET = { row: 4, box: { x0: 20, y0: 20, x1: 60, y1: 40 }, editable: true };
  const around = (more: Partial<select.Around> = {}): select.Around => ({
    image: IMAGE,
    reach: 3,
    slip: 2,
    selected: TARGET,
    pick: () => [4, 9],
    ...more,
  });
  const run = (inputs: Input[], about = around()) =>
    inputs.reduce<select.Step>((last, input) => select.step(last.state, input, about), {
      state: select.IDLE,
    });

  it("goes through what lies below with every click, and round again", () => {
    expect(select.nextBelow([4, 9, 2], -1)).toBe(4);
    expect(select.nextBelow([4, 9, 2], 4)).toBe(9);
    expect(select.nextBelow([4, 9, 2], 2)).toBe(4);
    expect(run([at("down", 40, 30), at("up", 40, 30)]).select).toBe(9);
    expect(run([at("down", 40, 30), at("up", 40, 30)], around({ pick: () => [] })).select).toBe(-1);
  });
  it("moves what is held, and not by a slip", () => {
    const moved = run([at("down", 40, 30), at("move", 45, 33), at("up", 50, 36)]);
    expect(moved.commit).toEqual({ action: "move", row: 4, box: { x0: 30, y0: 26, x1: 70, y1: 46 } });
    expect(run([at("down", 40, 30), at("move", 41, 30), at("up", 41, 30)]).commit).toBeUndefined();
  });
  it("resizes by a handle, inside the image", () => {
    const resized = run([at("down", 60, 40), at("move", 80, 60), at("up", 500, 60)]);
    expect(resized.commit).toEqual({ action: "resize", row: 4, box: { x0: 20, y0: 20, x1: 200, y1: 60 } });
  });
  it("makes no point of a box that is squeezed to nothing", () => {
    const squeezed = run([at("down", 60, 40), at("move", 20, 20), at("up", 20, 20)]);
    expect(squeezed.commit).toBeUndefined();
  });
  it("does not move what may not be edited", () => {
    const about = around({ selected: { ...TARGET, editable: false } });
    expect(run([at("down", 40, 30), at("move", 80, 60), at("up", 80, 60)], about).commit).toBeUndefined();
  });
  it("commits nothing when the pointer is lost in mid-drag, or when nothing changed", () => {
    expect(run([at("down", 40, 30), at("move", 80, 60), { kind: "cancel" }])).toEqual({ state: select.IDLE });
    expect(run([at("down", 40, 30), at("move", 80, 60), at("up", 40, 30)]).commit).toBeUndefined();
  });
});

describe("brush", () => {
  const settings = { radius: 2, subtract: false, image: IMAGE };
  const stroke = (
    inputs: Input[],
    patch = patchOver({ x0: 10, y0: 10, x1: 20, y1: 20 }, IMAGE),
    how = settings,
  ) =>
    inputs.reduce<brush.Step>((last, input) => brush.step(last.state, input, last.patch, how), {
      state: brush.IDLE,
      patch,
      stroke: "none",
    });

  it("adds beyond the box it began in", () => {
    const painted = stroke([at("down", 15, 15), at("move", 60, 15), at("up", 60, 15)]);
    expect(pack(painted.patch)).toMatchObject({ x: 13, y: 13, width: 49, height: 4 });
    expect(painted.stroke).toBe("done");
  });
  it("subtracts with Alt, and adds with Alt when it is an eraser", () => {
    const full = stroke([at("down", 15, 15), at("up", 40, 15)]).patch;
    const count = (pixels: Uint8Array) => pixels.reduce((a, b) => a + b, 0);
    const before = count(full.pixels);
    const after = stroke([at("down", 30, 15, { alt: true }), at("up", 30, 15)], full);
    expect(count(after.patch.pixels)).toBeLessThan(before);
    const eraser = { ...settings, subtract: true };
    const more = stroke([at("down", 30, 15, { alt: true }), at("up", 30, 15)], after.patch, eraser);
    expect(count(more.patch.pixels)).toBe(before);
  });
  it("keeps to one sign for a whole stroke", () => {
    const painted = stroke([
      at("down", 15, 15),
      at("move", 30, 15, { alt: true }),
      at("up", 40, 15, { alt: true }),
    ]);
    expect(pack(painted.patch)).toMatchObject({ x: 13, width: 29 });
  });
  it("leaves the image without an error and paints only what is inside", () => {
    const painted = stroke([at("down", 15, 15), at("move", -60, -40), at("up", 15, 400)]);
    const mask = pack(painted.patch);
    expect(mask).not.toBeNull();
    expect(mask && mask.x >= 0 && mask.y >= 0 && mask.y + mask.height <= 100).toBe(true);
  });
});

describe("hand", () => {
  const CANVAS = { width: 400, height: 300 };
  it("keeps the tissue under two fingers while they spread", () => {
    const camera = { scale: 3, left: 20, top: 10 };
    const before = [screenPoint(100, 100), screenPoint(200, 100)] as const;
    const after = [screenPoint(80, 120), screenPoint(240, 120)] as const;
    const next = pinch(camera, before, after, IMAGE, CANVAS);
    expect(next.scale).toBeCloseTo(4.8);
    const [was, is] = [toImage(screenPoint(150, 100), camera), toImage(screenPoint(160, 120), next)];
    expect([is.x, is.y].map((n) => Math.round(n * 1e6))).toEqual(
      [was.x, was.y].map((n) => Math.round(n * 1e6)),
    );
  });
  it("zooms out as far as it zoomed in", () => {
    expect(wheelFactor(120, false, false) * wheelFactor(-120, false, false)).toBeCloseTo(1);
    expect(wheelFactor(-3, true, false)).toBeGreaterThan(1);
  });
});
