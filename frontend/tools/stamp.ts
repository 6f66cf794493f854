/** A click puts a box of the last size around itself: for runs of like cells, and for copying one to the next place. Pure. */
import { insideImage, type Box } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "./input";

export type StampState =
  { readonly kind: "idle" } | { readonly kind: "pressed"; readonly at: Point<"image"> };
export type Step = { readonly state: StampState; readonly commit?: Box; readonly outside?: true };
export const IDLE: StampState = { kind: "idle" };

export const around = (at: { x: number; y: number }, size: Size): Box => ({
  x0: at.x - size.width / 2,
  y0: at.y - size.height / 2,
  x1: at.x + size.width / 2,
  y1: at.y + size.height / 2,
});

export function step(state: StampState, input: Input, size: Size, image: Size): Step {
  if (input.kind === "cancel") return { state: IDLE };
  if (state.kind === "idle")
    return { state: input.kind === "down" ? { kind: "pressed", at: input.at } : state };
  if (input.kind === "down") return { state };
  if (input.kind === "move") return { state: { kind: "pressed", at: input.at } }; // until it is let go it can be placed
  const box = insideImage(around(input.at, size), image);
  return box ? { state: IDLE, commit: box } : { state: IDLE, outside: true };
}
