/** A ruler: drag, read, gone with the next press. Nothing of it is stored. Pure. */
import type { Point } from "../geometry/frames";
import type { Input } from "../editor/input";
import { mark } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import { lengthOf } from "../geometry/polygon";
import type { Sketch } from "../render/overlay";
import type { Press, Tool, ToolDefinition } from "../editor/tool";

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

class Ruler implements Tool {
  private state = IDLE;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.line !== null;
  }
  cancel(): void {
    this.state = IDLE;
  }
  input(input: Press): void {
    this.state = step(this.state, input);
  }
  back(): void {
    this.state = IDLE;
  }
  sketch(): Partial<Sketch> {
    const { line } = this.state;
    if (!line) return {};
    return {
      path: { points: line, corners: true, closed: false },
      note: { at: line[1], text: lengthWords(lengthOf(line), this.editor.store.opened.image.um_per_px) },
    };
  }
}

export const definition: ToolDefinition = {
  label: mark("Measure"),
  sentence: mark("Measure"),
  keys: ["m"],
  icon: "M3 16L16 3l5 5L8 21zM7 12l2 2M10 9l3 3M13 6l2 2",
  hint: mark("Drag from point to point. Nothing is stored."),
  changesNothing: true,
  create: (editor) => new Ruler(editor),
};
