/** Keys: from the table to what they do. Off while somebody types; Tab goes through cells only from the canvas. */
import { unavailable } from "../editor/availability";
import { snap } from "../editor/smart";
import type { LabelClass } from "../scene/contract";
import type { Viewport } from "../render/viewport";
import type { Editor } from "../editor/editor";
import { t } from "../locale/locale";
import { FINISH_DRAG, type PointerInput } from "../canvas/pointer_input";
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

export type Effect = () => void;

export class Keys {
  sheetOpen = false;
  paletteOpen = false;
  remapOpen = false;
  /** Draws what lies above the picture at once: who types on after Ctrl+K means the palette, not the tools below it. */
  onOver: () => void = () => undefined;

  constructor(
    private readonly editor: Editor,
    private readonly viewport: Viewport,
    private readonly pointerInput: PointerInput,
    private readonly map: Keymap,
    private readonly go: (image: number) => void,
  ) {
    window.addEventListener("keydown", (e) => this.down(e));
    window.addEventListener("keyup", (e) => this.up(e));
    window.addEventListener("blur", () => this.release());
  }

  private get scopes(): Scope[] {
    const { editor } = this;
    return [
      "canvas",
      "review",
      ...(editor.multiSelected.length && !editor.editing ? (["many"] as const) : []),
      ...(this.pointerInput.busy ? (["draw"] as const) : []),
      ...(editor.editing ? (["edit"] as const) : []),
    ];
  }

  private down(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.isComposing || isTyping(e.target)) return;
    const onButton = e.target instanceof HTMLElement && e.target.closest("button, a, summary") !== null;
    if (onButton && (e.key === " " || e.key === "Enter" || e.key === "Tab")) return; // these belong to the control
    if (e.key === "Tab" && e.target !== this.viewport.surface) return;
    this.shift = e.shiftKey;
    const arrow = e.key.startsWith("Arrow") && e.shiftKey;
    const pressed = arrow
      ? { key: e.key, shiftKey: false, ctrlKey: e.ctrlKey, metaKey: e.metaKey, altKey: e.altKey }
      : e;
    const chosen = this.classOfKey(e);
    const command = this.map.commandOf(pressed, this.scopes) ?? (chosen === null ? null : "class");
    if (!e.repeat) this.editor.recorder.record("key", command ?? "other", e.timeStamp);
    if (command === null) return;
    // Leaving the canvas by keyboard stays possible: when no proposal is open, Tab is the browser's.
    if ((command === "review.next" || command === "review.previous") && !this.editor.counts().undecided)
      return;
    e.preventDefault();
    if (e.repeat && (command === "class" || !this.map.repeats(command))) return;
    if (command !== "class") this.run(command);
    else if (chosen) this.editor.chooseClass(chosen);
    else this.editor.toast(t("This project has no class with the key {key}.", { key: e.key }));
    this.viewport.invalidate();
  }

  private shift = false;

  /** With Shift ten times as far. Where no own cell is selected the view moves. */
  private arrow(dx: number, dy: number): void {
    const far = this.shift ? 10 : 1;
    if (this.editor.multiSelect.nudge(dx * far, dy * far)) return;
    const { camera, opened, canvas } = this.editor;
    const step = this.shift ? 240 : 60;
    this.editor.moveTo(panBy(camera, -dx * step, -dy * step, opened.image, canvas));
  }

  private zoom(factor: number): void {
    const { editor } = this;
    if (editor.tools[editor.tool].hasBrushSize) return editor.resizeBrush(factor > 1 ? 1.25 : 0.8);
    const middle = screenPoint(editor.canvas.width / 2, editor.canvas.height / 2);
    editor.moveTo(zoomAt(editor.camera, middle, factor, editor.opened.image, editor.canvas));
  }

  private up(e: KeyboardEvent): void {
    const command = this.map.commandOf(
      { key: e.key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false },
      ["canvas"],
    );
    if (command === "view.peek") this.viewport.peeking = false;
    if (command === "view.pan") this.pan(false);
    if (command === "view.peek" || command === "view.pan" || e.key === "Alt") this.viewport.invalidate();
  }

  private release(): void {
    this.viewport.peeking = false;
    this.pan(false);
    this.viewport.invalidate();
  }

  private pan(pressed: boolean): void {
    this.pointerInput.panKeyDown = pressed;
    this.viewport.surface.classList.toggle("can-pan", pressed);
  }

  /** 1-9 are the classes' own keys, set by the project and shown on their chips. */
  /** null: the key is no class key; undefined: it is one, and no class has it. */
  private classOfKey(e: KeyboardEvent): LabelClass | null | undefined {
    if (e.ctrlKey || e.metaKey || e.altKey || !/^[1-9]$/.test(e.key)) return null;
    return this.editor.opened.project.classes.find((c) => String(c.key) === e.key);
  }

  readonly run = (command: Command): void => {
    const { editor } = this;
    const why =
      this.pointerInput.isDragging && !DURING_A_DRAG.has(command)
        ? FINISH_DRAG()
        : unavailable(editor, command);
    if (why !== null) {
      editor.toast(why);
      return;
    }
    const { previous, next } = editor.opened.image;
    const effects: Record<Command, Effect> = {
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
      "cell.copy": () => editor.copySize(),
      "cell.snap": () => void snap(editor),
      "attribute.1": () => editor.attributes.cycle(0),
      "attribute.2": () => editor.attributes.cycle(1),
      "attribute.3": () => editor.attributes.cycle(2),
      "attribute.4": () => editor.attributes.cycle(3),
      "move.left": () => this.arrow(-1, 0),
      "move.right": () => this.arrow(1, 0),
      "move.up": () => this.arrow(0, -1),
      "move.down": () => this.arrow(0, 1),
      "many.accept": () => editor.multiSelect.accept(),
      "many.merge": () => editor.multiSelect.merge(),
      "many.nest": () => editor.attributes.nest(),
      "draw.keep": () => this.pointerInput.complete(),
      "draw.back": () =>
        this.pointerInput.back() || editor.toast(t("There is no last point to take back. Esc drops it.")),
      "review.viewed": () => editor.multiSelect.acceptInView(),
      "edit.refusion": () => editor.refusion.toggle(),
      "view.larger": () => this.zoom(1.25),
      "view.smaller": () => this.zoom(0.8),
      "help.palette": () => this.open("palette"),
      "help.remap": () => this.open("remap"),
      "cell.delete": () => editor.remove(),
      "cell.cannot_tell": () => editor.cannotTell(),
      "cell.edit": () => editor.edit(),
      // What is begun and not yet an act loses its last point first.
      "history.undo": () => (this.pointerInput.busy && this.pointerInput.back()) || editor.undo(),
      "history.redo": () => editor.redo(),
      "save.now": () => {
        if (editor.outbox.count || editor.save.kind !== "saved") void editor.outbox.flush();
        else editor.toast(t("Everything is saved."));
      },
      "review.accept": () => editor.accept(),
      "review.reject": () => editor.reject(),
      "review.next": () => editor.next(1),
      "review.previous": () => editor.next(-1),
      "edit.commit": () => editor.commitEdit(),
      "edit.swap": () => {
        if (editor.editing) editor.editing.subtract = !editor.editing.subtract;
        editor.notify();
      },
      "edit.larger": () => editor.resizeBrush(1.25),
      "edit.smaller": () => editor.resizeBrush(0.8),
      "view.peek": () => (this.viewport.peeking = true),
      "view.pan": () => this.pan(true),
      "view.boxes": () => {
        editor.showBoxes = !editor.showBoxes;
        editor.notify();
      },
      "view.fit": () => editor.fitImage(),
      "image.next": () => next !== null && this.go(next),
      "image.previous": () => previous !== null && this.go(previous),
      "help.keys": () => this.open("sheet"),
      cancel: () => {
        if (this.sheetOpen || this.paletteOpen || this.remapOpen) this.close();
        else if (this.pointerInput.cancel()) return;
        else if (editor.editing) editor.cancelEdit();
        else if (editor.multiSelected.length) editor.selectSeveral([]);
        else editor.select(-1);
        editor.notify();
      },
    };
    effects[command]();
    this.viewport.invalidate();
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
    this.editor.notify();
    this.onOver();
  }
  close(): void {
    this.sheetOpen = this.paletteOpen = this.remapOpen = false;
    this.editor.notify();
  }

  private tool(name: Parameters<Editor["setTool"]>[0]): void {
    const isOnlyLooking = this.editor.tool === "measure";
    const isDropped = this.pointerInput.cancel() && !isOnlyLooking;
    if (isDropped) this.editor.toast(t("What you had begun with the other tool was dropped."));
    this.editor.setTool(name);
  }
}
