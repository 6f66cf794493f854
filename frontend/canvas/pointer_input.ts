/** Pointer events on the canvas (mouse, pen, touch) become inputs of the current tool, or pan, zoom and pinch. It only
 *  routes: what an input means is the tool's business. */
import type { Editor } from "../editor/editor";
import { panBy, toImage, zoomAt, type Point } from "../geometry/frames";
import { t } from "../locale/locale";
import type { Focus } from "../render/cell_style";
import type { Sketch } from "../render/overlay";
import type { Viewport } from "../render/viewport";
import type { Cursor, Press, Sizes } from "../editor/tool";
import { colourOfRow, rowsAt } from "../tools/picking";
import { pinch, wheelFactor, type Fingers } from "./pinch";
import * as press from "./press";

/** CSS pixels. A finger covers more than a mouse's point. */
const REACH = { mouse: 6, pen: 9, touch: 18 } as const;
const SLIP = { mouse: 3, pen: 4, touch: 8 } as const;
/** Of freehand points, CSS pixels; never less than half an image pixel. */
const SPACING = 2;
/** A fast pointer reports many places in one event: so many of them reach the tool. */
const MOST_COALESCED = 64;
/** The answer to a key that would end a drag. */
export const FINISH_DRAG = (): string => t("Finish the drag first, or drop it with Esc.");

export class PointerInput {
  private readonly pointers = new Map<number, Point<"screen">>();
  private panning: { id: number; at: Point<"screen"> } | null = null;
  /** The pointer that draws; others are fingers of a pinch, or other buttons. */
  private press: press.PressState = null;
  private kind: keyof typeof REACH = "mouse";
  private cursor: Point<"screen"> | null = null;
  private alt = false;
  /** Space is pressed. */
  private panKeyDown = false;

  constructor(
    private readonly editor: Editor,
    private readonly viewport: Viewport,
    /** Show what can be done at a place on the page, CSS pixels. */
    private readonly openMenu: (at: { x: number; y: number }) => void,
  ) {
    const surface = viewport.surface;
    surface.addEventListener("pointerdown", (e) => this.down(e));
    surface.addEventListener("pointermove", (e) => this.move(e));
    // On the window: without capture the button may be let go anywhere.
    window.addEventListener("pointerup", (e) => this.up(e));
    surface.addEventListener("pointercancel", (e) => this.interrupted(e));
    surface.addEventListener("lostpointercapture", (e) => this.lostCapture(e));
    surface.addEventListener("pointerleave", () => {
      this.cursor = this.editor.store.cursor = null;
      this.viewport.invalidate();
      this.hover(-1);
    });
    surface.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    surface.addEventListener("contextmenu", (e) => this.menu(e));
    surface.addEventListener("auxclick", (e) => e.preventDefault());
  }

  get cursorInImage(): Point<"image"> | null {
    return this.cursor && toImage(this.cursor, this.editor.view.camera);
  }

  /** Drop what is begun: Escape, another tool, a second finger. True when there was something. */
  cancel(): boolean {
    const tool = this.editor.toolbox.current;
    const wasBusy = tool.busy();
    tool.cancel();
    this.setPress(null);
    return wasBusy;
  }

  setPanKey(isDown: boolean): void {
    this.panKeyDown = isDown;
    this.viewport.surface.classList.toggle("can-pan", isDown);
  }

  /** A pointer is down and draws. */
  get isDragging(): boolean {
    return this.press !== null;
  }
  private setPress(state: press.PressState): void {
    this.press = state;
    this.editor.store.dragging = state !== null;
  }
  /** What a pointer event means for the tool in hand. */
  private meaning(type: press.Event["type"], e: PointerEvent): press.Meaning {
    const event = { type, id: e.pointerId, kind: this.kindOf(e), button: e.button, buttons: e.buttons };
    const draws = (button: number) =>
      !this.panKeyDown &&
      (button === 0 || button === 5 || (button === 2 && this.editor.toolbox.usesRightButton));
    const step = press.step(this.press, event, draws);
    this.setPress(step.state);
    return step.meaning;
  }
  private kindOf(e: PointerEvent): press.PointerKind {
    if (e.pointerType === "touch") return "touch";
    return e.pointerType === "pen" ? "pen" : "mouse";
  }

  /** Something is begun with the current tool. */
  get busy(): boolean {
    return this.editor.toolbox.current.busy();
  }
  complete(): void {
    const tool = this.editor.toolbox.current;
    if (this.isDragging) this.editor.store.toasts.show(FINISH_DRAG());
    else if (tool.complete) tool.complete();
    else this.editor.store.toasts.show(t("Go on: this is not finished yet. Esc drops it."));
  }
  /** Without the last point; false when the current tool has no points to take back. */
  back(): boolean {
    const tool = this.editor.toolbox.current;
    if (!tool.back || this.isDragging) return false;
    tool.back();
    return true;
  }

  focus(): Focus {
    const { editor } = this;
    const editing = editor.store.editing?.row ?? editor.store.dragged;
    return {
      selected: editor.store.selected,
      hovered: editor.store.hovered,
      boxes: editor.store.showBoxes,
      colourBy: editor.store.colourBy,
      editing,
    };
  }

  sketch(): Sketch {
    const { editor } = this;
    return {
      ignored: editor.store.overview.ignoredRegions(),
      ...editor.toolbox.current.sketch(this.toolCursor()),
      ...this.nudged(),
      many: this.outlined().map((row) => editor.store.cells.extent(row)),
      others: this.others(),
      ...this.marked(),
    };
  }

  /** The frame around the cell that a study's reader works on. */
  private marked(): Partial<Sketch> {
    const mark = this.editor.store.opened.study?.mark;
    if (!mark) return {};
    const [x0, y0, x1, y1] = mark;
    return { marked: { x0, y0, x1, y1 } };
  }

  private toolCursor(): Cursor | null {
    if (!this.cursor) return null;
    return { screen: this.cursor, image: toImage(this.cursor, this.editor.view.camera), alt: this.alt };
  }

  /** A box on its way by the arrow keys. */
  private nudged(): Partial<Sketch> {
    const { nudging } = this.editor.multiSelect;
    if (!nudging || this.isDragging) return {};
    const colour = colourOfRow(this.editor, nudging.row);
    return { box: { box: nudging.box, colour, region: false }, handles: nudging.box };
  }

  /** Several selected cells, and a selected proposal that is decided and so not in the picture. */
  private outlined(): readonly number[] {
    const { cells, multiSelected, selected } = this.editor.store;
    return selected >= 0 && !cells.isShown(selected) ? [...multiSelected, selected] : multiSelected;
  }

  private others(): NonNullable<Sketch["others"]> {
    const { live } = this.editor.liveUpdates;
    const { cells } = this.editor.store;
    return [...(live?.others.values() ?? [])].map(({ cursor, editing, person }) => {
      const row = editing ? cells.rowOf(editing) : -1;
      return {
        at: cursor,
        box: row >= 0 && cells.isShown(row) ? cells.extent(row) : null,
        name: person.name,
      };
    });
  }

  private down(e: PointerEvent): void {
    const at = this.place(e);
    this.viewport.surface.focus({ preventScroll: true });
    this.editor.store.recorder.record("pointer_down", undefined, e.timeStamp);
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
    if (!this.editor.store.editing && !this.busy) this.editor.store.begin();
    this.feed({ ...this.input("down", e), alt: e.altKey || e.button !== 0 });
  }

  private input(kind: "down" | "move" | "up", e: PointerEvent): Press {
    return { kind, at: toImage(this.place(e), this.editor.view.camera), shift: e.shiftKey, alt: e.altKey };
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
    this.editor.store.cursor = toImage(at, this.editor.view.camera);
    this.editor.liveUpdates.live?.announce(true);
    this.alt = e.altKey;
    this.editor.store.recorder.record("pointer_move", undefined, e.timeStamp);
    const before = this.pointers.get(e.pointerId);
    if (before) this.pointers.set(e.pointerId, at);
    if (before && this.pointers.size === 2) this.pinch(e, before, at);
    else if (this.panning?.id === e.pointerId) this.pan(at, this.panning);
    else this.draw(e, before !== undefined);
    if (before || this.isDragging || this.editor.toolbox.current.followsPointer) this.viewport.invalidate();
  }

  private pinch(e: PointerEvent, before: Point<"screen">, at: Point<"screen">): void {
    const other = [...this.pointers].find(([id]) => id !== e.pointerId)?.[1] as Point<"screen">;
    const { camera, canvas } = this.editor.view;
    const { opened } = this.editor.store;
    const fingers = (p: Point<"screen">): Fingers => [p, other];
    this.editor.view.moveTo(pinch(camera, fingers(before), fingers(at), opened.image, canvas));
  }

  private pan(at: Point<"screen">, panning: { at: Point<"screen"> }): void {
    const { camera, canvas } = this.editor.view;
    const { opened } = this.editor.store;
    this.editor.view.moveTo(panBy(camera, at.x - panning.at.x, at.y - panning.at.y, opened.image, canvas));
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
        for (const step of e.getCoalescedEvents().concat(e).slice(-MOST_COALESCED))
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
    if (!this.editor.toolbox.current.hovers) return -1;
    const at = toImage(this.place(e), this.editor.view.camera);
    return rowsAt(this.editor, at, this.sizes())[0] ?? -1;
  }

  private up(e: PointerEvent): void {
    const isOurs = this.pointers.delete(e.pointerId) || this.press?.id === e.pointerId;
    if (!isOurs) return;
    this.editor.store.recorder.record("pointer_up", undefined, e.timeStamp);
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
      this.editor.store.toasts.show(t("The drag was interrupted, so nothing of it was kept. Draw it again."));
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
    this.editor.store.recorder.record("wheel", undefined, e.timeStamp);
    if (this.editor.toolbox.current.hasBrushSize && e.shiftKey) {
      // With Shift some systems turn the wheel sideways.
      this.editor.store.resizeBrush((e.deltaY || e.deltaX) < 0 ? 1.15 : 1 / 1.15);
    } else {
      const { camera, canvas } = this.editor.view;
      const { opened } = this.editor.store;
      const factor = wheelFactor(e.deltaY, e.deltaMode === WheelEvent.DOM_DELTA_LINE, e.ctrlKey);
      this.editor.view.moveTo(zoomAt(camera, this.place(e), factor, opened.image, canvas));
    }
    this.viewport.invalidate();
  }

  /** The right button, a long press or the menu key: what can be done with what lies here. */
  private menu(e: MouseEvent): void {
    e.preventDefault();
    if (this.kind === "touch") this.cancel(); // a finger that stays is the beginning of no box
    if (this.isDragging || this.busy || this.editor.toolbox.usesRightButton) return;
    const at = toImage(this.place(e), this.editor.view.camera);
    const row = rowsAt(this.editor, at, this.sizes())[0] ?? -1;
    if (!this.editor.store.multiSelected.includes(row)) this.editor.selection.select(row);
    this.openMenu({ x: e.clientX, y: e.clientY });
  }

  /** Give an input to the tool. */
  private feed(input: Press): void {
    this.editor.toolbox.current.input(input, this.sizes());
  }

  private sizes(): Sizes {
    const { scale } = this.editor.view.camera;
    return {
      reach: REACH[this.kind] / scale,
      slip: SLIP[this.kind] / scale,
      spacing: Math.max(0.5, SPACING / scale),
    };
  }

  private hover(row: number): void {
    this.editor.store.hovered = row;
  }

  private place(e: { clientX: number; clientY: number }): Point<"screen"> {
    return this.viewport.pointAt(e);
  }
}
