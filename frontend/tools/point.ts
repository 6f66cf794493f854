/** A click is a cell: a point says where it is, and not how large. Pure. */
import { pointBox } from "../geometry/box";
import { clamp, imagePoint, type Point, type Size } from "../geometry/frames";
import type { Input } from "../editor/input";
import { mark, t } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import type { Sketch } from "../render/overlay";
import type { Press, Sizes, Tool, ToolDefinition } from "../editor/tool";
import { rowsAt } from "./picking";

export type PointState =
  { readonly kind: "idle" } | { readonly kind: "pressed"; readonly at: Point<"image"> };
export type Step = {
  readonly state: PointState;
  readonly commit?: Point<"image">;
  /** It lies outside the image, so there is no cell. */
  readonly outside?: true;
};
export const IDLE: PointState = { kind: "idle" };

/** Until the button is let go the point can be placed. */
export function step(state: PointState, input: Input, image: Size): Step {
  if (input.kind === "cancel") return { state: IDLE };
  if (state.kind === "idle")
    return { state: input.kind === "down" ? { kind: "pressed", at: input.at } : state };
  if (input.kind === "down") return { state };
  if (input.kind === "move") return { state: { kind: "pressed", at: input.at } };
  return isInside(input.at, image) ? { state: IDLE, commit: input.at } : { state: IDLE, outside: true };
}

const isInside = ({ x, y }: Point<"image">, { width, height }: Size): boolean =>
  x >= 0 && y >= 0 && x < width && y < height;

class PointTool implements Tool {
  private state = IDLE;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.state = IDLE;
  }
  input(input: Press, sizes: Sizes): void {
    const { editor } = this;
    const result = step(this.state, input, editor.store.opened.image);
    this.state = result.state;
    if (result.outside) editor.store.toasts.show(t("Nothing of this lies inside the image."));
    if (result.commit) this.place(result.commit, sizes);
  }
  /** A second click on an own point selects it: two points are never one cell. */
  private place(at: Point<"image">, sizes: Sizes): void {
    const { drawing, selection, store } = this.editor;
    const there = rowsAt(this.editor, at, sizes).find(
      (row) => store.cells.isPoint(row) && store.isMineAndLive(row),
    );
    if (there !== undefined) selection.select(there);
    else drawing.draw(pointBox(at), null, "point");
  }
  sketch(): Partial<Sketch> {
    if (this.state.kind === "idle") return {};
    const { width, height } = this.editor.store.opened.image;
    const { x, y } = this.state.at;
    return { marks: [{ at: imagePoint(clamp(x, 0, width), clamp(y, 0, height)), inside: true }] };
  }
}

export const definition: ToolDefinition = {
  label: mark("Point"),
  sentence: mark("Points: a click is a cell"),
  keys: ["o"],
  icon: "M12 12m-3 0a3 3 0 106 0a3 3 0 10-6 0M12 3v3M12 18v3M3 12h3M18 12h3",
  hint: mark(
    "Click the middle of each cell. A number key gives the class. A point says nothing of the size.",
  ),
  create: (editor) => new PointTool(editor),
};
