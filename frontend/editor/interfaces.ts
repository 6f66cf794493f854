/** What features and tools know of each other beside the store. editor.ts hands a feature what it needs; the feature
 *  names only these interfaces, so each one can be read, tested and replaced alone. */
import type { Box } from "../geometry/box";
import type { Camera, Size } from "../geometry/frames";
import type { Mask, Patch } from "../geometry/mask";
import type { Vertex } from "../geometry/polygon";
import type { LabelClass } from "../scene/contract";
import type { Draft } from "../scene/edits";
import type { Prompt } from "../scene/prompt";
import type { Answered } from "../sync/api";
import type { Store } from "./store";

export interface ViewPort {
  readonly camera: Camera;
  /** CSS pixels. */
  readonly canvas: Size;
  /** What is in view, image pixels. */
  visible(): Box;
  moveTo(camera: Camera): void;
  /** Bring a row into view only when it is not comfortably in view. */
  reveal(row: number): void;
  /** A tool has something else to draw on top. */
  redraw(): void;
}

export interface CellSelection {
  select(row: number, reveal?: boolean): void;
  selectSeveral(rows: readonly number[]): void;
  /** Called before another row is selected (or the same one again), so that what belongs to the old one ends. */
  onSelect(listener: (row: number) => void): void;
}

/** A cell whose mask came late, with the class that it had when it was asked for. */
export type LateCell = {
  readonly mask: Mask | null;
  readonly box: Box | null;
  readonly labelClass: LabelClass | null;
};

export interface CellDrawing {
  draw(box: Box, region: null | "exhaustive" | "ignore", tool?: string): void;
  drawMask(mask: Mask, tool: string, box?: Box): void;
  drawLate(cell: LateCell): void;
  reshape(row: number, mask: Mask, tool: string): void;
  reshapeBox(row: number, box: Box, action: "move" | "resize"): void;
}

export interface PendingAttributes {
  /** What accepting the selected proposal would give its cell. */
  readonly pending: Readonly<Record<string, string>>;
}

export interface Verdicts {
  /** The class that accepting would give the selected proposal; undefined: the proposed one. */
  readonly proposalClass: number | undefined;
  /** A verdict on the selected proposal, only when it has been seen; then on to the next. */
  decide(name: string, draftOf: () => Draft): Draft | null;
}

export interface MaskEditing {
  /** A stroke has painted; `before`: the mask before its first point. */
  paint(patch: Patch, before: Patch | null): void;
  readonly refusion: {
    /** The stroke under the pen, which fixes pixels; `done` when it is lifted. */
    paint(patch: Patch, foreground: boolean, done: boolean): void;
    /** A stroke that was not finished. */
    dropGrowing(): void;
  };
}

export interface SmartPrompting {
  /** Null: something newer was asked before this was sent. */
  ask(prompt: Prompt): Promise<Answered | null>;
  readonly asker: {
    /** What was asked is not wanted any more. */
    drop(): void;
  };
  getReady(): Promise<void>;
}

export interface Splitting {
  split(row: number, path: readonly Vertex[]): void;
}

/** What tools work on. */
export interface Features {
  readonly store: Store;
  readonly view: ViewPort;
  readonly selection: CellSelection;
  readonly drawing: CellDrawing;
  readonly multiSelect: Splitting;
  readonly maskEdit: MaskEditing;
  readonly smart: SmartPrompting;
}
