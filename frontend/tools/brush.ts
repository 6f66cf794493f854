/** One brush that adds, and subtracts with Alt: strokes change a patch of pixels in place. No DOM, no store.
 *  The patch is the one mutable thing, because a stroke of 200 moves should not copy it 200 times. */
import { grown, paintSegment, type Patch } from "../geometry/mask";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "./input";

export type BrushState =
  | { readonly kind: "idle" }
  | { readonly kind: "painting"; readonly last: Point<"image">; readonly value: 0 | 1 };
export type Step = {
  readonly state: BrushState;
  readonly patch: Patch;
  readonly stroke: "none" | "begun" | "going" | "done";
};
export const IDLE: BrushState = { kind: "idle" };

export const MIN_RADIUS = 0.5;
export const MAX_RADIUS = 200;

/** `radius` in image pixels; `subtract` makes the brush an eraser without Alt (pens have no Alt key). */
export function step(
  state: BrushState,
  input: Input,
  patch: Patch,
  brush: { readonly radius: number; readonly subtract: boolean; readonly image: Size },
): Step {
  if (input.kind === "cancel")
    return { state: IDLE, patch, stroke: state.kind === "painting" ? "done" : "none" };
  if (state.kind === "idle") {
    if (input.kind !== "down") return { state, patch, stroke: "none" };
    const value = input.alt !== brush.subtract ? 0 : 1;
    return {
      state: { kind: "painting", last: input.at, value },
      patch: stroke(patch, input.at, input.at, value, brush),
      stroke: "begun",
    };
  }
  if (input.kind === "down") return { state, patch, stroke: "none" };
  const next = stroke(patch, state.last, input.at, state.value, brush);
  if (input.kind === "up") return { state: IDLE, patch: next, stroke: "done" };
  return { state: { ...state, last: input.at }, patch: next, stroke: "going" };
}

function stroke(
  patch: Patch,
  from: Point<"image">,
  to: Point<"image">,
  value: 0 | 1,
  brush: { readonly radius: number; readonly image: Size },
): Patch {
  const reach = brush.radius + 1;
  const touched = {
    x0: Math.min(from.x, to.x) - reach,
    y0: Math.min(from.y, to.y) - reach,
    x1: Math.max(from.x, to.x) + reach,
    y1: Math.max(from.y, to.y) + reach,
  };
  // Grown with room to spare, so that a long stroke does not grow it at every move.
  const room = 4 * reach;
  const wide = { x0: touched.x0 - room, y0: touched.y0 - room, x1: touched.x1 + room, y1: touched.y1 + room };
  const inPatch =
    touched.x0 >= patch.x &&
    touched.y0 >= patch.y &&
    touched.x1 <= patch.x + patch.width &&
    touched.y1 <= patch.y + patch.height;
  const target = value === 1 && !inPatch ? grown(patch, wide, brush.image) : patch;
  paintSegment(target, from, to, brush.radius, value);
  return target;
}
