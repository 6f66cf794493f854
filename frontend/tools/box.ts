/** Drag to draw a box (cells and regions alike). Pure: no DOM, no store, no clock.
 *  A press without a drag is a click: it selects, so that a slip of the hand draws no speck. */
import { boxBetween, insideImage, type Box } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "./input";

export type BoxState =
  | { readonly kind: "idle" }
  | {
      readonly kind: "drawing";
      readonly from: Point<"image">;
      readonly to: Point<"image">;
      readonly shift: boolean;
    };
export type Step = {
  readonly state: BoxState;
  readonly commit?: Box;
  /** Nothing of it lies in the image, so there is no box. */
  readonly outside?: true;
  readonly shift?: boolean;
  readonly click?: Point<"image">;
};
export const IDLE: BoxState = { kind: "idle" };

/** `slip`: a drag shorter than so many image pixels in both directions is a click. */
export function step(state: BoxState, input: Input, image: Size, slip: number): Step {
  switch (state.kind) {
    case "idle":
      if (input.kind !== "down") return { state };
      return { state: { kind: "drawing", from: input.at, to: input.at, shift: input.shift } };
    case "drawing":
      switch (input.kind) {
        case "down":
          return { state };
        case "move":
          return { state: { ...state, to: input.at } };
        case "cancel":
          return { state: IDLE };
        case "up": {
          const dragged = boxBetween(state.from, input.at);
          if (dragged.x1 - dragged.x0 < slip && dragged.y1 - dragged.y0 < slip)
            return { state: IDLE, click: state.from };
          const box = insideImage(dragged, image);
          return box ? { state: IDLE, commit: box, shift: state.shift } : { state: IDLE, outside: true };
        }
      }
  }
}

export const preview = (state: BoxState, image: Size): Box | null =>
  state.kind === "drawing" ? insideImage(boxBetween(state.from, state.to), image, 0) : null;
