/** Press in a cell and drag away: the further, the more unlike a pixel may be and still belong to it. Pure. */
import type { Point } from "../geometry/frames";
import type { Input } from "../editor/input";
import { mark, t } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import { pack, type Patch } from "../geometry/mask";
import { alike } from "../geometry/pieces";
import type { Sketch } from "../render/overlay";
import type { Press, Tool, ToolDefinition } from "../editor/tool";
import { colourOf } from "./picking";

export type WandState =
  | { readonly kind: "idle" }
  | { readonly kind: "growing"; readonly from: Point<"image">; readonly tolerance: number };
export type Step = {
  readonly state: WandState;
  readonly commit?: { readonly from: Point<"image">; readonly tolerance: number };
};
export const IDLE: WandState = { kind: "idle" };

const LEAST = 18;
const MOST = 120;
/** Grey levels for each CSS pixel of the drag. */
const PER_PIXEL = 0.5;

/** `scale`: CSS pixels for an image pixel, so that the hand's way counts and not the zoom. */
export function step(state: WandState, input: Input, scale: number): Step {
  if (input.kind === "cancel") return { state: IDLE };
  if (state.kind === "idle")
    return { state: input.kind === "down" ? { kind: "growing", from: input.at, tolerance: LEAST } : state };
  if (input.kind === "down") return { state };
  const way = Math.hypot(input.at.x - state.from.x, input.at.y - state.from.y) * scale;
  const tolerance = Math.min(MOST, LEAST + PER_PIXEL * way);
  return input.kind === "move"
    ? { state: { ...state, tolerance } }
    : { state: IDLE, commit: { from: state.from, tolerance } };
}

/** A step of the tolerance. */
const STEP = 2;
/** A mask that grows by more than this in one step has run out of its cell. */
const LEAK = 1.6;
/** Smaller masks are still filling their cell, image pixels. */
const LEAST_CELL = 40;
/** A drag that goes so much further than the leak means it: grey levels. */
const INSIST = 16;

/** The tolerance that a drag to `wanted` has: it stays at the last one before the mask runs out of its cell into the
 *  tissue around, until the drag insists. `areaAt`: pixels of the mask at a tolerance. */
export function limitedTolerance(wanted: number, areaAt: (tolerance: number) => number): number {
  let before = areaAt(LEAST);
  for (let tolerance = LEAST + STEP; tolerance <= wanted; tolerance += STEP) {
    const now = areaAt(tolerance);
    const leaks = before >= LEAST_CELL && now > LEAK * before;
    if (leaks) return wanted - tolerance > INSIST ? wanted : tolerance - STEP;
    before = now;
  }
  return wanted;
}

/** So far from the press the colours are compared, image pixels. */
const WINDOW = 96;

class Wand implements Tool {
  private state = IDLE;
  private patch: Patch | null = null;
  /** Areas by tolerance, of the press that is going on: each is computed once. */
  private areas = new Map<number, number>();
  /** The end of the drag, kept while the pixels are on their way. */
  private waiting: { readonly from: Point<"image">; readonly tolerance: number } | null = null;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.kind !== "idle" || this.waiting !== null;
  }
  cancel(): void {
    this.state = IDLE;
    this.patch = null;
    this.waiting = null;
  }
  input(input: Press): void {
    const before = this.state;
    const result = step(before, input, this.editor.view.camera.scale);
    this.state = result.state;
    if (input.kind === "down") this.areas = new Map();
    if (result.state.kind === "growing") {
      const isWider = before.kind !== "growing" || before.tolerance !== result.state.tolerance;
      if (isWider) this.patch = this.grown(result.state.from, result.state.tolerance);
    } else if (result.commit) this.commit(result.commit.from, result.commit.tolerance);
    if (result.state.kind === "idle") this.patch = null;
  }
  private commit(from: Point<"image">, tolerance: number): void {
    if (!this.isInside(from)) {
      this.editor.store.toasts.show(t("Nothing of this lies inside the image."));
      return;
    }
    const patch = this.grown(from, tolerance);
    const mask = patch && pack(patch);
    if (mask) this.editor.drawing.drawMask(mask, "wand");
    else void this.commitLater(from, tolerance);
  }
  /** The pixels are on their way: the drag is kept until they are there. */
  private async commitLater(from: Point<"image">, tolerance: number): Promise<void> {
    const { store } = this.editor;
    const drag = { from, tolerance };
    this.waiting = drag;
    this.editor.view.redraw();
    const isThere = await store.waited(store.pixels.readyAround(from, WINDOW));
    if (this.waiting !== drag) return; // dropped, or another one was begun
    this.waiting = null;
    const patch = isThere ? this.grown(from, tolerance) : null;
    const mask = patch && pack(patch);
    if (mask) this.editor.drawing.drawMask(mask, "wand");
    else store.toasts.show(t("The pixels of this image could not be read."));
    this.editor.view.redraw();
  }
  private isInside({ x, y }: Point<"image">): boolean {
    const { width, height } = this.editor.store.opened.image;
    return x >= 0 && y >= 0 && x < width && y < height;
  }
  /** The mask of a drag; null: the pixels are not here yet. */
  private grown(from: Point<"image">, wanted: number): Patch | null {
    const window = this.editor.store.pixels.around(from, WINDOW);
    if (!window) return null;
    const { rgba, ...place } = window;
    const at = (tolerance: number) =>
      alike(rgba, place, Math.floor(from.x) - place.x, Math.floor(from.y) - place.y, tolerance);
    const areaAt = (tolerance: number) => {
      const known = this.areas.get(tolerance) ?? at(tolerance).pixels.reduce((sum, pixel) => sum + pixel, 0);
      this.areas.set(tolerance, known);
      return known;
    };
    return at(limitedTolerance(wanted, areaAt));
  }
  sketch(): Partial<Sketch> {
    if (this.waiting) return { note: { at: this.waiting.from, text: t("Waiting for the pixels …") } };
    return this.patch ? { patch: { patch: this.patch, colour: colourOf(this.editor) } } : {};
  }
}

export const definition: ToolDefinition = {
  label: mark("Wand"),
  sentence: mark("Wand: press and drag, like colours"),
  keys: ["w"],
  icon: "M4 20L14 10M17 3v4M15 5h4M20 10v3M18.500 11.500h3M10 4v3M8.500 5.500h3",
  hint: mark("Press in a cell and drag away until it fits. It stops at the border; drag on to go beyond."),
  create: (editor) => new Wand(editor),
};
