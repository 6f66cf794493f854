/** Which key means which command; people may choose other keys. */
import { mark, t } from "../locale/locale";
import { COMMAND_NAMES, COMMANDS, type Command } from ".";
import type { Scope } from "./command";

export type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey"> & {
  /** Which key it is, whatever is written on it. */
  readonly code?: string;
};

const entries = COMMAND_NAMES.map((name) => [name, COMMANDS[name]] as const);
const NARROW: readonly Scope[] = ["edit", "draw", "many", "review", "canvas"];

/** "Mod+Shift+z": modifiers in the order Mod, Alt, Shift. Shift is left out for signs that need it ("?"). */
export function chordOf(event: Pressed): string {
  const key = nameOf(event);
  const isSign = key.length === 1 && key.toUpperCase() === key;
  const isAltGr = isSign && event.ctrlKey && event.altKey; // how "[" is typed on many keyboards
  const modifiers = [
    !isAltGr && (event.ctrlKey || event.metaKey) ? "Mod" : "",
    !isAltGr && event.altKey ? "Alt" : "",
    event.shiftKey && !isSign ? "Shift" : "",
  ];
  return [...modifiers.filter((name) => name !== ""), key].join("+");
}

/** What stands on the keys of a Latin keyboard where other scripts have letters. */
const SIGNS: Readonly<Record<string, string>> = {
  BracketLeft: "[",
  BracketRight: "]",
  Comma: ",",
  Minus: "-",
  Equal: "=",
};
const LAST_LATIN = "\u024f";

/** On a keyboard of another script a letter means the key at that place, so that every layout has every command. */
function nameOf({ key, code = "" }: Pressed): string {
  if (key === " ") return "Space";
  if (key.length !== 1) return key;
  if (key <= LAST_LATIN) return key.toLowerCase();
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  return (letter ?? SIGNS[code] ?? key).toLowerCase();
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
    // Alt also means "subtract", so it does not turn keys off.
    const bare = event.altKey ? chord.replace("Alt+", "") : chord;
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
    return COMMANDS[command].repeats === true;
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
      rows.push({ label: t(entry.sentence), keys: keysWords(this.keysOf(command)) });
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
