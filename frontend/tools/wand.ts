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

/** So far from the press the colours are compared, image pixels. */
const WINDOW = 96;

class Wand implements Tool {
  private state = IDLE;
  private patch: Patch | null = null;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.state = IDLE;
    this.patch = null;
  }
  input(input: Press): void {
    const before = this.state;
    const result = step(before, input, this.editor.view.camera.scale);
    this.state = result.state;
    if (result.state.kind === "growing") {
      const isWider = before.kind !== "growing" || before.tolerance !== result.state.tolerance;
      if (isWider) this.grow(result.state.from, result.state.tolerance);
    } else if (result.commit) this.commit(result.commit.from, result.commit.tolerance);
    if (result.state.kind === "idle") this.patch = null;
  }
  private commit(from: Point<"image">, tolerance: number): void {
    this.grow(from, tolerance);
    const mask = this.patch && pack(this.patch);
    if (mask) this.editor.drawing.drawMask(mask, "wand");
    else this.editor.store.toast(t("Nothing of this lies inside the image."));
  }
  private grow(from: Point<"image">, tolerance: number): void {
    const window = this.editor.store.pixels.around(from, WINDOW);
    if (!window) {
      this.editor.store.toast(t("The pixels of this image are still on their way. Try again in a moment."));
      this.state = IDLE;
      return;
    }
    const { rgba, ...place } = window;
    this.patch = alike(rgba, place, Math.floor(from.x) - place.x, Math.floor(from.y) - place.y, tolerance);
  }
  sketch(): Partial<Sketch> {
    return this.patch ? { patch: { patch: this.patch, colour: colourOf(this.editor) } } : {};
  }
}

export const definition: ToolDefinition = {
  label: mark("Wand"),
  sentence: mark("Wand: press and drag, like colours"),
  keys: ["w"],
  icon: "M4 20L14 10M17 3v4M15 5h4M20 10v3M18.500 11.500h3M10 4v3M8.500 5.500h3",
  hint: mark("Press in a cell and drag away until it fits."),
  create: (editor) => new Wand(editor),
};
