/** The brush of a mask that is being edited (editor/mask_edit.ts). Strokes paint its pixels, or fix them for a
 *  refusion.
 *  While a mask is edited this is the current tool, whichever one is chosen. */
import type { EditedMask } from "../editor/edited_mask";
import type { Features } from "../editor/interfaces";
import { patchOver, type Patch } from "../geometry/mask";
import type { Sketch } from "../render/overlay";
import { circleOf, IDLE, step } from "./brush";
import type { Cursor, Press, Tool } from "../editor/tool";
import { colourOfRow } from "./picking";

export class MaskBrush implements Tool {
  readonly hasBrushSize = true;
  readonly followsPointer = true;
  private state = IDLE;
  /** The stroke that fixes pixels, while it is drawn. */
  private fixing: { readonly patch: Patch; readonly foreground: boolean } | null = null;

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  /** A stroke that paints stays as far as it went; one that fixes pixels is dropped. */
  cancel(): void {
    this.state = IDLE;
    if (!this.fixing) return;
    this.fixing = null;
    this.editor.maskEdit.refusion.dropGrowing();
  }
  input(input: Press): void {
    const { editing } = this.editor.store;
    if (!editing) return;
    if (editing.constraint) this.fix(input, editing);
    else this.paint(input, editing);
  }

  private paint(input: Press, editing: EditedMask): void {
    const isFirst = input.kind === "down" && this.state.kind === "idle";
    const before = isFirst ? { ...editing.patch, pixels: editing.patch.pixels.slice() } : null;
    const { subtract } = editing;
    const radius = this.editor.store.brushRadius;
    const image = this.editor.store.opened.image;
    const result = step(this.state, input, editing.patch, { radius, subtract, image });
    this.state = result.state;
    this.editor.maskEdit.paint(result.patch, result.stroke === "begun" ? before : null);
  }

  /** A stroke of its own, in the order of painting; the interactive worker computes what it does to the mask. */
  private fix(input: Press, { subtract }: EditedMask): void {
    const { image } = this.editor.store.opened;
    if (input.kind === "down" && !this.fixing) {
      const { x, y } = input.at;
      const patch = patchOver({ x0: x, y0: y, x1: x, y1: y }, image);
      this.fixing = { patch, foreground: input.alt === subtract };
    }
    if (!this.fixing) return;
    const plain = { ...input, alt: false };
    const result = step(this.state, plain, this.fixing.patch, {
      radius: this.editor.store.brushRadius,
      subtract: false,
      image,
    });
    this.state = result.state;
    this.fixing = { ...this.fixing, patch: result.patch };
    const isDone = result.stroke === "done";
    if (result.stroke !== "none")
      this.editor.maskEdit.refusion.paint(result.patch, this.fixing.foreground, isDone);
    if (isDone) this.fixing = null;
  }

  sketch(cursor: Cursor | null): Partial<Sketch> {
    const { editing } = this.editor.store;
    if (!editing) return {};
    const { row, patch, subtract, constraint } = editing;
    const radius = this.editor.store.brushRadius;
    const growing = constraint?.growing;
    return {
      ...circleOf(cursor, radius, subtract),
      ...(constraint ? { strokes: growing ? [...constraint.strokes, growing] : constraint.strokes } : {}),
      patch: { patch, colour: colourOfRow(this.editor, row) },
    };
  }
}
