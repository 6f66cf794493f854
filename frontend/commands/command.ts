/** What a command is: one record, from which keys, palette, buttons, the list of keys and the tests are made. */
import type { PointerInput } from "../canvas/pointer_input";
import type { Editor } from "../editor/editor";
import type { Store } from "../editor/store";
import type { Viewport } from "../render/viewport";
import type { Overlays } from "./overlays";

/** When a key means the command. "canvas": always; "review": beside the canvas, for verdicts; "many": while several
 *  cells are selected; "draw": while something is begun with a tool; "edit": while a mask is edited. The narrower scope
 *  wins where both know a key. */
export type Scope = "canvas" | "review" | "many" | "draw" | "edit";

/** What a command works on. */
export type Context = {
  readonly editor: Editor;
  readonly pointer: Pick<PointerInput, "busy" | "isDragging" | "cancel" | "complete" | "back" | "setPanKey">;
  readonly viewport: Pick<Viewport, "peeking" | "invalidate" | "surface">;
  readonly overlays: Overlays;
  /** Open another image of the project. */
  readonly go: (image: number) => void;
  /** Shift is pressed: arrow keys go further. */
  readonly shift: boolean;
};

export type CommandRecord = {
  /** What it does, in the list of keys and in the palette. */
  readonly sentence: string;
  readonly group: string;
  /** "Mod+Shift+z": Mod is Ctrl, or Cmd on a Mac. */
  readonly keys: readonly string[];
  readonly scope: Scope;
  /** A key that is kept down repeats it. */
  readonly repeats?: true;
  /** It may come in the middle of a drag. Any other command would end the drag, and what is drawn would be lost. */
  readonly duringDrag?: true;
  /** It is done to what lies under the pointer: it stands in the menu of the right button. */
  readonly inMenu?: true;
  /** False: it makes no sense as a choice in a list. */
  readonly inPalette?: false;
  /** Why it has no effect now, in a sentence; null: it has one. Absent: it always has. */
  readonly whyNot?: (store: Store) => string | null;
  readonly run: (context: Context) => void;
};
