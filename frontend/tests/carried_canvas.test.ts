/** A picture of the cells that is carried stands exactly where the cells are, and is drawn anew in time. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { imagePoint, toScreen, type Camera } from "../geometry/frames";
import { CarriedCanvas, REFRESH_MS, REST_MS, shiftBetween } from "../render/carried_canvas";
import { seeded } from "./build";

const SIZE = { width: 1000, height: 700 };
const DRAWN: Camera = { scale: 2, left: 300, top: 200 };

function carried() {
  const canvas = { style: { transform: "" } };
  const onRest = vi.fn();
  const it = new CarriedCanvas(canvas, onRest);
  it.wasDrawn(DRAWN, "1", 0);
  return { canvas, onRest, it };
}

describe("a carried picture", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("shows every point where the camera sees it", () => {
    const random = seeded(3);
    for (let turn = 0; turn < 200; turn++) {
      const camera = { scale: 1 + 3 * random(), left: 600 * random(), top: 400 * random() };
      const point = imagePoint(1000 * random(), 1000 * random());
      const { zoom, x, y } = shiftBetween(DRAWN, camera);
      const before = toScreen(point, DRAWN);
      const now = toScreen(point, camera);
      expect(zoom * before.x + x).toBeCloseTo(now.x, 6);
      expect(zoom * before.y + y).toBeCloseTo(now.y, 6);
    }
  });
  it("is moved, and drawn when the view stands still", () => {
    const { canvas, onRest, it } = carried();
    expect(it.carry({ ...DRAWN, left: 310 }, "1", SIZE, 20)).toBe(true);
    expect(canvas.style.transform).toBe("matrix(1, 0, 0, 1, -20, 0)");
    vi.advanceTimersByTime(REST_MS - 1);
    it.carry({ ...DRAWN, left: 311 }, "1", SIZE, 40);
    vi.advanceTimersByTime(REST_MS - 1);
    expect(onRest).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(onRest).toHaveBeenCalledOnce();
    it.wasDrawn({ ...DRAWN, left: 311 }, "1", 130);
    expect([canvas.style.transform, it.isCarried]).toEqual(["", false]);
  });
  it.each([
    ["it moves for a long time", { ...DRAWN, left: 301 }, "1", REFRESH_MS + 1],
    ["the zoom is another one", { ...DRAWN, scale: 2.6 }, "1", 20],
    ["the view jumps", { ...DRAWN, left: 500 }, "1", 20],
    ["a third of it is new when zooming out at a corner", { scale: 1.62, left: 60, top: 200 }, "1", 20],
    ["the tissue is shown bare", DRAWN, "2", 20],
  ])("is drawn anew when %s", (_why, camera, key, now) => {
    const { canvas, it } = carried();
    expect(it.carry(camera, key, SIZE, now)).toBe(false);
    expect(canvas.style.transform).toBe("");
  });
  it("is drawn at first, and asks for nothing after it was stopped", () => {
    const onRest = vi.fn();
    const fresh = new CarriedCanvas({ style: { transform: "" } }, onRest);
    expect(fresh.carry(DRAWN, "1", SIZE, 0)).toBe(false);
    const { it, onRest: asked } = carried();
    it.carry({ ...DRAWN, left: 301 }, "1", SIZE, 10);
    it.stop();
    vi.advanceTimersByTime(10 * REST_MS);
    expect(asked).not.toHaveBeenCalled();
  });
});
