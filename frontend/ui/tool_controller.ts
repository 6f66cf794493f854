/** The interface of every tool beyond select and box. */
import type { Point } from "../geometry/frames";
import type { Sketch } from "../render/overlay";
import type { Input } from "../tools/input";
import type { Editor } from "../editor/editor";

/** In image pixels: the reach of a click, the length of a slip, the spacing of freehand. */
export type Sizes = { readonly reach: number; readonly slip: number; readonly spacing: number };

export interface ToolController {
  feed(input: Input, sizes: Sizes): void;
  /** Something is begun that Enter could keep or Escape would drop. */
  busy(): boolean;
  sketch(cursor: Point<"image"> | null): Partial<Sketch>;
  keep?(): void;
  back?(): void;
}

/** Of what is drawn next. */
export const colourOf = (editor: Editor): string => editor.labelClass?.color ?? "#f0e442";
