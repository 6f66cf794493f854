/** Clicks and a box that ask the prompter for one cell's mask. Pure; the step returns what to ask. */
import { boxBetween, insideImage, type Box } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "./input";

export type Click = { readonly at: Point<"image">; readonly inside: boolean };
export type Prompt = { readonly box: Box | null; readonly clicks: readonly Click[] };
export const MOST_CLICKS = 32;

export type SmartState = {
  /** What has been pointed at; null before the first click. */
  readonly prompt: Prompt | null;
  readonly press: {
    readonly from: Point<"image">;
    readonly to: Point<"image">;
    readonly inside: boolean;
  } | null;
};
export type Step = { readonly state: SmartState; readonly ask?: Prompt };
export const IDLE: SmartState = { prompt: null, press: null };

/** Left is inside; right or Alt is outside. A drag is a box, and begins anew. */
export function step(state: SmartState, input: Input, image: Size, slip: number): Step {
  switch (input.kind) {
    case "cancel":
      return { state: state.press ? { ...state, press: null } : IDLE };
    case "down":
      return state.press
        ? { state }
        : { state: { ...state, press: { from: input.at, to: input.at, inside: !input.alt } } };
    case "move":
      return { state: state.press ? { ...state, press: { ...state.press, to: input.at } } : state };
    case "up": {
      if (!state.press) return { state };
      const { from, inside } = state.press;
      const dragged = boxBetween(from, input.at);
      if (inside && (dragged.x1 - dragged.x0 >= slip || dragged.y1 - dragged.y0 >= slip)) {
        const box = insideImage(dragged, image);
        return box ? asked({ box, clicks: [] }) : { state: { ...state, press: null } };
      }
      const outOfImage = from.x < 0 || from.y < 0 || from.x >= image.width || from.y >= image.height;
      // The first click says which cell; what is outside of no cell says nothing.
      if (outOfImage || (!state.prompt && !inside)) return { state: { ...state, press: null } };
      const before = state.prompt ?? { box: null, clicks: [] };
      if (before.clicks.length >= MOST_CLICKS) return { state: { ...state, press: null } };
      return asked({ ...before, clicks: [...before.clicks, { at: from, inside }] });
    }
  }
}

const asked = (prompt: Prompt): Step => ({ state: { prompt, press: null }, ask: prompt });

/** Backspace: without the last click; null when nothing is left to ask. */
export function back(state: SmartState): Step {
  const { prompt } = state;
  if (!prompt) return { state };
  const clicks = prompt.clicks.slice(0, -1);
  if (!prompt.clicks.length || (!prompt.box && !clicks.some((c) => c.inside))) return { state: IDLE };
  return asked({ ...prompt, clicks });
}

/** The box being dragged. */
export function preview(state: SmartState, image: Size, slip: number): Box | null {
  if (!state.press || !state.press.inside) return null;
  const box = boxBetween(state.press.from, state.press.to);
  return box.x1 - box.x0 < slip && box.y1 - box.y0 < slip ? null : insideImage(box, image, 0);
}
