/** A click puts a box of the last size around itself: for runs of like cells, and for copying one to the next
 *  place. Pure. */
import { insideImage, type Box } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "../editor/input";
import { mark, t } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import type { Sketch } from "../render/overlay";
import type { Cursor, Press, Tool, ToolDefinition } from "../editor/tool";
import { colourOf } from "./picking";

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

class Stamp implements Tool {
  readonly followsPointer = true;
  private state = IDLE;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.state = IDLE;
  }
  input(input: Press): void {
    const result = step(this.state, input, this.editor.store.lastSize, this.editor.store.opened.image);
    this.state = result.state;
    if (result.commit) this.editor.drawing.draw(result.commit, null, "stamp");
    if (result.outside) this.editor.store.toasts.show(t("Nothing of this lies inside the image."));
  }
  sketch(cursor: Cursor | null): Partial<Sketch> {
    const at = this.state.kind === "pressed" ? this.state.at : cursor?.image;
    if (!at) return {};
    return {
      box: { box: around(at, this.editor.store.lastSize), colour: colourOf(this.editor), region: false },
    };
  }
}

export const definition: ToolDefinition = {
  label: mark("Centre"),
  sentence: mark("Click the centre: a box of the last size"),
  keys: ["."],
  icon: "M5 7h14v10H5zM12 11v2M11 12h2",
  hint: mark("Click the centre of a cell: the box has the size of the last one."),
  create: (editor) => new Stamp(editor),
};
