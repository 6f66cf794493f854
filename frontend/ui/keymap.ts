/** Every key of the workspace in one table: scoped, remappable, shown on the controls and in the "?" sheet. */

/** "canvas": always; "review": while a proposal or cell is selected for review; "many": while cells are selected together;
 *  "draw": while something is begun with a tool; "edit": while a mask is edited. The narrower scope wins where both
 *  know a key. */
export type Scope = "canvas" | "review" | "many" | "draw" | "edit";

type Entry = { readonly scope: Scope; readonly keys: readonly string[]; readonly label: string; readonly group: string; readonly repeats?: true };

export const COMMANDS = {
  "tool.select": { scope: "canvas", keys: ["v"], label: "Select, move, resize", group: "Tools" },
  "tool.box": { scope: "canvas", keys: ["r"], label: "Draw boxes", group: "Tools" },
  "tool.smart": { scope: "canvas", keys: ["s"], label: "Smart click: a click or a box gives the mask", group: "Tools" },
  "tool.polygon": { scope: "canvas", keys: ["p"], label: "Polygon, by clicks or freehand", group: "Tools" },
  "tool.brush": { scope: "canvas", keys: ["b"], label: "Brush: new cell; Shift adds, Alt subtracts", group: "Tools" },
  "tool.wand": { scope: "canvas", keys: ["w"], label: "Wand: press and drag, like colours", group: "Tools" },
  "tool.stamp": { scope: "canvas", keys: ["."], label: "Click the centre: a box of the last size", group: "Tools" },
  "tool.extremes": { scope: "canvas", keys: ["q"], label: "Box by four outermost points", group: "Tools" },
  "tool.lasso": { scope: "canvas", keys: ["l"], label: "Lasso: select cells together", group: "Tools" },
  "tool.split": { scope: "canvas", keys: ["/"], label: "Split a cell along a cut", group: "Tools" },
  "tool.measure": { scope: "canvas", keys: ["m"], label: "Measure", group: "Tools" },
  "tool.region": { scope: "canvas", keys: ["g"], label: "Region where every cell is annotated", group: "Tools" },
  "tool.ignore": { scope: "canvas", keys: ["Shift+g"], label: "Region to ignore", group: "Tools" },
  "cell.delete": { scope: "canvas", keys: ["Delete", "Backspace"], label: "Delete", group: "Cells" },
  "cell.cannot_tell": { scope: "canvas", keys: ["k"], label: "Cannot tell", group: "Cells" },
  "cell.edit": { scope: "canvas", keys: ["e"], label: "Edit the mask", group: "Cells" },
  "cell.copy": { scope: "canvas", keys: ["Shift+d"], label: "Copy the box to the next place", group: "Cells" },
  "move.left": { scope: "canvas", keys: ["ArrowLeft"], label: "Move the cell, or the view: left", group: "Moving", repeats: true },
  "move.right": { scope: "canvas", keys: ["ArrowRight"], label: "Right", group: "Moving", repeats: true },
  "move.up": { scope: "canvas", keys: ["ArrowUp"], label: "Up", group: "Moving", repeats: true },
  "move.down": { scope: "canvas", keys: ["ArrowDown"], label: "Down", group: "Moving", repeats: true },
  "many.accept": { scope: "many", keys: ["a"], label: "Accept those that were shown", group: "Selected together" },
  "many.merge": { scope: "many", keys: ["j"], label: "Merge into one cell", group: "Selected together" },
  "draw.keep": { scope: "draw", keys: ["Enter"], label: "Keep, close the outline", group: "While drawing" },
  "draw.back": { scope: "draw", keys: ["Backspace"], label: "Without the last point", group: "While drawing" },
  "history.undo": { scope: "canvas", keys: ["Mod+z"], label: "Undo", group: "Cells", repeats: true },
  "history.redo": { scope: "canvas", keys: ["Mod+Shift+z", "Mod+y"], label: "Redo", group: "Cells", repeats: true },
  "save.now": { scope: "canvas", keys: ["Mod+s"], label: "Send waiting changes now", group: "Cells" },
  "review.accept": { scope: "review", keys: ["a"], label: "Accept the proposal", group: "Review" },
  "review.reject": { scope: "review", keys: ["x"], label: "Reject the proposal", group: "Review" },
  "review.next": { scope: "canvas", keys: ["Tab"], label: "Next open proposal", group: "Review" },
  "review.previous": { scope: "canvas", keys: ["Shift+Tab"], label: "Previous open proposal", group: "Review" },
  "review.viewed": { scope: "canvas", keys: ["Shift+a"], label: "Accept the rest in view, as viewed in bulk", group: "Review" },
  "edit.constrain": { scope: "edit", keys: ["f"], label: "Strokes fix pixels, the rest is fused again", group: "Editing a mask" },
  "edit.commit": { scope: "edit", keys: ["Enter"], label: "Keep the edited mask", group: "Editing a mask" },
  "edit.swap": { scope: "edit", keys: ["s"], label: "Brush adds or subtracts", group: "Editing a mask" },
  "edit.larger": { scope: "edit", keys: ["+", "="], label: "Larger brush", group: "Editing a mask", repeats: true },
  "edit.smaller": { scope: "edit", keys: ["-"], label: "Smaller brush", group: "Editing a mask", repeats: true },
  "view.peek": { scope: "canvas", keys: ["h"], label: "Hold: bare tissue", group: "View" },
  "view.pan": { scope: "canvas", keys: ["Space"], label: "Hold and drag: move the picture", group: "View" },
  "view.boxes": { scope: "canvas", keys: ["Shift+b"], label: "Boxes of cells that have a mask", group: "View" },
  "view.larger": { scope: "canvas", keys: ["+", "="], label: "Zoom in, larger brush", group: "View", repeats: true },
  "view.smaller": { scope: "canvas", keys: ["-"], label: "Zoom out, smaller brush", group: "View", repeats: true },
  "view.fit": { scope: "canvas", keys: ["0"], label: "Whole image", group: "View" },
  "image.next": { scope: "canvas", keys: ["]", "f"], label: "Next image", group: "View" },
  "image.previous": { scope: "canvas", keys: ["[", "d"], label: "Previous image", group: "View" },
  "help.palette": { scope: "canvas", keys: ["Mod+k"], label: "Find a command", group: "View" },
  "help.remap": { scope: "canvas", keys: ["Mod+,"], label: "Change the keys", group: "View" },
  "help.keys": { scope: "canvas", keys: ["?"], label: "This list", group: "View" },
  "cancel": { scope: "canvas", keys: ["Escape"], label: "Cancel, unselect", group: "View" },
} as const satisfies Record<string, Entry>;

export type Command = keyof typeof COMMANDS;
export type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">;

const entries = Object.entries(COMMANDS) as [Command, Entry][];
const NARROW: readonly Scope[] = ["edit", "draw", "many", "review", "canvas"];

/** "Mod+Shift+z": modifiers in the order Mod, Alt, Shift. Shift is not said for signs that need it ("?"). */
export function chordOf(event: Pressed): string {
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const sign = key.length === 1 && key.toUpperCase() === key;
  const shift = event.shiftKey && !sign;
  const altGr = sign && event.ctrlKey && event.altKey; // how "[" is typed on many keyboards
  return `${!altGr && (event.ctrlKey || event.metaKey) ? "Mod+" : ""}${!altGr && event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${key}`;
}

export type Overrides = Partial<Record<Command, readonly string[]>>;

export class Keymap {
  constructor(private overrides: Overrides = {}) {}

  keysOf(command: Command): readonly string[] {
    return this.overrides[command] ?? COMMANDS[command].keys;
  }

  /** The command of a key in the scopes that are on, the narrowest first; null when the key is free there. */
  commandOf(event: Pressed, scopes: readonly Scope[]): Command | null {
    const chord = chordOf(event);
    const bare = event.altKey ? chord.replace("Alt+", "") : chord; // Alt also means "subtract", so it does not turn keys off
    for (const scope of NARROW.filter((s) => scopes.includes(s)))
      for (const [command, entry] of entries)
        if (entry.scope === scope && (this.keysOf(command).includes(chord) || this.keysOf(command).includes(bare))) return command;
    return null;
  }

  repeats(command: Command): boolean {
    const entry: Entry = COMMANDS[command];
    return entry.repeats === true;
  }

  /** Give a command other keys. Returns the commands of the same scope that already have one of them. */
  remap(command: Command, keys: readonly string[]): Command[] {
    const taken = entries
      .filter(([other, e]) => other !== command && e.scope === COMMANDS[command].scope)
      .filter(([other]) => this.keysOf(other).some((k) => keys.includes(k)))
      .map(([other]) => other);
    if (!taken.length) this.overrides = { ...this.overrides, [command]: keys };
    return taken;
  }
  /** Give a command its first keys again; these may meanwhile be somebody else's, who keeps them. */
  reset(command: Command): Command[] {
    return this.remap(command, COMMANDS[command].keys);
  }
  /** Commands of a wider scope that the keys would hide while the narrower one is on: a warning, not a refusal. */
  hidden(command: Command, keys: readonly string[]): Command[] {
    const place = NARROW.indexOf(COMMANDS[command].scope);
    return entries
      .filter(([, e]) => NARROW.indexOf(e.scope) > place)
      .filter(([other]) => this.keysOf(other).some((k) => keys.includes(k)))
      .map(([other]) => other);
  }
  isChanged(command: Command): boolean {
    return this.overrides[command] !== undefined && this.keysOf(command).join() !== COMMANDS[command].keys.join();
  }
  kept(): Overrides {
    return this.overrides;
  }

  sheet(): { group: string; rows: { label: string; keys: string }[] }[] {
    const groups = new Map<string, { label: string; keys: string }[]>();
    for (const [command, entry] of entries) {
      const rows = groups.get(entry.group) ?? [];
      rows.push({ label: entry.label, keys: this.keysOf(command).map(keyLabel).join(" or ") });
      groups.set(entry.group, rows);
    }
    return [...groups].map(([group, rows]) => ({ group, rows }));
  }
}

const SHORT: Record<string, string> = { Mod: "Ctrl", Escape: "Esc", Delete: "Del", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

/** "Mod+Shift+z" as people read it: "Ctrl+Shift+Z". */
export function keyLabel(chord: string): string {
  if (chord === "+") return chord;
  return chord
    .split("+")
    .map((part) => SHORT[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join("+");
}

/** Keys belong to the field while somebody types. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
