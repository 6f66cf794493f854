/** Click to select, drag to move, drag a handle to resize. Pure: what lies under the pointer is told from outside. */
import { handleUnder, insideImage, moved, resized, sameBox, type Box, type Handle } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "./input";

export type Selected = { readonly row: number; readonly box: Box; readonly editable: boolean };
export type Around = {
  readonly image: Size;
  /** Reach of a handle and length of a slip, image pixels. */
  readonly reach: number;
  readonly slip: number;
  readonly selected: Selected | null;
  /** Rows under a point, the likeliest first. */
  readonly pick: (at: Point<"image">) => number[];
};

export type State =
  | { readonly kind: "idle" }
  /** Pressed; becomes a drag when the pointer has left the slip. `stack`: what lay under the pointer. */
  | {
      readonly kind: "pressed";
      readonly from: Point<"image">;
      readonly stack: readonly number[];
      readonly held: Selected | null;
    }
  | { readonly kind: "moving"; readonly from: Point<"image">; readonly held: Selected; readonly box: Box }
  | { readonly kind: "resizing"; readonly handle: Handle; readonly held: Selected; readonly box: Box };
export type Step = {
  readonly state: State;
  /** -1: nothing any more. */
  readonly select?: number;
  readonly commit?: { readonly action: "move" | "resize"; readonly row: number; readonly box: Box };
};
export const IDLE: State = { kind: "idle" };

export function step(state: State, input: Input, around: Around): Step {
  if (input.kind === "cancel") return { state: IDLE };
  switch (state.kind) {
    case "idle":
      return input.kind === "down" ? { state: press(input.at, around) } : { state };
    case "pressed": {
      if (input.kind === "down") return { state };
      if (input.kind === "up")
        return { state: IDLE, select: nextBelow(state.stack, around.selected?.row ?? -1) };
      const far =
        Math.max(Math.abs(input.at.x - state.from.x), Math.abs(input.at.y - state.from.y)) >= around.slip;
      if (!far || !state.held) return { state };
      return {
        state: drag(
          { kind: "moving", from: state.from, held: state.held, box: state.held.box },
          input.at,
          around,
        ),
      };
    }
    case "moving":
    case "resizing": {
      if (input.kind === "down") return { state };
      const dragged = drag(state, input.at, around);
      if (input.kind === "move") return { state: dragged };
      const box = insideImage(dragged.box, around.image);
      if (!box || sameBox(box, state.held.box)) return { state: IDLE };
      const action = state.kind === "moving" ? "move" : "resize";
      return { state: IDLE, commit: { action, row: state.held.row, box } };
    }
  }
}

/** Repeated clicks on one place go through what lies below one another. */
export function nextBelow(stack: readonly number[], selected: number): number {
  if (!stack.length) return -1;
  return stack[(stack.indexOf(selected) + 1) % stack.length];
}

function press(at: Point<"image">, around: Around): State {
  const selected = around.selected;
  if (selected?.editable) {
    const handle = handleUnder(selected.box, at, around.reach);
    if (handle) return { kind: "resizing", handle, held: selected, box: selected.box };
  }
  const stack = around.pick(at);
  const held = selected?.editable && stack.includes(selected.row) ? selected : null;
  return { kind: "pressed", from: at, stack, held };
}

type Drag = Extract<State, { kind: "moving" | "resizing" }>;

function drag(state: Drag, to: Point<"image">, around: Around): Drag {
  if (state.kind === "moving") {
    const box = moved(state.held.box, to.x - state.from.x, to.y - state.from.y, around.image);
    return { ...state, box };
  }
  const box = insideImage(resized(state.held.box, state.handle, to), around.image);
  return box ? { ...state, box } : state; // squeezed to nothing: the last good box stays
}

export const preview = (state: State): { row: number; box: Box } | null =>
  state.kind === "moving" || state.kind === "resizing" ? { row: state.held.row, box: state.box } : null;
