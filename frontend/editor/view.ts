/** From where the picture is seen. */
import { batch } from "@preact/signals-core";
import { centre, type Box } from "../geometry/box";
import {
  centredOn,
  fit,
  imagePoint,
  MAX_SCALE,
  screenPoint,
  toImage,
  toScreen,
  within,
  type Camera,
  type Size,
} from "../geometry/frames";
import { isUpright, mirrored, recentred, turned, turnedSize, UPRIGHT, type Turn } from "../geometry/turn";
import type { ViewPort } from "./interfaces";
import { observed } from "../scene/observed";
import type { Store } from "./store";

/** A cell that is shown smaller is brought nearer, to twice this; CSS pixels. */
const LEAST_SHOWN = 24;
/** What is shown of a point: so much tissue around it, image pixels. */
const AROUND_POINT = 32;
/** A cell that fills more of the canvas is moved away. */
const MOST_SHOWN = 0.8;

type Observable = {
  camera: Camera;
  /** Of the upright canvas, CSS pixels. */
  canvas: Size;
  turn: Turn;
  /** Counts the changes of what a tool draws on top by itself, without a pointer or a key. */
  sketches: number;
};
const INITIAL = (): Observable => ({
  camera: { scale: 1, left: 0, top: 0 },
  canvas: { width: 1, height: 1 },
  turn: UPRIGHT,
  sketches: 0,
});
const PLACE_SCALE = 2; // screen pixels an image pixel, at least, where somebody asks for a place

export class View extends observed(INITIAL) implements ViewPort {
  constructor(private readonly store: Store) {
    super();
  }

  /** What is in view, image pixels. */
  visible(): Box {
    const a = toImage(screenPoint(0, 0), this.camera);
    const b = toImage(screenPoint(this.canvas.width, this.canvas.height), this.camera);
    return { x0: a.x, y0: a.y, x1: b.x, y1: b.y };
  }
  moveTo(camera: Camera): void {
    this.camera = camera;
    const { x0, y0, x1, y1 } = this.visible();
    const rounded = [x0, y0, x1, y1].map((n) => Math.round(n * 10) / 10);
    this.store.recorder.record("viewport", rounded);
  }
  /** A tool has something else to draw on top. */
  redraw(): void {
    this.sketches++;
  }
  fitImage(): void {
    this.moveTo(fit(this.store.opened.image, this.canvas));
  }
  rotate(quarters: number): void {
    this.turnTo(turned(this.turn, quarters));
  }
  mirror(along: "horizontal" | "vertical"): void {
    this.turnTo(mirrored(this.turn, along));
  }
  /** False: it stood so already. */
  standUpright(): boolean {
    if (isUpright(this.turn)) return false;
    this.turnTo(UPRIGHT);
    return true;
  }
  private turnTo(turn: Turn): void {
    const after = turnedSize(this.canvas, turned(turn, -this.turn.quarters));
    batch(() => {
      this.turn = turn;
      this.resizeTo(after);
    });
  }
  /** The same place stays in the middle; an image that was in view as a whole stays so. */
  resizeTo(after: Size): void {
    const { canvas, camera } = this;
    if (after.width === canvas.width && after.height === canvas.height) return;
    const { image } = this.store.opened;
    const isWhole = camera.scale === fit(image, canvas).scale;
    batch(() => {
      this.canvas = after;
      this.moveTo(isWhole ? fit(image, after) : recentred(camera, canvas, after));
    });
  }
  /** Bring a place into the middle, near enough to see a cell. */
  showPlace(x: number, y: number): void {
    const scale = Math.max(this.camera.scale, PLACE_SCALE);
    const camera = centredOn({ ...this.camera, scale }, imagePoint(x, y), this.canvas);
    this.moveTo(within(camera, this.store.opened.image, this.canvas));
  }
  /** Bring a row into view only when it is not comfortably in view: the picture does not move without cause. */
  reveal(row: number): void {
    const box = this.store.cells.extent(row);
    const extent = Math.max(box.x1 - box.x0, box.y1 - box.y0) || AROUND_POINT;
    const size = extent * this.camera.scale;
    const { x, y } = centre(box);
    const at = imagePoint(x, y);
    const most = MOST_SHOWN * Math.min(this.canvas.width, this.canvas.height);
    const isComfortable = this.isInside(at, 0.5 * size + 16) && size >= LEAST_SHOWN && size < most;
    if (isComfortable) return;
    const scale = Math.min(MAX_SCALE, zoomFor(size, most) * this.camera.scale);
    const camera = centredOn({ ...this.camera, scale }, at, this.canvas);
    this.moveTo(within(camera, this.store.opened.image, this.canvas));
  }

  private isInside(point: ReturnType<typeof imagePoint>, margin: number): boolean {
    const { x, y } = toScreen(point, this.camera);
    const { width, height } = this.canvas;
    return x > margin && x < width - margin && y > margin && y < height - margin;
  }
}

/** By how much to zoom, so that a cell of so many CSS pixels is well seen. */
function zoomFor(size: number, most: number): number {
  if (size < LEAST_SHOWN) return (2 * LEAST_SHOWN) / size;
  return size >= most ? most / size : 1;
}
