/** The outline that a third person makes where readings differ: it begins as what one reader has drawn, and a brush
 *  adds and subtracts. No DOM: the page feeds it points and reads its pixels. */
import type { Point, Size } from "../geometry/frames";
import { boxOf, fromBase64, pack, patchOver, toBase64, unpack, type Patch } from "../geometry/mask";
import type { Schemas } from "../scene/contract";
import { IDLE, step, type BrushState } from "../tools/brush";
import type { SideCell } from "./sides";

const LEAST_RADIUS = 0.5;
const MOST_RADIUS = 50;
const LARGER = 1.25;

export type EditAct = "keep" | "leave" | "swap" | "back" | "larger" | "smaller";
/** As in the workspace while a mask is edited (commands/drawing.ts). */
const EDIT_KEYS: Readonly<Record<string, EditAct>> = {
  enter: "keep",
  escape: "leave",
  s: "swap",
  "+": "larger",
  "=": "larger",
  "-": "smaller",
};
type Keys = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">;

/** What a key does while an outline is edited; undefined: nothing. */
export function editActOf({ key, ctrlKey, metaKey, altKey }: Keys): EditAct | undefined {
  if (ctrlKey || metaKey) return key.toLowerCase() === "z" ? "back" : undefined;
  return altKey ? undefined : EDIT_KEYS[key.toLowerCase()];
}

/** A part of a stroke. `alt`: it subtracts where the brush adds, and adds where the brush subtracts. */
export type Touch = {
  readonly kind: "down" | "move" | "up";
  readonly at: Point<"image">;
  readonly alt: boolean;
};

export class OutlineEdit {
  patch: Patch;
  labelClass: number | null;
  radius: number;
  isSubtracting = false;
  private state: BrushState = IDLE;
  private readonly undo: Patch[] = [];

  constructor(
    cell: SideCell,
    private readonly image: Size,
  ) {
    const [x0, y0, x1, y1] = cell.box;
    const box = { x0, y0, x1, y1 };
    this.patch = cell.mask
      ? unpack({ ...cell.mask, bits: fromBase64(cell.mask.bits) })
      : filled(patchOver(box, image));
    this.labelClass = cell.label_class;
    this.radius = Math.max(1, Math.min(x1 - x0, y1 - y0) / 4); // a wider one would paint a small cell in one touch
  }

  touch({ kind, at, alt }: Touch): void {
    const before = { ...this.patch, pixels: this.patch.pixels.slice() };
    const brush = { radius: this.radius, subtract: this.isSubtracting, image: this.image };
    const result = step(this.state, { kind, at, alt, shift: false }, this.patch, brush);
    if (result.stroke === "begun") this.undo.push(before);
    this.state = result.state;
    this.patch = result.patch;
  }
  /** The pointer was lost: what was painted stays. */
  release(): void {
    this.state = IDLE;
  }

  change(act: "swap" | "back" | "larger" | "smaller"): void {
    if (act === "swap") this.isSubtracting = !this.isSubtracting;
    else if (act === "back") this.patch = this.undo.pop() ?? this.patch;
    else this.resize(act === "larger" ? LARGER : 1 / LARGER);
  }
  private resize(factor: number): void {
    this.radius = Math.min(MOST_RADIUS, Math.max(LEAST_RADIUS, this.radius * factor));
  }

  /** The cell as it stands now; null: nothing of it is left. */
  cell(): Schemas["StateIn"] | null {
    const mask = pack(this.patch);
    if (!mask) return null;
    const { x0, y0, x1, y1 } = boxOf(mask);
    return {
      kind: "cell",
      status: "confirmed",
      box: [x0, y0, x1, y1],
      label_class: this.labelClass,
      mask: { ...mask, bits: toBase64(mask.bits) },
    };
  }
}

function filled(patch: Patch): Patch {
  patch.pixels.fill(1);
  return patch;
}
