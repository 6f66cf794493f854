/** Every key of the workspace in one table: scoped, remappable, shown on the controls and in the "?" sheet. */

import { mark, t } from "../locale/locale";
import { TOOL_NAMES, TOOLS, type ToolName } from "../tools";

/** "canvas": always; "review": while a proposal or cell is selected for review; "many": while several cells are selected;
 *  "draw": while something is begun with a tool; "edit": while a mask is edited. The narrower scope wins where both
 *  know a key. */
export type Scope = "canvas" | "review" | "many" | "draw" | "edit";

type Entry = {
  readonly scope: Scope;
  readonly keys: readonly string[];
  readonly label: string;
  readonly group: string;
  readonly repeats?: true;
};

const TOOL_COMMANDS = Object.fromEntries(
  TOOL_NAMES.map((name) => {
    const { sentence, keys } = TOOLS[name];
    const entry: Entry = { scope: "canvas", keys, label: sentence, group: mark("Tools") };
    return [`tool.${name}`, entry];
  }),
) as Record<`tool.${ToolName}`, Entry>;

export const COMMANDS = {
  ...TOOL_COMMANDS,
  "cell.delete": {
    scope: "canvas",
    keys: ["Delete", "Backspace"],
    label: mark("Delete"),
    group: mark("Cells"),
  },
  "cell.cannot_tell": { scope: "canvas", keys: ["k"], label: mark("Cannot tell"), group: mark("Cells") },
  "cell.edit": { scope: "canvas", keys: ["e"], label: mark("Edit the mask"), group: mark("Cells") },
  "cell.snap": {
    scope: "canvas",
    keys: ["t"],
    label: mark("Snap the box to the edges of the cell"),
    group: mark("Cells"),
  },
  "attribute.1": {
    scope: "canvas",
    keys: ["i"],
    label: mark("Next value of the first attribute"),
    group: mark("Cells"),
  },
  "attribute.2": {
    scope: "canvas",
    keys: ["z"],
    label: mark("Next value of the second attribute"),
    group: mark("Cells"),
  },
  "attribute.3": {
    scope: "canvas",
    keys: ["y"],
    label: mark("Next value of the third attribute"),
    group: mark("Cells"),
  },
  "attribute.4": {
    scope: "canvas",
    keys: ["n"],
    label: mark("Next value of the fourth attribute"),
    group: mark("Cells"),
  },
  "cell.copy": {
    scope: "canvas",
    keys: ["Shift+d"],
    label: mark("Copy the box to the next place"),
    group: mark("Cells"),
  },
  "move.left": {
    scope: "canvas",
    keys: ["ArrowLeft"],
    label: mark("Move the cell, or the view: left"),
    group: mark("Moving"),
    repeats: true,
  },
  "move.right": {
    scope: "canvas",
    keys: ["ArrowRight"],
    label: mark("Right"),
    group: mark("Moving"),
    repeats: true,
  },
  "move.up": { scope: "canvas", keys: ["ArrowUp"], label: mark("Up"), group: mark("Moving"), repeats: true },
  "move.down": {
    scope: "canvas",
    keys: ["ArrowDown"],
    label: mark("Down"),
    group: mark("Moving"),
    repeats: true,
  },
  "many.accept": {
    scope: "many",
    keys: ["a"],
    label: mark("Accept those that were shown"),
    group: mark("Selected together"),
  },
  "many.merge": {
    scope: "many",
    keys: ["j"],
    label: mark("Merge into one cell"),
    group: mark("Selected together"),
  },
  "many.nest": {
    scope: "many",
    keys: ["Shift+n"],
    label: mark("Link nuclei to the cell around them"),
    group: mark("Selected together"),
  },
  "draw.keep": {
    scope: "draw",
    keys: ["Enter"],
    label: mark("Keep, close the outline"),
    group: mark("While drawing"),
  },
  "draw.back": {
    scope: "draw",
    keys: ["Backspace"],
    label: mark("Without the last point"),
    group: mark("While drawing"),
  },
  "history.undo": {
    scope: "canvas",
    keys: ["Mod+z"],
    label: mark("Undo"),
    group: mark("Cells"),
    repeats: true,
  },
  "history.redo": {
    scope: "canvas",
    keys: ["Mod+Shift+z", "Mod+y"],
    label: mark("Redo"),
    group: mark("Cells"),
    repeats: true,
  },
  "save.now": {
    scope: "canvas",
    keys: ["Mod+s"],
    label: mark("Send waiting changes now"),
    group: mark("Cells"),
  },
  "review.accept": {
    scope: "review",
    keys: ["a"],
    label: mark("Accept the proposal"),
    group: mark("Review"),
  },
  "review.reject": {
    scope: "review",
    keys: ["x"],
    label: mark("Reject the proposal"),
    group: mark("Review"),
  },
  "review.next": { scope: "canvas", keys: ["Tab"], label: mark("Next open proposal"), group: mark("Review") },
  "review.previous": {
    scope: "canvas",
    keys: ["Shift+Tab"],
    label: mark("Previous open proposal"),
    group: mark("Review"),
  },
  "review.viewed": {
    scope: "canvas",
    keys: ["Shift+a"],
    label: mark("Accept the rest in view, as viewed in bulk"),
    group: mark("Review"),
  },
  "edit.refusion": {
    scope: "edit",
    keys: ["f"],
    label: mark("Strokes fix pixels, the rest is fused again"),
    group: mark("Editing a mask"),
  },
  "edit.commit": {
    scope: "edit",
    keys: ["Enter"],
    label: mark("Keep the edited mask"),
    group: mark("Editing a mask"),
  },
  "edit.swap": {
    scope: "edit",
    keys: ["s"],
    label: mark("Brush adds or subtracts"),
    group: mark("Editing a mask"),
  },
  "edit.larger": {
    scope: "edit",
    keys: ["+", "="],
    label: mark("Larger brush"),
    group: mark("Editing a mask"),
    repeats: true,
  },
  "edit.smaller": {
    scope: "edit",
    keys: ["-"],
    label: mark("Smaller brush"),
    group: mark("Editing a mask"),
    repeats: true,
  },
  "view.peek": { scope: "canvas", keys: ["h"], label: mark("Hold: bare tissue"), group: mark("View") },
  "view.pan": {
    scope: "canvas",
    keys: ["Space"],
    label: mark("Hold and drag: move the picture"),
    group: mark("View"),
  },
  "view.boxes": {
    scope: "canvas",
    keys: ["Shift+b"],
    label: mark("Boxes of cells that have a mask"),
    group: mark("View"),
  },
  "view.larger": {
    scope: "canvas",
    keys: ["+", "="],
    label: mark("Zoom in, larger brush"),
    group: mark("View"),
    repeats: true,
  },
  "view.smaller": {
    scope: "canvas",
    keys: ["-"],
    label: mark("Zoom out, smaller brush"),
    group: mark("View"),
    repeats: true,
  },
  "view.fit": { scope: "canvas", keys: ["0"], label: mark("Whole image"), group: mark("View") },
  "image.next": { scope: "canvas", keys: ["]", "f"], label: mark("Next image"), group: mark("View") },
  "image.previous": { scope: "canvas", keys: ["[", "d"], label: mark("Previous image"), group: mark("View") },
  "help.palette": { scope: "canvas", keys: ["Mod+k"], label: mark("Find a command"), group: mark("View") },
  "help.remap": { scope: "canvas", keys: ["Mod+,"], label: mark("Change the keys"), group: mark("View") },
  "help.keys": { scope: "canvas", keys: ["?"], label: mark("This list"), group: mark("View") },
  cancel: { scope: "canvas", keys: ["Escape"], label: mark("Cancel, unselect"), group: mark("View") },
} as const satisfies Record<string, Entry>;

export type Command = keyof typeof COMMANDS;
export type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">;

const entries = Object.entries(COMMANDS) as [Command, Entry][];
const NARROW: readonly Scope[] = ["edit", "draw", "many", "review", "canvas"];

/** "Mod+Shift+z": modifiers in the order Mod, Alt, Shift. Shift is left out for signs that need it ("?"). */
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
        if (
          entry.scope === scope &&
          (this.keysOf(command).includes(chord) || this.keysOf(command).includes(bare))
        )
          return command;
    return null;
  }

  repeats(command: Command): boolean {
    const entry: Entry = COMMANDS[command];
    return entry.repeats === true;
  }

  /** Give a command other keys. Returns the commands of the same scope that already have one of them. */
  remap(command: Command, keys: readonly string[]): Command[] {
    const conflicting = entries
      .filter(([other, e]) => other !== command && e.scope === COMMANDS[command].scope)
      .filter(([other]) => this.keysOf(other).some((k) => keys.includes(k)))
      .map(([other]) => other);
    if (!conflicting.length) this.overrides = { ...this.overrides, [command]: keys };
    return conflicting;
  }
  /** Give a command its first keys again; these may meanwhile be somebody else's, who keeps them. */
  reset(command: Command): Command[] {
    return this.remap(command, COMMANDS[command].keys);
  }
  /** Commands of a wider scope that the keys would hide while the narrower one is on: a warning only. */
  hidden(command: Command, keys: readonly string[]): Command[] {
    const place = NARROW.indexOf(COMMANDS[command].scope);
    return entries
      .filter(([, e]) => NARROW.indexOf(e.scope) > place)
      .filter(([other]) => this.keysOf(other).some((k) => keys.includes(k)))
      .map(([other]) => other);
  }
  isChanged(command: Command): boolean {
    return (
      this.overrides[command] !== undefined && this.keysOf(command).join() !== COMMANDS[command].keys.join()
    );
  }
  kept(): Overrides {
    return this.overrides;
  }

  sheet(): { group: string; rows: { label: string; keys: string }[] }[] {
    const groups = new Map<string, { label: string; keys: string }[]>();
    for (const [command, entry] of entries) {
      const group = t(entry.group);
      const rows = groups.get(group) ?? [];
      rows.push({ label: t(entry.label), keys: keysWords(this.keysOf(command)) });
      groups.set(group, rows);
    }
    return [...groups].map(([group, rows]) => ({ group, rows }));
  }
}

const SHORT: Record<string, string> = {
  Mod: mark("Ctrl"),
  Escape: "Esc",
  Delete: mark("Del"),
  Space: mark("Space"),
  Backspace: mark("Backspace"),
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
};

/** "Mod+Shift+z" as people read it: "Ctrl+Shift+Z". */
export function keyLabel(chord: string): string {
  if (chord === "+") return chord;
  return chord
    .split("+")
    .map((part) => (SHORT[part] ? t(SHORT[part]) : null) ?? (part.length === 1 ? part.toUpperCase() : part))
    .join("+");
}

/** Every key of a command: "Del or Backspace". */
export const keysWords = (keys: readonly string[]): string => keys.map(keyLabel).join(` ${t("or")} `);

/** Keys belong to the field while somebody types. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
