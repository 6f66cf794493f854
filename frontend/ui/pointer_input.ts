/** Pointer events on the canvas (mouse, pen, touch) become inputs of the current tool; pan, zoom and pinch. */
import type { Box } from "../geometry/box";
import { panBy, screenPoint, toImage, zoomAt, type Point } from "../geometry/frames";
import { patchOver, type Patch } from "../geometry/mask";
import { REGION_COLOUR, type Focus } from "../render/cell_style";
import type { Sketch } from "../render/overlay";
import { t } from "../locale/locale";
import type { Viewport } from "../render/viewport";
import * as boxTool from "../tools/box";
import * as brushTool from "../tools/brush";
import { pinch, wheelFactor, type Fingers } from "../tools/pinch";
import type { Input } from "../tools/input";
import * as press from "../tools/press";
import * as selectTool from "../tools/select";
import { BrowserPrompter } from "../prompter/browser";
import { Pixels } from "../render/pixels";
import { toolControllers } from "./tool_controllers";
import type { Sizes, ToolController } from "./tool_controller";
import type { Editor } from "../editor/editor";

/** CSS pixels. A finger covers more than a mouse's point. */
const REACH = { mouse: 6, pen: 9, touch: 18 } as const;
const SLIP = { mouse: 3, pen: 4, touch: 8 } as const;
/** Said when a key would end a drag that is going on. */
export const FINISH_DRAG = (): string => t("Finish the drag first, or drop it with Esc.");

export class PointerInput {
  private box: boxTool.BoxState = boxTool.IDLE;
  private select: selectTool.SelectState = selectTool.IDLE;
  private brush: brushTool.BrushState = brushTool.IDLE;
  /** The stroke that fixes pixels, while it is drawn. */
  private fixing: { patch: Patch; foreground: boolean } | null = null;
  private readonly tools: ReturnType<typeof toolControllers>;
  private readonly pointers = new Map<number, Point<"screen">>();
  private panning: { id: number; at: Point<"screen"> } | null = null;
  /** The pointer that draws; others are fingers of a pinch, or other buttons. */
  private press: press.PressState = null;
  private kind: keyof typeof REACH = "mouse";
  private cursor: Point<"screen"> | null = null;
  private alt = false;
  /** Space is pressed. */
  panKeyDown = false;

  constructor(
    private readonly editor: Editor,
    private readonly viewport: Viewport,
  ) {
    const pixels = new Pixels(editor.opened.image);
    editor.prompter = new BrowserPrompter(editor.opened.image, pixels);
    this.tools = toolControllers(editor, pixels, (at) => this.pick(at));
    const surface = viewport.surface;
    surface.addEventListener("pointerdown", (e) => this.down(e));
    surface.addEventListener("pointermove", (e) => this.move(e));
    // On the window: without capture the button may be let go anywhere.
    window.addEventListener("pointerup", (e) => this.up(e));
    surface.addEventListener("pointercancel", (e) => this.interrupted(e));
    surface.addEventListener("lostpointercapture", (e) => this.lostCapture(e));
    surface.addEventListener("pointerleave", () => {
      this.cursor = this.editor.cursor = null;
      this.viewport.invalidate();
      this.hover(-1);
    });
    surface.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    surface.addEventListener("contextmenu", (e) => e.preventDefault());
    surface.addEventListener("auxclick", (e) => e.preventDefault());
  }

  get cursorInImage(): Point<"image"> | null {
    return this.cursor && toImage(this.cursor, this.editor.camera);
  }

  /** Give up what is in hand: Escape, another tool, a second finger. True when there was something. */
  cancel(): boolean {
    const busy =
      this.box.kind !== "idle" || this.select.kind !== "idle" || this.brush.kind !== "idle" || this.busy;
    this.feed({ kind: "cancel" });
    this.setPress(null);
    return busy;
  }

  /** A pointer is down and draws. */
  get isDragging(): boolean {
    return this.press !== null;
  }
  private setPress(state: press.PressState): void {
    this.press = state;
    this.editor.dragging = state !== null;
  }
  /** What a pointer event means for the tool in hand. */
  private meaning(type: press.Event["type"], e: PointerEvent): press.Meaning {
    const event = { type, id: e.pointerId, kind: this.kindOf(e), button: e.button, buttons: e.buttons };
    const asksSmart = this.editor.tool === "smart" && !this.editor.editing;
    const draws = (button: number) =>
      !this.panKeyDown && (button === 0 || button === 5 || (button === 2 && asksSmart));
    const step = press.step(this.press, event, draws);
    this.setPress(step.state);
    return step.meaning;
  }
  private kindOf(e: PointerEvent): press.PointerKind {
    return e.pointerType === "touch" ? "touch" : e.pointerType === "pen" ? "pen" : "mouse";
  }

  /** The tool in hand, unless a mask is being edited. */
  private get activeTool(): ToolController | null {
    return this.editor.editing ? null : (this.tools[this.editor.tool] ?? null);
  }
  /** Something is begun with the tool in hand that Enter keeps. */
  get busy(): boolean {
    return this.activeTool?.busy() ?? false;
  }
  keep(): void {
    if (this.activeTool?.keep && !this.isDragging) this.activeTool.keep();
    else
      this.editor.toast(
        this.isDragging ? FINISH_DRAG() : t("Go on: this is not finished yet. Esc drops it."),
      );
  }
  /** Without the last point; false when the tool in hand has no points to take back. */
  back(): boolean {
    if (!this.activeTool?.back || this.isDragging) return false;
    this.activeTool.back();
    return true;
  }

  focus(): Focus {
    const { editor } = this;
    const editing = editor.editing?.row ?? selectTool.preview(this.select)?.row ?? -1;
    return { selected: editor.selected, hovered: this.editor.hovered, boxes: editor.showBoxes, editing };
  }

  sketch(): Sketch {
    const { editor } = this;
    const ignored: Box[] = [];
    const { cells } = editor;
    for (let row = 0; row < cells.count; row++)
      if (cells.live[row] && cells.kind[row] === 1 && cells.statusOf(row) === "ignore")
        ignored.push(cells.boxOf(row));
    const { editing } = editor;
    const colour = (id: number) => editor.classOf(id)?.color ?? "#f0e442";
    const drawing = boxTool.preview(this.box, editor.opened.image);
    const moving = selectTool.preview(this.select) ?? editor.multiSelect.nudging;
    const selected = editor.selected;
    const constraint = editing?.constraint;
    const box = drawing
      ? {
          box: drawing,
          colour: this.region ? REGION_COLOUR : (editor.labelClass?.color ?? "#f0e442"),
          region: this.region !== null,
        }
      : moving && { box: moving.box, colour: colour(cells.labelClass[moving.row]), region: false };
    const handles =
      moving?.box ??
      (this.isEditable(selected) && editor.tool === "select" && !editor.editing
        ? cells.boxOf(selected)
        : null);
    return {
      ignored,
      ...(this.activeTool?.sketch(this.cursorInImage) ?? {}),
      many: this.outlined().map((row) => cells.extent(row)),
      others: this.others(),
      ...(constraint
        ? { strokes: constraint.growing ? [...constraint.strokes, constraint.growing] : constraint.strokes }
        : {}),
      ...(box ? { box } : {}),
      ...(handles ? { handles } : {}),
      ...(editing ? { patch: { patch: editing.patch, colour: colour(cells.labelClass[editing.row]) } } : {}),
      ...((editing || editor.tool === "brush") && this.cursor
        ? {
            brush: {
              at: this.cursor,
              radius: editor.brushRadius,
              subtract: this.alt !== (editing ? editing.subtract : editor.brushMode === "subtract"),
            },
          }
        : {}),
    };
  }

  /** Several selected cells, and a selected proposal that is decided and so not in the picture. */
  private outlined(): readonly number[] {
    const { cells, multiSelected, selected } = this.editor;
    return selected >= 0 && !cells.isShown(selected) ? [...multiSelected, selected] : multiSelected;
  }

  private others(): NonNullable<Sketch["others"]> {
    const { live, cells } = this.editor;
    return [...(live?.others.values() ?? [])].map(({ cursor, editing, person }) => {
      const row = editing ? cells.rowOf(editing) : -1;
      return {
        at: cursor,
        box: row >= 0 && cells.isShown(row) ? cells.extent(row) : null,
        name: person.name,
      };
    });
  }

  private get region(): null | "exhaustive" | "ignore" {
    return this.editor.tool === "region" ? "exhaustive" : this.editor.tool === "ignore" ? "ignore" : null;
  }

  private isEditable(row: number): boolean {
    const { cells, canWrite } = this.editor;
    return canWrite && row >= 0 && cells.live[row] === 1 && cells.isMine(row);
  }

  private down(e: PointerEvent): void {
    const at = this.place(e);
    this.viewport.surface.focus({ preventScroll: true });
    this.editor.recorder.record("pointer_down", undefined, e.timeStamp);
    if (this.press && this.press.kind !== "touch") return; // a palm beside the pen
    this.pointers.set(e.pointerId, at);
    this.kind = this.kindOf(e);
    this.capture(e.pointerId);
    const meaning = this.meaning("down", e);
    if (meaning === "pinch" || this.pointers.size === 2) {
      this.cancel(); // the first finger was the beginning of a pinch, not a box
      return;
    }
    if (this.pointers.size > 2) return;
    if (e.button === 1 || (e.button === 0 && this.panKeyDown)) {
      this.panning = { id: e.pointerId, at };
      this.viewport.surface.classList.add("is-panning");
      e.preventDefault();
    } else if (meaning === "begin") this.begin(e);
    this.viewport.invalidate();
  }

  private begin(e: PointerEvent): void {
    if (!this.editor.editing && !this.busy) this.editor.begin();
    this.feed({ ...this.input("down", e), alt: e.altKey || e.button !== 0 });
  }

  private input(kind: "down" | "move" | "up", e: PointerEvent): Extract<Input, { at: unknown }> {
    return { kind, at: toImage(this.place(e), this.editor.camera), shift: e.shiftKey, alt: e.altKey };
  }

  private capture(id: number): void {
    try {
      this.viewport.surface.setPointerCapture(id);
    } catch {
      // The pointer is gone already (a tap between two events): what follows comes without capture.
    }
  }

  private move(e: PointerEvent): void {
    const at = this.place(e);
    this.cursor = at;
    this.editor.cursor = toImage(at, this.editor.camera);
    this.editor.live?.announce(true);
    this.alt = e.altKey;
    this.editor.recorder.record("pointer_move", undefined, e.timeStamp);
    const before = this.pointers.get(e.pointerId);
    if (before) this.pointers.set(e.pointerId, at);
    if (before && this.pointers.size === 2) this.pinch(e, before, at);
    else if (this.panning?.id === e.pointerId) this.pan(at, this.panning);
    else this.draw(e, before !== undefined);
    if (before || this.editor.editing || this.activeTool) this.viewport.invalidate();
  }

  private pinch(e: PointerEvent, before: Point<"screen">, at: Point<"screen">): void {
    const other = [...this.pointers].find(([id]) => id !== e.pointerId)?.[1] as Point<"screen">;
    const { camera, opened, canvas } = this.editor;
    const fingers = (p: Point<"screen">): Fingers => [p, other];
    this.editor.moveTo(pinch(camera, fingers(before), fingers(at), opened.image, canvas));
  }

  private pan(at: Point<"screen">, panning: { at: Point<"screen"> }): void {
    const { camera, opened, canvas } = this.editor;
    this.editor.moveTo(panBy(camera, at.x - panning.at.x, at.y - panning.at.y, opened.image, canvas));
    panning.at = at;
  }

  private draw(e: PointerEvent, isDown: boolean): void {
    switch (this.meaning("move", e)) {
      case "begin": // the drawing button, pressed while another one was down
        this.pointers.set(e.pointerId, this.place(e));
        this.capture(e.pointerId);
        this.begin(e);
        break;
      case "move":
        // A brush needs the points between two frames too; a box does not mind them.
        for (const step of e.getCoalescedEvents().concat(e).slice(-64))
          this.feed({ ...this.input("move", step), shift: e.shiftKey, alt: e.altKey });
        break;
      case "end":
        this.feed(this.input("up", e));
        break;
      case "interrupted":
      case "pinch":
      case "none":
        if (!isDown) this.hover(this.hovered(e));
    }
  }

  private hovered(e: PointerEvent): number {
    if (this.editor.tool !== "select" || this.editor.editing) return -1;
    return this.pick(toImage(this.place(e), this.editor.camera))[0] ?? -1;
  }

  private up(e: PointerEvent): void {
    const isOurs = this.pointers.delete(e.pointerId) || this.press?.id === e.pointerId;
    if (!isOurs) return;
    this.editor.recorder.record("pointer_up", undefined, e.timeStamp);
    if (this.panning?.id === e.pointerId) this.endPan();
    if (this.meaning("up", e) === "end") this.feed(this.input("up", e));
    this.viewport.invalidate();
  }

  /** The browser has taken the pointer away (a gesture of the system, a pen out of reach): there is no end to a
   *  drag. */
  private interrupted(e: PointerEvent): void {
    this.pointers.delete(e.pointerId);
    if (this.panning?.id === e.pointerId) this.endPan();
    if (this.meaning("cancel", e) === "interrupted") {
      this.cancel();
      this.editor.toast(t("The drag was interrupted, so nothing of it was kept. Draw it again."));
    }
    this.viewport.invalidate();
  }

  /** A menu of the browser or another program takes the capture away, and the button is still down: it goes on. */
  private lostCapture(e: PointerEvent): void {
    if (this.press?.id === e.pointerId) this.capture(e.pointerId);
    else this.pointers.delete(e.pointerId);
  }

  private endPan(): void {
    this.panning = null;
    this.viewport.surface.classList.remove("is-panning");
  }

  private wheel(e: WheelEvent): void {
    e.preventDefault();
    this.editor.recorder.record("wheel", undefined, e.timeStamp);
    if ((this.editor.editing || this.editor.tool === "brush") && e.shiftKey) {
      // With Shift some systems turn the wheel sideways.
      this.editor.resizeBrush((e.deltaY || e.deltaX) < 0 ? 1.15 : 1 / 1.15);
    } else {
      const { camera, opened, canvas } = this.editor;
      const factor = wheelFactor(e.deltaY, e.deltaMode === WheelEvent.DOM_DELTA_LINE, e.ctrlKey);
      this.editor.moveTo(zoomAt(camera, this.place(e), factor, opened.image, canvas));
    }
    this.viewport.invalidate();
  }

  /** Hand an input to the tool, and do what it decides. */
  private feed(input: Input): void {
    const { editor } = this;
    const image = editor.opened.image;
    const slip = SLIP[this.kind] / editor.camera.scale;
    if (editor.editing) {
      this.paint(input);
    } else if (editor.tool === "select" || (!editor.canWrite && !this.activeTool)) {
      const selected = editor.selected;
      const result = selectTool.step(this.select, input, {
        image,
        reach: REACH[this.kind] / editor.camera.scale,
        slip,
        selected:
          selected < 0
            ? null
            : { row: selected, box: editor.cells.boxOf(selected), editable: this.isEditable(selected) },
        pick: (at) => this.pick(at),
      });
      const dragged = selectTool.preview(this.select)?.row;
      this.select = result.state;
      if (dragged !== selectTool.preview(this.select)?.row) editor.notify(); // the cell itself stays behind as a shadow
      if (result.select !== undefined) editor.select(result.select);
      if (result.commit) editor.reshapedBox(result.commit.row, result.commit.box, result.commit.action);
    } else if (this.activeTool) {
      const sizes: Sizes = {
        reach: REACH[this.kind] / editor.camera.scale,
        slip,
        spacing: Math.max(0.5, 2 / editor.camera.scale),
      };
      this.activeTool.feed(input, sizes);
    } else {
      const result = boxTool.step(this.box, input, image, slip);
      this.box = result.state;
      const region = result.shift && this.region === "exhaustive" ? "ignore" : this.region;
      if (result.commit) editor.drawn(result.commit, region);
      if (result.outside) editor.toast(t("Nothing of this lies inside the image."));
      if (result.click) editor.select(selectTool.nextBelow(this.pick(result.click), editor.selected));
    }
    if (input.kind === "cancel") {
      this.select = selectTool.IDLE;
      this.box = boxTool.IDLE;
      this.brush = brushTool.IDLE;
    }
  }

  private paint(input: Input): void {
    const editing = this.editor.editing;
    if (!editing) return;
    if (editing.constraint) {
      this.fix(input, editing.radius, editing.subtract);
      return;
    }
    const before: Patch = editing.patch;
    const saved =
      input.kind === "down" && this.brush.kind === "idle"
        ? { ...before, pixels: before.pixels.slice() }
        : null;
    const result = brushTool.step(this.brush, input, before, {
      radius: editing.radius,
      subtract: editing.subtract,
      image: this.editor.opened.image,
    });
    this.brush = result.state;
    editing.patch = result.patch;
    if (saved && result.stroke === "begun") editing.undo.push({ patch: saved, constraint: null });
  }

  /** A stroke of its own, in the order of painting; what it does to the mask is the worker's to say. */
  private fix(input: Input, radius: number, subtract: boolean): void {
    const { image } = this.editor.opened;
    if (input.kind === "down" && !this.fixing) {
      const { x, y } = input.at;
      this.fixing = {
        patch: patchOver({ x0: x, y0: y, x1: x, y1: y }, image),
        foreground: input.alt === subtract,
      };
    }
    if (!this.fixing) return;
    if (input.kind === "cancel") {
      this.fixing = null;
      this.brush = brushTool.IDLE;
      this.editor.refusion.dropGrowing();
      return;
    }
    const step = brushTool.step(this.brush, { ...input, alt: false }, this.fixing.patch, {
      radius,
      subtract: false,
      image,
    });
    this.brush = step.state;
    this.fixing = { ...this.fixing, patch: step.patch };
    if (step.stroke !== "none")
      this.editor.refusion.paint(step.patch, this.fixing.foreground, step.stroke === "done");
    if (step.stroke === "done") this.fixing = null;
  }

  private pick(at: Point<"image">): number[] {
    return this.editor.cells.pick(at, REACH[this.kind] / 2 / this.editor.camera.scale);
  }

  private hover(row: number): void {
    if (row === this.editor.hovered) return;
    this.editor.hovered = row;
    this.editor.notify();
  }

  private place(e: { clientX: number; clientY: number }): Point<"screen"> {
    const { left, top } = this.viewport.surface.getBoundingClientRect();
    return screenPoint(e.clientX - left, e.clientY - top);
  }
}
