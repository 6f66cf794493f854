/** The one interface of all tools. A tool is one file: its definition (what buttons, keys and help show), its pure
 *  state machine, and the class that feeds the machine and carries out in the editor what the machine decides. */
import type { Point } from "../geometry/frames";
import type { Sketch } from "../render/overlay";
import type { Input } from "./input";
import type { Features } from "./interfaces";

/** A press, a move or the end of a press. */
export type Press = Extract<Input, { at: unknown }>;

/** In image pixels: the reach of a click, the length of a slip, the spacing of freehand points. */
export type Sizes = { readonly reach: number; readonly slip: number; readonly spacing: number };

/** Where the pointer is over the picture. */
export type Cursor = {
  readonly image: Point<"image">;
  readonly screen: Point<"screen">;
  readonly alt: boolean;
};

export interface Tool {
  /** It becomes the current tool. */
  enter?(): void;
  /** Another tool becomes the current one. */
  exit?(): void;
  input(input: Press, sizes: Sizes): void;
  /** Drop what is begun: Escape, a lost pointer, a second finger, another tool. */
  cancel(): void;
  /** Something is begun that `complete` would keep or `cancel` would drop. */
  busy(): boolean;
  /** Keep what is begun: Enter. Tools that end with the drag have none. */
  complete?(): void;
  /** Take the last point back: Backspace. */
  back?(): void;
  /** Its brush has a size: the wheel with Shift and + and - change it. */
  readonly hasBrushSize?: true;
  /** It picks cells: the one under the pointer lights up, and the pointer is an arrow. */
  readonly hovers?: true;
  /** Its card offers "new cell", "add" and "subtract", for pens that have no Shift and Alt. */
  readonly hasModes?: true;
  /** Its sketch changes when the pointer moves without a button. */
  readonly followsPointer?: true;
  /** What is drawn on top of the picture now. */
  sketch(cursor: Cursor | null): Partial<Sketch>;
}

export type ToolDefinition = {
  /** On the button. */
  readonly label: string;
  /** In the list of commands and keys. */
  readonly sentence: string;
  readonly keys: readonly string[];
  /** A path in a square of 24 units. */
  readonly icon: string;
  /** On the card beside the picture. */
  readonly hint?: string;
  /** It only selects or measures: also for people who may not write. */
  readonly changesNothing?: true;
  /** The right button belongs to the tool. */
  readonly rightButton?: true;
  readonly create: (editor: Features) => Tool;
};
