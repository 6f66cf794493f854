/** Keys: from a key to its command. Off while somebody types; Tab goes through cells only from the canvas. */
import { FINISH_DRAG } from "../canvas/pointer_input";
import { t } from "../locale/locale";
import type { LabelClass } from "../scene/contract";
import { COMMANDS, type Command } from ".";
import type { Context, Scope } from "./command";
import type { Keymap, Pressed } from "./keymap";
import { isTyping } from "./typing";

export class Keys {
  private shift = false;

  constructor(
    private readonly context: Omit<Context, "shift">,
    private readonly map: Keymap,
  ) {
    window.addEventListener("keydown", (e) => this.down(e));
    window.addEventListener("keyup", (e) => this.up(e));
    window.addEventListener("blur", () => this.release());
  }

  readonly run = (command: Command): void => {
    const { editor, pointer, viewport } = this.context;
    const { duringDrag, whyNot, run } = COMMANDS[command];
    const isEndOfDrag = pointer.isDragging && !duringDrag;
    const why = isEndOfDrag ? FINISH_DRAG() : (whyNot?.(editor.store) ?? null);
    if (why !== null) {
      editor.store.toasts.show(why);
      return;
    }
    run({ ...this.context, shift: this.shift });
    viewport.invalidate();
  };

  private get scopes(): Scope[] {
    const { editor, pointer } = this.context;
    const { editing, multiSelected } = editor.store;
    const scopes: Scope[] = ["canvas", "review"];
    if (multiSelected.length && !editing) scopes.push("many");
    if (pointer.busy) scopes.push("draw");
    if (editing) scopes.push("edit");
    return scopes;
  }

  private down(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.isComposing || this.belongsElsewhere(e)) return;
    this.shift = e.shiftKey;
    const command = this.map.commandOf(pressed(e), this.scopes);
    const digit = command === null ? classDigit(e) : null;
    if (!e.repeat) this.record(digit ? "class" : (command ?? "other"), e);
    if (digit) this.chooseClass(e, digit);
    else if (command !== null && !this.isBrowsers(command)) this.press(command, e);
  }
  private record(name: string, e: KeyboardEvent): void {
    this.context.editor.store.recorder.record("key", name, e.timeStamp);
  }
  private press(command: Command, e: KeyboardEvent): void {
    e.preventDefault();
    if (!e.repeat || this.map.repeats(command)) this.run(command);
  }

  /** Keys of a field, and the keys that press or leave a control. */
  private belongsElsewhere(e: KeyboardEvent): boolean {
    if (isTyping(e.target)) return true;
    const onButton = e.target instanceof HTMLElement && e.target.closest("button, a, summary") !== null;
    if (onButton && (e.key === " " || e.key === "Enter" || e.key === "Tab")) return true;
    return e.key === "Tab" && e.target !== this.context.viewport.surface;
  }
  /** Leaving the canvas by keyboard stays possible: when no proposal is open, Tab is the browser's. */
  private isBrowsers(command: Command): boolean {
    const isStep = command === "review.next" || command === "review.previous";
    return isStep && !this.context.editor.store.overview.counts.undecided;
  }

  /** 1-9 are the classes' own keys, set by the project and shown on their chips. */
  private chooseClass(e: KeyboardEvent, digit: string): void {
    e.preventDefault();
    if (e.repeat) return;
    const { editor } = this.context;
    const chosen: LabelClass | undefined = editor.store.offeredClasses.find((c) => String(c.key) === digit);
    if (chosen) editor.chooseClass(chosen);
    else editor.store.toasts.show(t("This project has no class with the key {key}.", { key: digit }));
    this.context.viewport.invalidate();
  }

  private up(e: KeyboardEvent): void {
    const { pointer, viewport } = this.context;
    const plain = {
      key: e.key,
      code: e.code,
      ctrlKey: false,
      metaKey: false,
      shiftKey: false,
      altKey: false,
    };
    const command = this.map.commandOf(plain, ["canvas"]);
    if (command === "view.peek") viewport.peeking = false;
    if (command === "view.pan") pointer.setPanKey(false);
    if (command === "view.peek" || command === "view.pan" || e.key === "Alt") viewport.invalidate();
  }

  private release(): void {
    const { pointer, viewport } = this.context;
    viewport.peeking = false;
    pointer.setPanKey(false);
    viewport.invalidate();
  }
}

/** Shift is no part of an arrow key's chord: it says how far. */
function pressed(e: KeyboardEvent): Pressed {
  if (!e.key.startsWith("Arrow") || !e.shiftKey) return e;
  return {
    key: e.key,
    code: e.code,
    shiftKey: false,
    ctrlKey: e.ctrlKey,
    metaKey: e.metaKey,
    altKey: e.altKey,
  };
}

/** The digit of a class's key; on keyboards that have digits only with Shift, the key on which the digit stands. */
export function classDigit(e: Pressed): string | null {
  if (e.ctrlKey || e.metaKey || e.altKey) return null;
  if (/^[1-9]$/.test(e.key)) return e.key;
  const place = /^Digit([1-9])$/.exec(e.code ?? "")?.[1];
  return place && !e.shiftKey ? place : null;
}
