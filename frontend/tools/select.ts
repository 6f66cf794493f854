/** Click to select, drag to move, drag a handle to resize. Pure: the caller passes what lies under the pointer. */
import {
  handleUnder,
  insideImage,
  isPointBox,
  moved,
  resized,
  sameBox,
  type Box,
  type Handle,
} from "../geometry/box";
import { imagePoint, type Point, type Size } from "../geometry/frames";
import type { Input } from "../editor/input";
import { mark } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import type { Sketch } from "../render/overlay";
import type { Press, Sizes, Tool, ToolDefinition } from "../editor/tool";
import { colourOfRow, rowsAt } from "./picking";

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

export type SelectState =
  | { readonly kind: "idle" }
  /** Pressed; becomes a drag when the pointer has left the slip. `stack`: what lay under the pointer. */
  | {
      readonly kind: "pressed";
      readonly from: Point<"image">;
      readonly stack: readonly number[];
      readonly target: Selected | null;
      readonly shift: boolean;
    }
  | { readonly kind: "moving"; readonly from: Point<"image">; readonly target: Selected; readonly box: Box }
  | { readonly kind: "resizing"; readonly handle: Handle; readonly target: Selected; readonly box: Box };
export type Step = {
  readonly state: SelectState;
  /** -1: nothing any more. */
  readonly select?: number;
  /** One of several: selected beside the others, or not any more. */
  readonly toggle?: number;
  readonly commit?: { readonly action: "move" | "resize"; readonly row: number; readonly box: Box };
};
export const IDLE: SelectState = { kind: "idle" };

export function step(state: SelectState, input: Input, around: Around): Step {
  if (input.kind === "cancel") return { state: IDLE };
  switch (state.kind) {
    case "idle":
      return input.kind === "down" ? { state: press(input, around) } : { state };
    case "pressed":
      return stepPressed(state, input, around);
    case "moving":
    case "resizing":
      return stepDrag(state, input, around);
  }
}

function stepPressed(state: Pressed, input: Press, around: Around): Step {
  if (input.kind === "down") return { state };
  if (input.kind === "up" && state.shift)
    return state.stack.length ? { state: IDLE, toggle: state.stack[0] } : { state: IDLE };
  if (input.kind === "up") return { state: IDLE, select: nextBelow(state.stack, around.selected?.row ?? -1) };
  const { from, target } = state;
  const way = Math.max(Math.abs(input.at.x - from.x), Math.abs(input.at.y - from.y));
  if (way < around.slip || !target) return { state };
  return { state: drag({ kind: "moving", from, target, box: target.box }, input.at, around) };
}

function stepDrag(state: Drag, input: Press, around: Around): Step {
  if (input.kind === "down") return { state };
  const dragged = drag(state, input.at, around);
  if (input.kind === "move") return { state: dragged };
  // What is moved keeps its size, so that a point stays one; no box becomes a point by its handles.
  const least = state.kind === "moving" ? 0 : 1;
  const box = insideImage(dragged.box, around.image, least);
  if (!box || sameBox(box, state.target.box)) return { state: IDLE };
  const action = state.kind === "moving" ? "move" : "resize";
  return { state: IDLE, commit: { action, row: state.target.row, box } };
}

/** Repeated clicks on one place go through what lies below one another. */
export function nextBelow(stack: readonly number[], selected: number): number {
  if (!stack.length) return -1;
  return stack[(stack.indexOf(selected) + 1) % stack.length];
}

function press({ at, shift }: Press, around: Around): SelectState {
  const selected = around.selected;
  if (selected?.editable && !isPointBox(selected.box)) {
    const handle = handleUnder(selected.box, at, around.reach);
    if (handle) return { kind: "resizing", handle, target: selected, box: selected.box };
  }
  const stack = around.pick(at);
  const target = selected?.editable && stack.includes(selected.row) ? selected : null;
  return { kind: "pressed", from: at, stack, target, shift };
}

type Pressed = Extract<SelectState, { kind: "pressed" }>;
type Drag = Extract<SelectState, { kind: "moving" | "resizing" }>;

function drag(state: Drag, to: Point<"image">, around: Around): Drag {
  if (state.kind === "moving") {
    const box = moved(state.target.box, to.x - state.from.x, to.y - state.from.y, around.image);
    return { ...state, box };
  }
  const box = insideImage(resized(state.target.box, state.handle, to), around.image);
  return box ? { ...state, box } : state; // squeezed to nothing: the last good box stays
}

export const preview = (state: SelectState): { row: number; box: Box } | null =>
  state.kind === "moving" || state.kind === "resizing" ? { row: state.target.row, box: state.box } : null;

const cornerOf = (box: Box): Point<"image"> => imagePoint(box.x0, box.y0);

class SelectTool implements Tool {
  readonly hovers = true;
  private state = IDLE;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.become(IDLE);
  }
  input(input: Press, sizes: Sizes): void {
    const { editor } = this;
    const result = step(this.state, input, {
      image: editor.store.opened.image,
      reach: sizes.reach,
      slip: sizes.slip,
      selected: this.selected(),
      pick: (at) => rowsAt(editor, at, sizes),
    });
    this.become(result.state);
    if (result.select !== undefined) editor.selection.select(result.select);
    if (result.toggle !== undefined) this.toggle(result.toggle);
    if (result.commit) editor.drawing.reshapeBox(result.commit.row, result.commit.box, result.commit.action);
  }
  /** A region is no cell, so it is selected alone. */
  private toggle(row: number): void {
    const { store, selection } = this.editor;
    if (store.cells.kindOf(row) === "region") return selection.select(row);
    const one = store.selected >= 0 && store.cells.kindOf(store.selected) === "cell" ? [store.selected] : [];
    const before = store.multiSelected.length ? store.multiSelected : one;
    const others = before.filter((other) => other !== row);
    selection.selectSeveral(others.length < before.length ? others : [...before, row]);
  }
  private become(state: SelectState): void {
    this.state = state;
    this.editor.store.dragged = preview(state)?.row ?? -1;
  }
  sketch(): Partial<Sketch> {
    const { editor } = this;
    const dragged = preview(this.state);
    if (dragged && isPointBox(dragged.box)) return { marks: [{ at: cornerOf(dragged.box), inside: true }] };
    if (dragged)
      return {
        box: { box: dragged.box, colour: colourOfRow(editor, dragged.row), region: false },
        handles: dragged.box,
      };
    const { selected, cells } = editor.store;
    const hasHandles = editor.store.isMineAndLive(selected) && !cells.isPoint(selected);
    return hasHandles ? { handles: cells.boxOf(selected) } : {};
  }

  private selected(): Selected | null {
    const row = this.editor.store.selected;
    if (row < 0) return null;
    return { row, box: this.editor.store.cells.boxOf(row), editable: this.editor.store.isMineAndLive(row) };
  }
}

export const definition: ToolDefinition = {
  label: mark("Select"),
  sentence: mark("Select, move, resize; Shift selects several"),
  keys: ["v"],
  icon: "M5 3l13 8-6 1.5L9 19z",
  changesNothing: true,
  create: (editor) => new SelectTool(editor),
};
