/** Hands on the canvas: pointer events (mouse, pen, touch) become inputs of the tool in hand; pan, zoom and pinch. */
import type { Box } from "../geometry/box";
import { panBy, screenPoint, toImage, zoomAt, type Point } from "../geometry/frames";
import { patchOver, type Patch } from "../geometry/mask";
import { REGION_COLOUR, type Focus } from "../render/look";
import type { Sketch } from "../render/overlay";
import type { Stage } from "../render/stage";
import * as boxTool from "../tools/box";
import * as brushTool from "../tools/brush";
import { pinch, wheelFactor, type Fingers } from "../tools/hand";
import type { Input } from "../tools/input";
import * as selectTool from "../tools/select";
import { BrowserPrompter } from "../prompter/browser";
import { Pixels } from "../render/pixels";
import { wield, type Sizes, type Wielded } from "./wield";
import type { Workspace } from "../workspace";

/** CSS pixels. A finger covers more than a mouse's point. */
const REACH = { mouse: 6, pen: 9, touch: 18 } as const;
const SLIP = { mouse: 3, pen: 4, touch: 8 } as const;

export class Hands {
  private box: boxTool.State = boxTool.IDLE;
  private select: selectTool.State = selectTool.IDLE;
  private brush: brushTool.State = brushTool.IDLE;
  /** The stroke that fixes pixels, while it is drawn. */
  private fixing: { patch: Patch; foreground: boolean } | null = null;
  private readonly wielded: ReturnType<typeof wield>;
  private readonly pointers = new Map<number, Point<"screen">>();
  private panning: { id: number; at: Point<"screen"> } | null = null;
  /** The pointer that works; others are fingers of a pinch. */
  private working: number | null = null;
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
    surface.addEventListener("pointerup", (e) => this.up(e));
    surface.addEventListener("pointercancel", (e) => this.lost(e));
    surface.addEventListener("lostpointercapture", (e) => this.lost(e));
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
    this.working = null;
    return busy;
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
    this.held?.keep?.();
  }
  back(): void {
    this.held?.back?.();
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
      many: desk.many.map((row) => cells.extent(row)),
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
    this.pointers.set(e.pointerId, at);
    this.kind = e.pointerType === "touch" ? "touch" : e.pointerType === "pen" ? "pen" : "mouse";
    try {
      this.stage.surface.setPointerCapture(e.pointerId);
    } catch {
      // The pointer is gone already (a tap between two events): what follows comes without capture.
    }
    this.desk.recorder.record("pointer_down", undefined, e.timeStamp);
    if (this.pointers.size === 2) {
      this.cancel(); // the first finger was the beginning of a pinch, not a box
      return;
    }
    if (this.pointers.size > 2) return;
    if (e.button === 1 || (e.button === 0 && this.panHeld)) {
      this.panning = { id: e.pointerId, at };
      this.stage.surface.classList.add("is-panning");
      e.preventDefault();
    } else if (
      e.button === 0 ||
      e.button === 5 ||
      (e.button === 2 && this.desk.tool === "smart" && !this.desk.editing)
    ) {
      this.working = e.pointerId;
      if (!this.desk.editing && !this.busy) this.desk.begin();
      this.feed({
        kind: "down",
        at: toImage(at, this.desk.camera),
        shift: e.shiftKey,
        alt: e.altKey || e.button !== 0,
      });
    }
    this.stage.invalidate();
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
    if (before && this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== e.pointerId)?.[1] as Point<"screen">;
      const { camera, opened, canvas } = this.desk;
      const fingers = (p: Point<"screen">): Fingers => [p, other];
      this.desk.look(pinch(camera, fingers(before), fingers(at), opened.image, canvas));
    } else if (this.panning?.id === e.pointerId) {
      const { camera, opened, canvas } = this.desk;
      this.desk.look(panBy(camera, at.x - this.panning.at.x, at.y - this.panning.at.y, opened.image, canvas));
      this.panning.at = at;
    } else if (this.working === e.pointerId) {
      // A brush needs the points between two frames too; a box does not mind them.
      for (const step of e.getCoalescedEvents().concat(e).slice(-64))
        this.feed({
          kind: "move",
          at: toImage(this.place(step), this.desk.camera),
          shift: e.shiftKey,
          alt: e.altKey,
        });
    } else if (!before)
      this.hover(
        this.desk.tool === "select" && !this.desk.editing
          ? (this.pick(toImage(at, this.desk.camera))[0] ?? -1)
          : -1,
      );
    if (before || this.desk.editing || this.held) this.stage.invalidate();
  }

  private up(e: PointerEvent): void {
    const at = this.place(e);
    this.desk.recorder.record("pointer_up", undefined, e.timeStamp);
    this.pointers.delete(e.pointerId);
    if (this.panning?.id === e.pointerId) this.endPan();
    if (this.working === e.pointerId) {
      this.working = null;
      this.feed({ kind: "up", at: toImage(at, this.desk.camera), shift: e.shiftKey, alt: e.altKey });
    }
    this.stage.invalidate();
  }

  private lost(e: PointerEvent): void {
    this.pointers.delete(e.pointerId);
    if (this.panning?.id === e.pointerId) this.endPan();
    if (this.working === e.pointerId) this.cancel();
    this.stage.invalidate();
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
