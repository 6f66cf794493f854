/** A ruler: drag, read, gone with the next press. Nothing of it is stored. Pure. */
import type { Point } from "../geometry/frames";
import type { Input } from "./input";

export type MeasureState = {
  readonly line: readonly [Point<"image">, Point<"image">] | null;
  readonly pressed: boolean;
};
export const IDLE: MeasureState = { line: null, pressed: false };

export function step(state: MeasureState, input: Input): MeasureState {
  switch (input.kind) {
    case "cancel":
      return IDLE;
    case "down":
      return state.pressed ? state : { line: [input.at, input.at], pressed: true };
    case "move":
      return state.pressed && state.line ? { ...state, line: [state.line[0], input.at] } : state;
    case "up":
      return { line: state.line && state.pressed ? [state.line[0], input.at] : state.line, pressed: false };
  }
}

export function lengthWords(pixels: number, umPerPx: number | null): string {
  return umPerPx === null
    ? `${pixels.toFixed(1)} px`
    : `${(pixels * umPerPx).toFixed(pixels * umPerPx < 10 ? 2 : 1)} µm`;
}
