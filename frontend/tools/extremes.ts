/** Four clicks on the outermost points of a cell make its box: quicker and more exact than two corners in the air.
 *  Pure. */
import { insideImage, type Box } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import { boundsOf } from "../geometry/polygon";
import type { Input } from "../editor/input";
import { mark, t } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import type { Sketch } from "../render/overlay";
import type { Cursor, Press, Tool, ToolDefinition } from "../editor/tool";
import { colourOf } from "./picking";

export type ExtremesState = { readonly points: readonly Point<"image">[]; readonly pressed: boolean };
export type Step = { readonly state: ExtremesState; readonly commit?: Box; readonly outside?: true };
export const IDLE: ExtremesState = { points: [], pressed: false };
const NEEDED = 4;

export function step(state: ExtremesState, input: Input, image: Size): Step {
  switch (input.kind) {
    case "cancel":
      return { state: IDLE };
    case "down":
      return { state: { ...state, pressed: true } };
    case "move":
      return { state };
    case "up": {
      if (!state.pressed) return { state };
      const points = [...state.points, input.at];
      if (points.length < NEEDED) return { state: { points, pressed: false } };
      const box = insideImage(boundsOf(points), image);
      return box ? { state: IDLE, commit: box } : { state: IDLE, outside: true };
    }
  }
}

export const back = (state: ExtremesState): ExtremesState => ({
  points: state.points.slice(0, -1),
  pressed: false,
});

class Extremes implements Tool {
  readonly followsPointer = true;
  private state = IDLE;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.points.length > 0;
  }
  cancel(): void {
    this.state = IDLE;
  }
  input(input: Press): void {
    if (input.kind === "down" && !this.busy()) this.editor.store.begin();
    const result = step(this.state, input, this.editor.store.opened.image);
    this.state = result.state;
    if (result.commit) this.editor.drawing.draw(result.commit, null, "extremes");
    if (result.outside) this.editor.store.toasts.show(t("Nothing of this lies inside the image."));
  }
  back(): void {
    this.state = back(this.state);
  }
  sketch(cursor: Cursor | null): Partial<Sketch> {
    const { points } = this.state;
    if (!points.length) return {};
    const box = boundsOf(cursor ? [...points, cursor.image] : points);
    return {
      marks: points.map((at) => ({ at, inside: true })),
      box: { box, colour: colourOf(this.editor), region: false },
    };
  }
}

export const definition: ToolDefinition = {
  label: mark("4 points"),
  sentence: mark("Box by four outermost points"),
  keys: ["q"],
  icon: "M12 4h.01M20 12h.01M12 20h.01M4 12h.01M7 7h10v10H7z",
  hint: mark("Click the outermost points: left, top, right, bottom, in any order."),
  create: (editor) => new Extremes(editor),
};
