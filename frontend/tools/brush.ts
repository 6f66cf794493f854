/** One brush that adds, and subtracts with Alt: strokes change a patch of pixels in place. No DOM, no store.
 *  The patch is the one mutable thing, because a stroke of 200 moves should not copy it 200 times. */
import { grown, paintSegment, type Patch } from "../geometry/mask";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "../editor/input";
import { mark, t } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import { pack, patchOver, unpack } from "../geometry/mask";
import type { Sketch } from "../render/overlay";
import type { Cursor, Press, Tool, ToolDefinition } from "../editor/tool";
import { colourOf, colourOfRow } from "./picking";

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
      patch: painted(patch, input.at, input.at, value, brush),
      stroke: "begun",
    };
  }
  if (input.kind === "down") return { state, patch, stroke: "none" };
  const next = painted(patch, state.last, input.at, state.value, brush);
  if (input.kind === "up") return { state: IDLE, patch: next, stroke: "done" };
  return { state: { ...state, last: input.at }, patch: next, stroke: "going" };
}

function painted(
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

/** The stroke that is being painted: a new cell (row -1) or a change of an own one. */
type Stroke = { readonly row: number; readonly subtract: boolean; readonly patch: Patch };

/** A new cell, or with Shift (add) and Alt (subtract) the selected one; each stroke is an operation of its own.
 *  The brush of a mask that is being edited is tools/mask_brush.ts. */
class BrushTool implements Tool {
  readonly hasBrushSize = true;
  readonly hasModes = true;
  readonly followsPointer = true;
  private state = IDLE;
  private stroke: Stroke | null = null;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.state = IDLE;
    this.stroke = null;
  }
  input(input: Press): void {
    if (input.kind === "down" && this.state.kind === "idle") this.stroke = this.begun(input);
    if (!this.stroke) return;
    const { subtract } = this.stroke;
    const plain = { ...input, alt: false, shift: false };
    const brush = { radius: this.editor.store.brushRadius, subtract, image: this.editor.store.opened.image };
    const result = step(this.state, plain, this.stroke.patch, brush);
    this.state = result.state;
    this.stroke = { ...this.stroke, patch: result.patch };
    if (result.stroke === "done") this.commit(this.stroke);
  }
  /** What the stroke changes; null: there is nothing to subtract from. */
  private begun(input: Press): Stroke | null {
    const { editor } = this;
    const mode = modeOf(input, editor.store.brushMode);
    const subtract = mode === "subtract";
    const changes = mode !== "new" && editor.store.isOwnCell(editor.store.selected);
    if (subtract && !changes) {
      editor.store.toasts.show(t("Select one of your cells first: there is nothing to subtract from."));
      return null;
    }
    if (changes)
      return { row: editor.store.selected, subtract, patch: this.patchOf(editor.store.selected, subtract) };
    const { x, y } = input.at;
    return { row: -1, subtract, patch: patchOver({ x0: x, y0: y, x1: x, y1: y }, editor.store.opened.image) };
  }
  private patchOf(row: number, subtract: boolean): Patch {
    const { cells, opened } = this.editor.store;
    const mask = cells.maskOf(row);
    if (mask) return unpack(mask);
    const patch = patchOver(cells.boxOf(row), opened.image);
    if (subtract) patch.pixels.fill(1); // from a box, what is not the cell is subtracted
    return patch;
  }
  private commit({ row, patch }: Stroke): void {
    const mask = pack(patch);
    this.stroke = null;
    if (!mask && row >= 0)
      this.editor.store.toasts.show(t("That would leave nothing of the cell. Del deletes it."));
    if (!mask) return;
    if (row < 0) this.editor.drawing.drawMask(mask, "brush");
    else this.editor.drawing.reshape(row, mask, "brush");
  }
  sketch(cursor: Cursor | null): Partial<Sketch> {
    const { editor, stroke } = this;
    return {
      ...circleOf(cursor, editor.store.brushRadius, editor.store.brushMode === "subtract"),
      ...(stroke && this.painted(stroke)),
    };
  }
  private painted({ row, patch }: Stroke): Partial<Sketch> {
    return { patch: { patch, colour: row >= 0 ? colourOfRow(this.editor, row) : colourOf(this.editor) } };
  }
}

function modeOf({ alt, shift }: Press, chosen: "new" | "add" | "subtract") {
  if (alt) return "subtract";
  return shift ? "add" : chosen;
}

/** The brush's outline at the pointer; `subtract`: without Alt. */
export const circleOf = (cursor: Cursor | null, radius: number, subtract: boolean): Partial<Sketch> =>
  cursor ? { brush: { at: cursor.screen, radius, subtract: cursor.alt !== subtract } } : {};

export const definition: ToolDefinition = {
  label: mark("Brush"),
  sentence: mark("Brush: new cell; Shift adds, Alt subtracts"),
  keys: ["b"],
  icon: "M14 4l6 6-8 7-5-5zM7 12c-3 1-2 5-4 7 3 1 7 0 8-3",
  create: (editor) => new BrushTool(editor),
};
