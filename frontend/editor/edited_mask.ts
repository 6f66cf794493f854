/** The mask that is being edited. It changes in place, since a stroke has hundreds of moves. The store, the feature
 *  that edits (mask_edit.ts), the strokes that fix pixels (refusion.ts) and the brush all read it. */
import type { Mask, Patch } from "../geometry/mask";
import type { Certificate } from "../scene/contract";
import { observed } from "../scene/observed";

export type Painted = { readonly patch: Patch; readonly foreground: boolean };
/** `start`: the mask that the strokes change; `strokes` in the order of painting. */
export type Constraint = {
  readonly start: Mask | null;
  readonly strokes: readonly Painted[];
  readonly growing: Painted | null;
  readonly certificate: Certificate | null;
  readonly waiting: boolean;
  readonly trouble: string;
};

const NO_PATCH: Patch = { x: 0, y: 0, width: 0, height: 0, pixels: new Uint8Array(0) };
const INITIAL = (): Observable => ({ patch: NO_PATCH, subtract: false, constraint: null });

type Observable = {
  patch: Patch;
  subtract: boolean;
  /** Strokes fix pixels and the rest is fused again; null: they paint. */
  constraint: Constraint | null;
};

/** The mask of a proposal (committed as "edit") or of an own cell ("reshape"). */
export class EditedMask extends observed(INITIAL) {
  /** What Ctrl+Z brings back, the last stroke last. */
  readonly undo: { readonly patch: Patch; readonly constraint: Constraint | null }[] = [];
  /** A constraint stroke was made: the operation records it. */
  painted = false;

  constructor(
    readonly row: number,
    patch: Patch,
  ) {
    super();
    this.patch = patch;
  }
}
