/** Drag to draw a box (cells and regions alike). Pure: no DOM, no store, no clock.
 *  A press without a drag is a click: it selects, so that a slip of the hand draws no speck. */
import { boxBetween, insideImage, type Box } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "../editor/input";
import { mark, t } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import { REGION_COLOUR } from "../render/palette";
import type { Sketch } from "../render/overlay";
import { nextBelow } from "./select";
import type { Press, Sizes, Tool, ToolDefinition } from "../editor/tool";
import { colourOf, rowsAt } from "./picking";

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

export type RegionKind = "exhaustive" | "ignore";

/** Draws boxes of cells, or regions of one kind. */
export class BoxTool implements Tool {
  private state = IDLE;

  constructor(
    private readonly editor: Features,
    private readonly region: RegionKind | null = null,
  ) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.state = IDLE;
  }
  input(input: Press, sizes: Sizes): void {
    const { editor } = this;
    const result = step(this.state, input, editor.store.opened.image, sizes.slip);
    this.state = result.state;
    // With Shift a region is one to ignore.
    const region = result.shift && this.region === "exhaustive" ? "ignore" : this.region;
    if (result.commit) editor.drawing.draw(result.commit, region);
    if (result.outside) editor.store.toasts.show(t("Nothing of this lies inside the image."));
    if (result.click)
      editor.selection.select(nextBelow(rowsAt(editor, result.click, sizes), editor.store.selected));
  }
  sketch(): Partial<Sketch> {
    const box = preview(this.state, this.editor.store.opened.image);
    if (!box) return {};
    const isRegion = this.region !== null;
    return { box: { box, colour: isRegion ? REGION_COLOUR : colourOf(this.editor), region: isRegion } };
  }
}

export const definition: ToolDefinition = {
  label: mark("Box"),
  sentence: mark("Draw boxes"),
  keys: ["r"],
  icon: "M5 6h14a1 1 0 011 1v10a1 1 0 01-1 1H5a1 1 0 01-1-1V7a1 1 0 011-1z",
  create: (editor) => new BoxTool(editor),
};
