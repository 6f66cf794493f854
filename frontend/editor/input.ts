import type { Point } from "../geometry/frames";

export type Modifiers = { readonly shift: boolean; readonly alt: boolean };

/** What a tool is fed. "cancel" is Escape, a lost pointer, a second finger or a change of tool. */
export type Input =
  | ({ readonly kind: "down" | "move" | "up"; readonly at: Point<"image"> } & Modifiers)
  | { readonly kind: "cancel" };
