/** Four clicks on the outermost points of a cell make its box: quicker and more exact than two corners in the air. Pure. */
import { insideImage, type Box } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import { boundsOf } from "../geometry/polygon";
import type { Input } from "./input";

export type ExtremesState = { readonly points: readonly Point<"image">[]; readonly pressed: boolean };
export type Step = { readonly state: ExtremesState; readonly commit?: Box; readonly outside?: true };
export const IDLE: ExtremesState = { points: [], pressed: false };
const NEEDED = 4;

export function step(state: ExtremesState, input: Input, image: Size): Step {
  switch (input.kind) {
    case "cancel":
      return { state: IDLE };
    case "down":
      return { state: { ...state, pressed: true } };
    case "move":
      return { state };
    case "up": {
      if (!state.pressed) return { state };
      const points = [...state.points, input.at];
      if (points.length < NEEDED) return { state: { points, pressed: false } };
      const box = insideImage(boundsOf(points), image);
      return box ? { state: IDLE, commit: box } : { state: IDLE, outside: true };
    }
  }
}

export const back = (state: ExtremesState): ExtremesState => ({
  points: state.points.slice(0, -1),
  pressed: false,
});
