/** Keys: from the table to what they do. Off while somebody types; Tab goes through cells only from the canvas. */
import type { LabelClass } from "../scene/contract";
import type { Stage } from "../render/stage";
import type { Workspace } from "../workspace";
import type { Hands } from "./canvas";
import { isTyping, type Command, type Keymap, type Scope } from "./keymap";

/** Verdicts: a held key must not judge a row of cells that nobody has looked at. */
export type Act = () => void;

export class Keys {
  sheetOpen = false;

  constructor(
    private readonly desk: Workspace,
    private readonly stage: Stage,
    private readonly hands: Hands,
    private readonly map: Keymap,
    private readonly go: (image: number) => void,
  ) {
    window.addEventListener("keydown", (e) => this.down(e));
    window.addEventListener("keyup", (e) => this.up(e));
    window.addEventListener("blur", () => this.release());
  }

  private get scopes(): Scope[] {
    const { desk } = this;
    return ["canvas", ...(desk.onProposal && !desk.editing ? (["review"] as const) : []), ...(desk.editing ? (["edit"] as const) : [])];
  }

  private down(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.isComposing || isTyping(e.target)) return;
    const onButton = e.target instanceof HTMLElement && e.target.closest("button, a, summary") !== null;
    if (onButton && (e.key === " " || e.key === "Enter" || e.key === "Tab")) return; // these belong to the control
    if (e.key === "Tab" && e.target !== this.stage.surface) return;
    const chosen = this.classOfKey(e);
    const command = this.map.commandOf(e, this.scopes) ?? (chosen ? "class" : null);
    if (!e.repeat) this.desk.recorder.record("key", command ?? "other", e.timeStamp);
    if (command === null) return;
    // Leaving the canvas by keyboard stays possible: when no proposal is open, Tab is the browser's.
    if ((command === "review.next" || command === "review.previous") && !this.desk.counts().undecided) return;
    e.preventDefault();
    if (e.repeat && (command === "class" || !this.map.repeats(command))) return;
    if (command !== "class") this.run(command);
    else if (chosen) this.desk.chooseClass(chosen);
    this.stage.invalidate();
  }

  private up(e: KeyboardEvent): void {
    const command = this.map.commandOf({ key: e.key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false }, ["canvas"]);
    if (command === "view.peek") this.stage.peeking = false;
    if (command === "view.pan") this.pan(false);
    if (command === "view.peek" || command === "view.pan" || e.key === "Alt") this.stage.invalidate();
  }

  private release(): void {
    this.stage.peeking = false;
    this.pan(false);
    this.stage.invalidate();
  }

  private pan(held: boolean): void {
    this.hands.panHeld = held;
    this.stage.surface.classList.toggle("can-pan", held);
  }

  /** 1-9 are the classes' own keys, set by the project and shown on their chips. */
  private classOfKey(e: KeyboardEvent): LabelClass | undefined {
    if (e.ctrlKey || e.metaKey || e.altKey || !/^[1-9]$/.test(e.key)) return undefined;
    return this.desk.opened.project.classes.find((c) => String(c.key) === e.key);
  }

  readonly run = (command: Command): void => {
    const { desk } = this;
    const { previous, next } = desk.opened.image;
    const acts: Record<Command, Act> = {
      "tool.select": () => this.tool("select"),
      "tool.box": () => this.tool("box"),
      "tool.region": () => this.tool("region"),
      "tool.ignore": () => this.tool("ignore"),
      "cell.delete": () => desk.remove(),
      "cell.cannot_tell": () => desk.cannotTell(),
      "cell.edit": () => desk.edit(),
      "history.undo": () => desk.undo(),
      "history.redo": () => desk.redo(),
      "save.now": () => void desk.queue.flush(),
      "review.accept": () => desk.accept(),
      "review.reject": () => desk.reject(),
      "review.next": () => desk.next(1),
      "review.previous": () => desk.next(-1),
      "edit.commit": () => desk.commitEdit(),
      "edit.swap": () => {
        if (desk.editing) desk.editing.subtract = !desk.editing.subtract;
        desk.notify();
      },
      "edit.larger": () => desk.resizeBrush(1.25),
      "edit.smaller": () => desk.resizeBrush(0.8),
      "view.peek": () => (this.stage.peeking = true),
      "view.pan": () => this.pan(true),
      "view.boxes": () => {
        desk.showBoxes = !desk.showBoxes;
        desk.notify();
      },
      "view.fit": () => desk.fitImage(),
      "image.next": () => next !== null && this.go(next),
      "image.previous": () => previous !== null && this.go(previous),
      "help.keys": () => {
        this.sheetOpen = !this.sheetOpen;
        desk.notify();
      },
      cancel: () => {
        if (this.sheetOpen) this.sheetOpen = false;
        else if (this.hands.cancel()) return;
        else if (desk.editing) desk.cancelEdit();
        else desk.select(-1);
        desk.notify();
      },
    };
    acts[command]();
    this.stage.invalidate();
  };

  private tool(name: Parameters<Workspace["setTool"]>[0]): void {
    this.hands.cancel();
    this.desk.setTool(name);
  }
}
