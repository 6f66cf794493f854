/** Press in a cell and drag away: the further, the more unlike a pixel may be and still belong to it. Pure. */
import type { Point } from "../geometry/frames";
import type { Input } from "./input";

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
