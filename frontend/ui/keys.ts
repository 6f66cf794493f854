/** Keys: from the table to what they do. Off while somebody types; Tab goes through cells only from the canvas. */
import { unavailable } from "../editor/availability";
import type { LabelClass } from "../scene/contract";
import type { Viewport } from "../render/viewport";
import type { Editor } from "../editor/editor";
import type { ToolName } from "../tools";
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
      ...(editor.store.multiSelected.length && !editor.store.editing ? (["many"] as const) : []),
      ...(this.pointerInput.busy ? (["draw"] as const) : []),
      ...(editor.store.editing ? (["edit"] as const) : []),
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
    if (!e.repeat) this.editor.store.recorder.record("key", command ?? "other", e.timeStamp);
    if (command === null) return;
    // Leaving the canvas by keyboard stays possible: when no proposal is open, Tab is the browser's.
    if ((command === "review.next" || command === "review.previous") && !this.editor.store.counts.undecided)
      return;
    e.preventDefault();
    if (e.repeat && (command === "class" || !this.map.repeats(command))) return;
    if (command !== "class") this.run(command);
    else if (chosen) this.editor.chooseClass(chosen);
    else this.editor.store.toast(t("This project has no class with the key {key}.", { key: e.key }));
    this.viewport.invalidate();
  }

  private shift = false;

  /** With Shift ten times as far. Where no own cell is selected the view moves. */
  private arrow(dx: number, dy: number): void {
    const far = this.shift ? 10 : 1;
    if (this.editor.multiSelect.nudge(dx * far, dy * far)) return;
    const { camera, canvas } = this.editor.view;
    const { opened } = this.editor.store;
    const step = this.shift ? 240 : 60;
    this.editor.view.moveTo(panBy(camera, -dx * step, -dy * step, opened.image, canvas));
  }

  private zoom(factor: number): void {
    const { editor } = this;
    if (editor.toolbox.tools[editor.store.tool].hasBrushSize)
      return editor.store.resizeBrush(factor > 1 ? 1.25 : 0.8);
    const middle = screenPoint(editor.view.canvas.width / 2, editor.view.canvas.height / 2);
    editor.view.moveTo(
      zoomAt(editor.view.camera, middle, factor, editor.store.opened.image, editor.view.canvas),
    );
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
    return this.editor.store.opened.project.classes.find((c) => String(c.key) === e.key);
  }

  readonly run = (command: Command): void => {
    const { editor } = this;
    const why =
      this.pointerInput.isDragging && !DURING_A_DRAG.has(command)
        ? FINISH_DRAG()
        : unavailable(editor.store, command);
    if (why !== null) {
      editor.store.toast(why);
      return;
    }
    const { previous, next } = editor.store.opened.image;
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
      "cell.copy": () => editor.toolbox.copySize(),
      "cell.snap": () => void editor.smart.snap(),
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
        this.pointerInput.back() ||
        editor.store.toast(t("There is no last point to take back. Esc drops it.")),
      "review.viewed": () => editor.multiSelect.acceptInView(),
      "edit.refusion": () => editor.maskEdit.refusion.toggle(),
      "view.larger": () => this.zoom(1.25),
      "view.smaller": () => this.zoom(0.8),
      "help.palette": () => this.open("palette"),
      "help.remap": () => this.open("remap"),
      "cell.delete": () => editor.remove(),
      "cell.cannot_tell": () => editor.review.cannotTell(),
      "cell.edit": () => editor.maskEdit.begin(),
      // What is begun and not yet an act loses its last point first.
      "history.undo": () => (this.pointerInput.busy && this.pointerInput.back()) || editor.undo(),
      "history.redo": () => editor.redo(),
      "save.now": () => {
        if (editor.store.outbox.count || editor.store.save.kind !== "saved") void editor.store.outbox.flush();
        else editor.store.toast(t("Everything is saved."));
      },
      "review.accept": () => editor.accept(),
      "review.reject": () => editor.reject(),
      "review.next": () => editor.review.next(1),
      "review.previous": () => editor.review.next(-1),
      "edit.commit": () => editor.maskEdit.commit(),
      "edit.swap": () => editor.maskEdit.swap(),
      "edit.larger": () => editor.store.resizeBrush(1.25),
      "edit.smaller": () => editor.store.resizeBrush(0.8),
      "view.peek": () => (this.viewport.peeking = true),
      "view.pan": () => this.pan(true),
      "view.boxes": () => {
        editor.store.showBoxes = !editor.store.showBoxes;
      },
      "view.fit": () => editor.view.fitImage(),
      "image.next": () => next !== null && this.go(next),
      "image.previous": () => previous !== null && this.go(previous),
      "help.keys": () => this.open("sheet"),
      cancel: () => {
        if (this.sheetOpen || this.paletteOpen || this.remapOpen) this.close();
        else if (this.pointerInput.cancel()) return;
        else if (editor.store.editing) editor.maskEdit.cancel();
        else if (editor.store.multiSelected.length) editor.selection.selectSeveral([]);
        else editor.selection.select(-1);
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
    this.editor.store.touch();
    this.onOver();
  }
  close(): void {
    this.sheetOpen = this.paletteOpen = this.remapOpen = false;
    this.editor.store.touch();
  }

  private tool(name: ToolName): void {
    const isOnlyLooking = this.editor.store.tool === "measure";
    const isDropped = this.pointerInput.cancel() && !isOnlyLooking;
    if (isDropped) this.editor.store.toast(t("What you had begun with the other tool was dropped."));
    this.editor.toolbox.choose(name);
  }
}
