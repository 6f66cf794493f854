/** An outline by clicks, by dragging (freehand), or both. Pure: no DOM, no store, no clock.
 *
 *  A drag that begins the outline closes it when it is let go. A click on the first corner, or on the last one again
 *  (a double click), closes it. How a self-crossing outline is filled stands in geometry/polygon.ts. */
import type { Point } from "../geometry/frames";
import type { Input } from "../editor/input";
import { mark, t } from "../locale/locale";
import type { Features } from "../editor/interfaces";
import { pack } from "../geometry/mask";
import { fill } from "../geometry/polygon";
import type { Sketch } from "../render/overlay";
import type { Cursor, Press, Sizes, Tool, ToolDefinition } from "../editor/tool";
import { colourOf } from "./picking";

export const MOST_VERTICES = 5000;

export type PolygonState =
  | { readonly kind: "idle" }
  | {
      readonly kind: "drawing";
      readonly vertices: readonly Point<"image">[];
      readonly pressed: boolean;
      /** This press has been dragged; `first`: it is the press that began the outline. */
      readonly dragged: boolean;
      readonly first: boolean;
    };
export type Step = {
  readonly state: PolygonState;
  readonly commit?: readonly Point<"image">[];
  readonly full?: true;
  /** It was closed with fewer than three corners, so there is nothing inside. */
  readonly dropped?: true;
};
export const IDLE: PolygonState = { kind: "idle" };

const near = (a: Point<"image">, b: Point<"image">, reach: number) =>
  Math.hypot(a.x - b.x, a.y - b.y) <= reach;

/** `reach`: how near a click must be to a corner to mean it; `spacing`: distance of freehand corners; image pixels. */
export function step(state: PolygonState, input: Input, reach: number, spacing: number): Step {
  if (input.kind === "cancel") return cancel(state);
  if (state.kind === "drawing") return draw(state, input, reach, spacing);
  if (input.kind !== "down") return { state };
  return { state: { kind: "drawing", vertices: [input.at], pressed: true, dragged: false, first: true } };
}

/** A second finger in mid-outline zooms; what was drawn before this press stays. */
function cancel(state: PolygonState): Step {
  const isLaterPress = state.kind === "drawing" && state.pressed && !state.first;
  return { state: isLaterPress ? { ...state, pressed: false, dragged: false } : IDLE };
}

function draw(state: Drawing, input: Press, reach: number, spacing: number): Step {
  const { vertices } = state;
  const last = vertices[vertices.length - 1];
  switch (input.kind) {
    case "down": {
      if (state.pressed) return { state }; // a second finger
      if (near(input.at, vertices[0], reach) || near(input.at, last, reach)) return close(vertices);
      return add({ ...state, pressed: true, dragged: false, first: false }, input.at);
    }
    case "move":
      if (!state.pressed || near(input.at, last, spacing)) return { state };
      return add({ ...state, dragged: true }, input.at);
    case "up":
      if (state.dragged && state.first) return close(vertices);
      return { state: { ...state, pressed: false, dragged: false, first: false } };
  }
}

type Drawing = Extract<PolygonState, { kind: "drawing" }>;

function add(state: Drawing, at: Point<"image">): Step {
  if (state.vertices.length >= MOST_VERTICES) return { state, full: true };
  return { state: { ...state, vertices: [...state.vertices, at] } };
}

/** With fewer than three corners there is nothing inside: the outline is dropped. */
function close(vertices: readonly Point<"image">[]): Step {
  return vertices.length >= 3 ? { state: IDLE, commit: vertices } : { state: IDLE, dropped: true };
}

/** Enter: close it as it stands. */
export const finish = (state: PolygonState): Step =>
  state.kind === "drawing" ? close(state.vertices) : { state };

/** Backspace: the last corner goes. */
export function back(state: PolygonState): PolygonState {
  if (state.kind === "idle") return state;
  return state.vertices.length > 1 ? { ...state, vertices: state.vertices.slice(0, -1) } : IDLE;
}

/** Outlines with more corners are drawn without a mark at each. */
const MOST_MARKED = 400;

class Polygon implements Tool {
  readonly followsPointer = true;
  private state = IDLE;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.apply(step(this.state, { kind: "cancel" }, 0, 0));
  }
  input(input: Press, { reach, spacing }: Sizes): void {
    if (input.kind === "down" && this.state.kind === "idle") this.editor.store.begin();
    this.apply(step(this.state, input, reach, spacing));
  }
  complete(): void {
    if (this.state.kind === "drawing" && this.state.vertices.length < 3)
      this.editor.store.toasts.show(t("An outline needs three corners at least."));
    else this.apply(finish(this.state));
  }
  back(): void {
    this.state = back(this.state);
  }
  private apply(result: Step): void {
    this.state = result.state;
    if (result.full)
      this.editor.store.toasts.show(
        t("An outline has at most {n} corners. Enter closes this one.", { n: MOST_VERTICES }),
      );
    if (result.dropped) this.editor.store.toasts.show(t("An outline needs three corners at least."));
    if (!result.commit) return;
    const mask = pack(fill(result.commit, this.editor.store.opened.image));
    if (mask) this.editor.drawing.drawMask(mask, "polygon");
    else this.editor.store.toasts.show(t("Nothing of this lies inside the image."));
  }
  sketch(cursor: Cursor | null): Partial<Sketch> {
    if (this.state.kind === "idle") return {};
    const { vertices, pressed } = this.state;
    const points = cursor && !pressed ? [...vertices, cursor.image] : vertices;
    const corners = vertices.length < MOST_MARKED;
    return { path: { points, corners, closed: points.length > 2, colour: colourOf(this.editor) } };
  }
}

export const definition: ToolDefinition = {
  label: mark("Polygon"),
  sentence: mark("Polygon, by clicks or freehand"),
  keys: ["p"],
  icon: "M5 8l7-4 7 6-3 9H7z",
  hint: mark("Click corners or draw freehand. Double click, the first corner or Enter closes."),
  create: (editor) => new Polygon(editor),
};
