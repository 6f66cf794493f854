/** Hands on the canvas: pointer events (mouse, pen, touch) become inputs of the tool in hand; pan, zoom and pinch. */
import type { Box } from "../geometry/box";
import { panBy, screenPoint, toImage, zoomAt, type Point } from "../geometry/frames";
import { patchOver, type Patch } from "../geometry/mask";
import { REGION_COLOUR, type Focus } from "../render/look";
import type { Sketch } from "../render/overlay";
import { t } from "../locale/locale";
import type { Stage } from "../render/stage";
import * as boxTool from "../tools/box";
import * as brushTool from "../tools/brush";
import { pinch, wheelFactor, type Fingers } from "../tools/hand";
import type { Input } from "../tools/input";
import * as press from "../tools/press";
import * as selectTool from "../tools/select";
import { BrowserPrompter } from "../prompter/browser";
import { Pixels } from "../render/pixels";
import { wield } from "./wield";
import type { Sizes, Wielded } from "./wielded";
import type { Workspace } from "../workspace";

/** CSS pixels. A finger covers more than a mouse's point. */
const REACH = { mouse: 6, pen: 9, touch: 18 } as const;
const SLIP = { mouse: 3, pen: 4, touch: 8 } as const;
/** Said when a key would end a drag that is going on. */
export const FINISH_DRAG = (): string => t("Finish the drag first, or drop it with Esc.");

export class Hands {
  private box: boxTool.State = boxTool.IDLE;
  private select: selectTool.State = selectTool.IDLE;
  private brush: brushTool.State = brushTool.IDLE;
  /** The stroke that fixes pixels, while it is drawn. */
  private fixing: { patch: Patch; foreground: boolean } | null = null;
  private readonly wielded: ReturnType<typeof wield>;
  private readonly pointers = new Map<number, Point<"screen">>();
  private panning: { id: number; at: Point<"screen"> } | null = null;
  /** The pointer that draws; others are fingers of a pinch, or other buttons. */
  private press: press.State = null;
  private kind: keyof typeof REACH = "mouse";
  private cursor: Point<"screen"> | null = null;
  private alt = false;
  /** Space is held. */
  panHeld = false;

  constructor(
    private readonly desk: Workspace,
    private readonly stage: Stage,
  ) {
    const pixels = new Pixels(desk.opened.image);
    desk.prompter = new BrowserPrompter(desk.opened.image, pixels);
    this.wielded = wield(desk, pixels, (at) => this.pick(at));
    const surface = stage.surface;
    surface.addEventListener("pointerdown", (e) => this.down(e));
    surface.addEventListener("pointermove", (e) => this.move(e));
    // On the window: without capture the button may be let go anywhere.
    window.addEventListener("pointerup", (e) => this.up(e));
    surface.addEventListener("pointercancel", (e) => this.interrupted(e));
    surface.addEventListener("lostpointercapture", (e) => this.lostCapture(e));
    surface.addEventListener("pointerleave", () => {
      this.cursor = this.desk.cursor = null;
      this.stage.invalidate();
      this.hover(-1);
    });
    surface.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    surface.addEventListener("contextmenu", (e) => e.preventDefault());
    surface.addEventListener("auxclick", (e) => e.preventDefault());
  }

  get cursorInImage(): Point<"image"> | null {
    return this.cursor && toImage(this.cursor, this.desk.camera);
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
  private setPress(state: press.State): void {
    this.press = state;
    this.desk.dragging = state !== null;
  }
  /** What a pointer event means for the tool in hand. */
  private meaning(type: press.Event["type"], e: PointerEvent): press.Meaning {
    const event = { type, id: e.pointerId, kind: this.kindOf(e), button: e.button, buttons: e.buttons };
    const asksSmart = this.desk.tool === "smart" && !this.desk.editing;
    const draws = (button: number) =>
      !this.panHeld && (button === 0 || button === 5 || (button === 2 && asksSmart));
    const step = press.step(this.press, event, draws);
    this.setPress(step.state);
    return step.meaning;
  }
  private kindOf(e: PointerEvent): press.PointerKind {
    return e.pointerType === "touch" ? "touch" : e.pointerType === "pen" ? "pen" : "mouse";
  }

  /** The tool in hand, unless a mask is being edited. */
  private get held(): Wielded | null {
    return this.desk.editing ? null : (this.wielded[this.desk.tool] ?? null);
  }
  /** Something is begun with the tool in hand that Enter keeps. */
  get busy(): boolean {
    return this.held?.busy() ?? false;
  }
  keep(): void {
    if (this.held?.keep && !this.isDragging) this.held.keep();
    else
      this.desk.toast(this.isDragging ? FINISH_DRAG() : t("Go on: this is not finished yet. Esc drops it."));
  }
  /** Without the last point; false when the tool in hand has no points to take back. */
  back(): boolean {
    if (!this.held?.back || this.isDragging) return false;
    this.held.back();
    return true;
  }

  focus(): Focus {
    const { desk } = this;
    const editing = desk.editing?.row ?? selectTool.preview(this.select)?.row ?? -1;
    return { selected: desk.selected, hovered: this.desk.hovered, boxes: desk.showBoxes, editing };
  }

  sketch(): Sketch {
    const { desk } = this;
    const ignored: Box[] = [];
    const { cells } = desk;
    for (let row = 0; row < cells.count; row++)
      if (cells.live[row] && cells.kind[row] === 1 && cells.statusOf(row) === "ignore")
        ignored.push(cells.boxOf(row));
    const { editing } = desk;
    const colour = (id: number) => desk.classOf(id)?.color ?? "#f0e442";
    const drawing = boxTool.preview(this.box, desk.opened.image);
    const moving = selectTool.preview(this.select) ?? desk.together.nudging;
    const selected = desk.selected;
    const constraint = editing?.constraint;
    const box = drawing
      ? {
          box: drawing,
          colour: this.region ? REGION_COLOUR : (desk.labelClass?.color ?? "#f0e442"),
          region: this.region !== null,
        }
      : moving && { box: moving.box, colour: colour(cells.labelClass[moving.row]), region: false };
    const handles =
      moving?.box ??
      (this.isEditable(selected) && desk.tool === "select" && !desk.editing ? cells.boxOf(selected) : null);
    return {
      ignored,
      ...(this.held?.sketch(this.cursorInImage) ?? {}),
      many: this.outlined().map((row) => cells.extent(row)),
      others: this.others(),
      ...(constraint
        ? { strokes: constraint.growing ? [...constraint.strokes, constraint.growing] : constraint.strokes }
        : {}),
      ...(box ? { box } : {}),
      ...(handles ? { handles } : {}),
      ...(editing ? { patch: { patch: editing.patch, colour: colour(cells.labelClass[editing.row]) } } : {}),
      ...((editing || desk.tool === "brush") && this.cursor
        ? {
            brush: {
              at: this.cursor,
              radius: desk.brushRadius,
              subtract: this.alt !== (editing ? editing.subtract : desk.brushMode === "subtract"),
            },
          }
        : {}),
    };
  }

  /** Cells selected together, and a selected proposal that is decided and so not in the picture. */
  private outlined(): readonly number[] {
    const { cells, many, selected } = this.desk;
    return selected >= 0 && !cells.isShown(selected) ? [...many, selected] : many;
  }

  private others(): NonNullable<Sketch["others"]> {
    const { live, cells } = this.desk;
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
    return this.desk.tool === "region" ? "exhaustive" : this.desk.tool === "ignore" ? "ignore" : null;
  }

  private isEditable(row: number): boolean {
    const { cells, canWrite } = this.desk;
    return canWrite && row >= 0 && cells.live[row] === 1 && cells.isMine(row);
  }

  private down(e: PointerEvent): void {
    const at = this.place(e);
    this.stage.surface.focus({ preventScroll: true });
    this.desk.recorder.record("pointer_down", undefined, e.timeStamp);
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
    if (e.button === 1 || (e.button === 0 && this.panHeld)) {
      this.panning = { id: e.pointerId, at };
      this.stage.surface.classList.add("is-panning");
      e.preventDefault();
    } else if (meaning === "begin") this.begin(e);
    this.stage.invalidate();
  }

  private begin(e: PointerEvent): void {
    if (!this.desk.editing && !this.busy) this.desk.begin();
    this.feed({ ...this.input("down", e), alt: e.altKey || e.button !== 0 });
  }

  private input(kind: "down" | "move" | "up", e: PointerEvent): Extract<Input, { at: unknown }> {
    return { kind, at: toImage(this.place(e), this.desk.camera), shift: e.shiftKey, alt: e.altKey };
  }

  private capture(id: number): void {
    try {
      this.stage.surface.setPointerCapture(id);
    } catch {
      // The pointer is gone already (a tap between two events): what follows comes without capture.
    }
  }

  private move(e: PointerEvent): void {
    const at = this.place(e);
    this.cursor = at;
    this.desk.cursor = toImage(at, this.desk.camera);
    this.desk.live?.say(true);
    this.alt = e.altKey;
    this.desk.recorder.record("pointer_move", undefined, e.timeStamp);
    const before = this.pointers.get(e.pointerId);
    if (before) this.pointers.set(e.pointerId, at);
    if (before && this.pointers.size === 2) this.pinch(e, before, at);
    else if (this.panning?.id === e.pointerId) this.pan(at, this.panning);
    else this.draw(e, before !== undefined);
    if (before || this.desk.editing || this.held) this.stage.invalidate();
  }

  private pinch(e: PointerEvent, before: Point<"screen">, at: Point<"screen">): void {
    const other = [...this.pointers].find(([id]) => id !== e.pointerId)?.[1] as Point<"screen">;
    const { camera, opened, canvas } = this.desk;
    const fingers = (p: Point<"screen">): Fingers => [p, other];
    this.desk.look(pinch(camera, fingers(before), fingers(at), opened.image, canvas));
  }

  private pan(at: Point<"screen">, panning: { at: Point<"screen"> }): void {
    const { camera, opened, canvas } = this.desk;
    this.desk.look(panBy(camera, at.x - panning.at.x, at.y - panning.at.y, opened.image, canvas));
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
    if (this.desk.tool !== "select" || this.desk.editing) return -1;
    return this.pick(toImage(this.place(e), this.desk.camera))[0] ?? -1;
  }

  private up(e: PointerEvent): void {
    const isOurs = this.pointers.delete(e.pointerId) || this.press?.id === e.pointerId;
    if (!isOurs) return;
    this.desk.recorder.record("pointer_up", undefined, e.timeStamp);
    if (this.panning?.id === e.pointerId) this.endPan();
    if (this.meaning("up", e) === "end") this.feed(this.input("up", e));
    this.stage.invalidate();
  }

  /** The browser has taken the pointer away (a gesture of the system, a pen out of reach): there is no end to a
   *  drag. */
  private interrupted(e: PointerEvent): void {
    this.pointers.delete(e.pointerId);
    if (this.panning?.id === e.pointerId) this.endPan();
    if (this.meaning("cancel", e) === "interrupted") {
      this.cancel();
      this.desk.toast(t("The drag was interrupted, so nothing of it was kept. Draw it again."));
    }
    this.stage.invalidate();
  }

  /** A menu of the browser or another program takes the capture away, and the button is still down: it goes on. */
  private lostCapture(e: PointerEvent): void {
    if (this.press?.id === e.pointerId) this.capture(e.pointerId);
    else this.pointers.delete(e.pointerId);
  }

  private endPan(): void {
    this.panning = null;
    this.stage.surface.classList.remove("is-panning");
  }

  private wheel(e: WheelEvent): void {
    e.preventDefault();
    this.desk.recorder.record("wheel", undefined, e.timeStamp);
    if ((this.desk.editing || this.desk.tool === "brush") && e.shiftKey) {
      // With Shift some systems turn the wheel sideways.
      this.desk.resizeBrush((e.deltaY || e.deltaX) < 0 ? 1.15 : 1 / 1.15);
    } else {
      const { camera, opened, canvas } = this.desk;
      const factor = wheelFactor(e.deltaY, e.deltaMode === WheelEvent.DOM_DELTA_LINE, e.ctrlKey);
      this.desk.look(zoomAt(camera, this.place(e), factor, opened.image, canvas));
    }
    this.stage.invalidate();
  }

  /** Hand an input to the tool, and do what it decides. */
  private feed(input: Input): void {
    const { desk } = this;
    const image = desk.opened.image;
    const slip = SLIP[this.kind] / desk.camera.scale;
    if (desk.editing) {
      this.paint(input);
    } else if (desk.tool === "select" || (!desk.canWrite && !this.held)) {
      const selected = desk.selected;
      const result = selectTool.step(this.select, input, {
        image,
        reach: REACH[this.kind] / desk.camera.scale,
        slip,
        selected:
          selected < 0
            ? null
            : { row: selected, box: desk.cells.boxOf(selected), editable: this.isEditable(selected) },
        pick: (at) => this.pick(at),
      });
      const held = selectTool.preview(this.select)?.row;
      this.select = result.state;
      if (held !== selectTool.preview(this.select)?.row) desk.notify(); // the cell itself stays behind as a shadow
      if (result.select !== undefined) desk.select(result.select);
      if (result.commit) desk.reshapedBox(result.commit.row, result.commit.box, result.commit.action);
    } else if (this.held) {
      const sizes: Sizes = {
        reach: REACH[this.kind] / desk.camera.scale,
        slip,
        spacing: Math.max(0.5, 2 / desk.camera.scale),
      };
      this.held.feed(input, sizes);
    } else {
      const result = boxTool.step(this.box, input, image, slip);
      this.box = result.state;
      const region = result.shift && this.region === "exhaustive" ? "ignore" : this.region;
      if (result.commit) desk.drawn(result.commit, region);
      if (result.outside) desk.toast(t("Nothing of this lies inside the image."));
      if (result.click) desk.select(selectTool.nextBelow(this.pick(result.click), desk.selected));
    }
    if (input.kind === "cancel") {
      this.select = selectTool.IDLE;
      this.box = boxTool.IDLE;
      this.brush = brushTool.IDLE;
    }
  }

  private paint(input: Input): void {
    const editing = this.desk.editing;
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
      image: this.desk.opened.image,
    });
    this.brush = result.state;
    editing.patch = result.patch;
    if (saved && result.stroke === "begun") editing.undo.push({ patch: saved, constraint: null });
  }

  /** A stroke of its own, in the order of painting; what it does to the mask is the worker's to say. */
  private fix(input: Input, radius: number, subtract: boolean): void {
    const { image } = this.desk.opened;
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
      this.desk.constrain.dropGrowing();
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
      this.desk.constrain.paint(step.patch, this.fixing.foreground, step.stroke === "done");
    if (step.stroke === "done") this.fixing = null;
  }

  private pick(at: Point<"image">): number[] {
    return this.desk.cells.pick(at, REACH[this.kind] / 2 / this.desk.camera.scale);
  }

  private hover(row: number): void {
    if (row === this.desk.hovered) return;
    this.desk.hovered = row;
    this.desk.notify();
  }

  private place(e: { clientX: number; clientY: number }): Point<"screen"> {
    const { left, top } = this.stage.surface.getBoundingClientRect();
    return screenPoint(e.clientX - left, e.clientY - top);
  }
}
