/** Keys: from the table to what they do. Off while somebody types; Tab goes through cells only from the canvas. */
import { refusal } from "../acts/refusals";
import { snap } from "../acts/smart";
import type { LabelClass } from "../scene/contract";
import type { Stage } from "../render/stage";
import type { Workspace } from "../workspace";
import { t } from "../locale/locale";
import { FINISH_DRAG, type Hands } from "./canvas";
import { panBy, screenPoint, zoomAt } from "../geometry/frames";
import { isTyping, type Command, type Keymap, type Scope } from "./keymap";

/** Commands that may come in the middle of a drag: all others would end it, and what is drawn would be lost. */
const DURING_A_DRAG: ReadonlySet<Command> = new Set<Command>([
  "cancel",
  "view.peek",
  "view.pan",
  "view.boxes",
  "view.larger",
  "view.smaller",
  "view.fit",
  "edit.larger",
  "edit.smaller",
  "save.now",
]);

/** Verdicts: a held key must not judge a row of cells that nobody has looked at. */
export type Act = () => void;

export class Keys {
  sheetOpen = false;
  paletteOpen = false;
  remapOpen = false;
  /** Draws what lies above the picture at once: who types on after Ctrl+K means the palette, not the tools below it. */
  onOver: () => void = () => undefined;

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
    return [
      "canvas",
      "review",
      ...(desk.many.length && !desk.editing ? (["many"] as const) : []),
      ...(this.hands.busy ? (["draw"] as const) : []),
      ...(desk.editing ? (["edit"] as const) : []),
    ];
  }

  private down(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.isComposing || isTyping(e.target)) return;
    const onButton = e.target instanceof HTMLElement && e.target.closest("button, a, summary") !== null;
    if (onButton && (e.key === " " || e.key === "Enter" || e.key === "Tab")) return; // these belong to the control
    if (e.key === "Tab" && e.target !== this.stage.surface) return;
    this.shift = e.shiftKey;
    const arrow = e.key.startsWith("Arrow") && e.shiftKey;
    const pressed = arrow
      ? { key: e.key, shiftKey: false, ctrlKey: e.ctrlKey, metaKey: e.metaKey, altKey: e.altKey }
      : e;
    const chosen = this.classOfKey(e);
    const command = this.map.commandOf(pressed, this.scopes) ?? (chosen === null ? null : "class");
    if (!e.repeat) this.desk.recorder.record("key", command ?? "other", e.timeStamp);
    if (command === null) return;
    // Leaving the canvas by keyboard stays possible: when no proposal is open, Tab is the browser's.
    if ((command === "review.next" || command === "review.previous") && !this.desk.counts().undecided) return;
    e.preventDefault();
    if (e.repeat && (command === "class" || !this.map.repeats(command))) return;
    if (command !== "class") this.run(command);
    else if (chosen) this.desk.chooseClass(chosen);
    else this.desk.toast(t("This project has no class with the key {key}.", { key: e.key }));
    this.stage.invalidate();
  }

  private shift = false;

  /** With Shift ten times as far. Where nothing of mine is selected the view moves, so that no mouse is needed to look around. */
  private arrow(dx: number, dy: number): void {
    const far = this.shift ? 10 : 1;
    if (this.desk.together.nudge(dx * far, dy * far)) return;
    const { camera, opened, canvas } = this.desk;
    const step = this.shift ? 240 : 60;
    this.desk.look(panBy(camera, -dx * step, -dy * step, opened.image, canvas));
  }

  private zoom(factor: number): void {
    const { desk } = this;
    if (desk.tool === "brush") return desk.resizeBrush(factor > 1 ? 1.25 : 0.8);
    const middle = screenPoint(desk.canvas.width / 2, desk.canvas.height / 2);
    desk.look(zoomAt(desk.camera, middle, factor, desk.opened.image, desk.canvas));
  }

  private up(e: KeyboardEvent): void {
    const command = this.map.commandOf(
      { key: e.key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false },
      ["canvas"],
    );
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
  /** null: the key is no class key; undefined: it is one, and no class has it. */
  private classOfKey(e: KeyboardEvent): LabelClass | null | undefined {
    if (e.ctrlKey || e.metaKey || e.altKey || !/^[1-9]$/.test(e.key)) return null;
    return this.desk.opened.project.classes.find((c) => String(c.key) === e.key);
  }

  readonly run = (command: Command): void => {
    const { desk } = this;
    const why = this.hands.isDragging && !DURING_A_DRAG.has(command) ? FINISH_DRAG() : refusal(desk, command);
    if (why !== null) {
      desk.toast(why);
      return;
    }
    const { previous, next } = desk.opened.image;
    const acts: Record<Command, Act> = {
      "tool.select": () => this.tool("select"),
      "tool.box": () => this.tool("box"),
      "tool.smart": () => this.tool("smart"),
      "tool.polygon": () => this.tool("polygon"),
      "tool.brush": () => this.tool("brush"),
      "tool.wand": () => this.tool("wand"),
      "tool.stamp": () => this.tool("stamp"),
      "tool.extremes": () => this.tool("extremes"),
      "tool.lasso": () => this.tool("lasso"),
      "tool.split": () => this.tool("split"),
      "tool.measure": () => this.tool("measure"),
      "tool.region": () => this.tool("region"),
      "tool.ignore": () => this.tool("ignore"),
      "cell.copy": () => desk.copySize(),
      "cell.snap": () => void snap(desk),
      "attribute.1": () => desk.attributes.cycle(0),
      "attribute.2": () => desk.attributes.cycle(1),
      "attribute.3": () => desk.attributes.cycle(2),
      "attribute.4": () => desk.attributes.cycle(3),
      "move.left": () => this.arrow(-1, 0),
      "move.right": () => this.arrow(1, 0),
      "move.up": () => this.arrow(0, -1),
      "move.down": () => this.arrow(0, 1),
      "many.accept": () => desk.together.accept(),
      "many.merge": () => desk.together.merge(),
      "many.nest": () => desk.attributes.nest(),
      "draw.keep": () => this.hands.keep(),
      "draw.back": () =>
        this.hands.back() || desk.toast(t("There is no last point to take back. Esc drops it.")),
      "review.viewed": () => desk.together.acceptInView(),
      "edit.constrain": () => desk.constrain.toggle(),
      "view.larger": () => this.zoom(1.25),
      "view.smaller": () => this.zoom(0.8),
      "help.palette": () => this.open("palette"),
      "help.remap": () => this.open("remap"),
      "cell.delete": () => desk.remove(),
      "cell.cannot_tell": () => desk.cannotTell(),
      "cell.edit": () => desk.edit(),
      // What is begun and not yet an act loses its last point first.
      "history.undo": () => (this.hands.busy && this.hands.back()) || desk.undo(),
      "history.redo": () => desk.redo(),
      "save.now": () => {
        if (desk.queue.count || desk.save.kind !== "saved") void desk.queue.flush();
        else desk.toast(t("Everything is saved."));
      },
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
      "help.keys": () => this.open("sheet"),
      cancel: () => {
        if (this.sheetOpen || this.paletteOpen || this.remapOpen) this.close();
        else if (this.hands.cancel()) return;
        else if (desk.editing) desk.cancelEdit();
        else if (desk.many.length) desk.selectMany([]);
        else desk.select(-1);
        desk.notify();
      },
    };
    acts[command]();
    this.stage.invalidate();
  };

  /** One thing above the picture at a time; the same command closes it. */
  private open(what: "sheet" | "palette" | "remap"): void {
    const was = { sheet: this.sheetOpen, palette: this.paletteOpen, remap: this.remapOpen }[what];
    this.close();
    if (!was) {
      this.sheetOpen = what === "sheet";
      this.paletteOpen = what === "palette";
      this.remapOpen = what === "remap";
    }
    this.desk.notify();
    this.onOver();
  }
  close(): void {
    this.sheetOpen = this.paletteOpen = this.remapOpen = false;
    this.desk.notify();
  }

  private tool(name: Parameters<Workspace["setTool"]>[0]): void {
    const isOnlyLooking = this.desk.tool === "measure";
    const isDropped = this.hands.cancel() && !isOnlyLooking;
    if (isDropped) this.desk.toast(t("What you had begun with the other tool was dropped."));
    this.desk.setTool(name);
  }
}
