/** A freehand path: the lasso and the cut. Pure. */
import type { Point } from "../geometry/frames";
import type { Input } from "../editor/input";

export type PathState =
  | { readonly kind: "idle" }
  | { readonly kind: "drawing"; readonly points: readonly Point<"image">[]; readonly shift: boolean };
export type Step = {
  readonly state: PathState;
  readonly commit?: { readonly points: readonly Point<"image">[]; readonly shift: boolean };
  readonly click?: Point<"image">;
};
export const IDLE: PathState = { kind: "idle" };
const MOST_POINTS = 5000;

/** `spacing`: distance of two points; `slip`: a path that stays this near to its start is a click; image pixels. */
export function step(state: PathState, input: Input, spacing: number, slip: number): Step {
  if (input.kind === "cancel") return { state: IDLE };
  if (state.kind === "idle")
    return {
      state: input.kind === "down" ? { kind: "drawing", points: [input.at], shift: input.shift } : state,
    };
  if (input.kind === "down") return { state };
  const { points } = state;
  const last = points[points.length - 1];
  const far = Math.hypot(input.at.x - last.x, input.at.y - last.y) >= spacing && points.length < MOST_POINTS;
  const longer = far || (input.kind === "up" && points.length === 1) ? [...points, input.at] : points;
  if (input.kind === "move") return { state: { ...state, points: longer } };
  const isClick = longer.every((p) => Math.hypot(p.x - points[0].x, p.y - points[0].y) < slip);
  return isClick
    ? { state: IDLE, click: points[0] }
    : { state: IDLE, commit: { points: longer, shift: state.shift } };
}
