/** What tools ask of the picture: in which colour they draw, and what lies under a point. */
import type { Features } from "../editor/interfaces";
import type { Sizes } from "../editor/tool";
import type { Point } from "../geometry/frames";
import { UNCLASSIFIED_COLOUR } from "../render/palette";

/** Of what is drawn next. */
export const colourOf = (editor: Features): string => editor.store.labelClass?.color ?? UNCLASSIFIED_COLOUR;

/** Of a cell that is there. */
export const colourOfRow = (editor: Features, row: number): string =>
  editor.store.classOf(editor.store.cells.labelClass[row])?.color ?? UNCLASSIFIED_COLOUR;

/** Rows under a point, the likeliest first. */
export const rowsAt = (editor: Features, at: Point<"image">, { reach }: Sizes): number[] =>
  editor.store.cells.pick(at, reach / 2);
