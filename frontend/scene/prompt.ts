/** What a person points at to get the mask of one cell: a box, places inside and outside of it. */
import type { Box } from "../geometry/box";
import type { Point } from "../geometry/frames";

export type Click = { readonly at: Point<"image">; readonly inside: boolean };
export type Prompt = { readonly box: Box | null; readonly clicks: readonly Click[] };
