/** The tools beyond select and box: each feeds its state machine and does on the desk what it decides. */
import { t } from "../locale/locale";
import type { Box } from "../geometry/box";
import { toImage, type Point } from "../geometry/frames";
import { pack, patchOver, unpack, type Patch } from "../geometry/mask";
import { alike } from "../geometry/pieces";
import { boundsOf, fill, isInside, lengthOf } from "../geometry/polygon";
import type { Sketch } from "../render/overlay";
import * as brushTool from "../tools/brush";
import * as extremes from "../tools/extremes";
import type { Input } from "../tools/input";
import * as measure from "../tools/measure";
import * as path from "../tools/path";
import * as polygon from "../tools/polygon";
import { nextBelow } from "../tools/select";
import * as stamp from "../tools/stamp";
import * as wand from "../tools/wand";
import type { ToolName, Workspace } from "../workspace";
import type { Pixels } from "../render/pixels";
import { SmartTool } from "./smart_tool";
import { colourOf, type Sizes, type Wielded } from "./wielded";

export function wield(
  desk: Workspace,
  pixels: Pixels,
  pick: (at: Point<"image">) => number[],
): Partial<Record<ToolName, Wielded>> {
  return {
    smart: new SmartTool(desk),
    polygon: new Polygon(desk),
    brush: new Brush(desk),
    wand: new Wand(desk, pixels),
    extremes: new Extremes(desk),
    stamp: new Stamp(desk),
    lasso: new Lasso(desk, pick),
    split: new Split(desk, pick),
    measure: new Ruler(desk),
  };
}

class Polygon implements Wielded {
  private state = polygon.IDLE;

  constructor(private readonly desk: Workspace) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input, { reach, spacing }: Sizes): void {
    if (input.kind === "down" && this.state.kind === "idle") this.desk.begin();
    this.take(polygon.step(this.state, input, reach, spacing));
  }
  keep(): void {
    if (this.state.kind === "drawing" && this.state.vertices.length < 3)
      this.desk.toast(t("An outline needs three corners at least."));
    else this.take(polygon.finish(this.state));
  }
  back(): void {
    this.state = polygon.back(this.state);
  }
  private take(step: polygon.Step): void {
    this.state = step.state;
    if (step.full)
      this.desk.toast(
        t("An outline has at most {n} corners. Enter closes this one.", { n: polygon.MOST_VERTICES }),
      );
    if (step.dropped) this.desk.toast(t("An outline needs three corners at least."));
    if (!step.commit) return;
    const mask = pack(fill(step.commit, this.desk.opened.image));
    if (mask) this.desk.drawnMask(mask, "polygon");
    else this.desk.toast(t("Nothing of this lies inside the image."));
  }
  sketch(cursor: Point<"image"> | null): Partial<Sketch> {
    if (this.state.kind === "idle") return {};
    const points = cursor && !this.state.pressed ? [...this.state.vertices, cursor] : this.state.vertices;
    return {
      path: {
        points,
        corners: this.state.vertices.length < 400,
        closed: points.length > 2,
        colour: colourOf(this.desk),
      },
    };
  }
}

/** A new cell, or with Shift (add) and Alt (subtract) the selected one; each stroke is an operation of its own. */
class Brush implements Wielded {
  private state: brushTool.State = brushTool.IDLE;
  private patch: Patch | null = null;
  private target = -1;
  private subtract = false;

  constructor(private readonly desk: Workspace) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input): void {
    const { desk } = this;
    const { image } = desk.opened;
    if (input.kind === "cancel") {
      this.state = brushTool.IDLE;
      this.patch = null;
      return;
    }
    if (input.kind === "down" && this.state.kind === "idle") {
      const mode = input.alt ? "subtract" : input.shift ? "add" : desk.brushMode;
      const changes = mode !== "new" && desk.isOwnCell(desk.selected);
      if (mode === "subtract" && !changes) {
        desk.toast(t("Select one of your cells first: there is nothing to subtract from."));
        return;
      }
      this.target = changes ? desk.selected : -1;
      this.subtract = mode === "subtract";
      const mask = changes ? desk.cells.maskOf(this.target) : null;
      const box: Box = changes
        ? desk.cells.boxOf(this.target)
        : { x0: input.at.x, y0: input.at.y, x1: input.at.x, y1: input.at.y };
      this.patch = mask ? unpack(mask) : patchOver(box, image);
      if (changes && !mask && this.subtract) this.patch.pixels.fill(1); // from a box, what is not the cell is taken away
    }
    if (!this.patch) return;
    const plain = { ...input, alt: false, shift: false };
    const step = brushTool.step(this.state, plain, this.patch, {
      radius: desk.brushRadius,
      subtract: this.subtract,
      image,
    });
    this.state = step.state;
    this.patch = step.patch;
    if (step.stroke === "done") this.commit();
  }
  private commit(): void {
    const mask = this.patch && pack(this.patch);
    this.patch = null;
    if (this.target < 0) {
      if (mask) this.desk.drawnMask(mask, "brush");
    } else if (mask) this.desk.reshaped(this.target, mask, "brush");
    else this.desk.toast(t("That would leave nothing of the cell. Del deletes it."));
  }
  sketch(): Partial<Sketch> {
    const colour =
      this.target >= 0
        ? (this.desk.classOf(this.desk.cells.labelClass[this.target])?.color ?? "#f0e442")
        : colourOf(this.desk);
    return this.patch ? { patch: { patch: this.patch, colour } } : {};
  }
}

class Wand implements Wielded {
  private state: wand.State = wand.IDLE;
  private patch: Patch | null = null;

  constructor(
    private readonly desk: Workspace,
    private readonly pixels: Pixels,
  ) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input): void {
    const step = wand.step(this.state, input, this.desk.camera.scale);
    const before = this.state;
    this.state = step.state;
    if (step.state.kind === "growing") {
      if (before.kind !== "growing" || before.tolerance !== step.state.tolerance)
        this.grow(step.state.from, step.state.tolerance);
    } else if (step.commit) {
      this.grow(step.commit.from, step.commit.tolerance);
      const mask = this.patch && pack(this.patch);
      if (mask) this.desk.drawnMask(mask, "wand");
      else this.desk.toast(t("Nothing of this lies inside the image."));
    }
    if (step.state.kind === "idle") this.patch = null;
  }
  private grow(from: Point<"image">, tolerance: number): void {
    const window = this.pixels.around(from, 96);
    if (!window) {
      this.desk.toast(t("The pixels of this image are still on their way. Try again in a moment."));
      this.state = wand.IDLE;
      return;
    }
    const { rgba, ...place } = window;
    this.patch = alike(rgba, place, Math.floor(from.x) - place.x, Math.floor(from.y) - place.y, tolerance);
  }
  sketch(): Partial<Sketch> {
    return this.patch ? { patch: { patch: this.patch, colour: colourOf(this.desk) } } : {};
  }
}

class Extremes implements Wielded {
  private state = extremes.IDLE;

  constructor(private readonly desk: Workspace) {}

  busy(): boolean {
    return this.state.points.length > 0;
  }
  feed(input: Input): void {
    if (input.kind === "down" && !this.busy()) this.desk.begin();
    const step = extremes.step(this.state, input, this.desk.opened.image);
    this.state = step.state;
    if (step.commit) this.desk.drawn(step.commit, null, "extremes");
    if (step.outside) this.desk.toast(t("Nothing of this lies inside the image."));
  }
  back(): void {
    this.state = extremes.back(this.state);
  }
  sketch(cursor: Point<"image"> | null): Partial<Sketch> {
    const { points } = this.state;
    if (!points.length) return {};
    const box = boundsOf(cursor ? [...points, cursor] : points);
    return {
      marks: points.map((at) => ({ at, inside: true })),
      box: { box, colour: colourOf(this.desk), region: false },
    };
  }
}

class Stamp implements Wielded {
  private state: stamp.State = stamp.IDLE;

  constructor(private readonly desk: Workspace) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input): void {
    const step = stamp.step(this.state, input, this.desk.lastSize, this.desk.opened.image);
    this.state = step.state;
    if (step.commit) this.desk.drawn(step.commit, null, "stamp");
    if (step.outside) this.desk.toast(t("Nothing of this lies inside the image."));
  }
  sketch(cursor: Point<"image"> | null): Partial<Sketch> {
    const at = this.state.kind === "pressed" ? this.state.at : cursor;
    return at
      ? { box: { box: stamp.around(at, this.desk.lastSize), colour: colourOf(this.desk), region: false } }
      : {};
  }
}

class Lasso implements Wielded {
  private state: path.State = path.IDLE;

  constructor(
    private readonly desk: Workspace,
    private readonly pick: (at: Point<"image">) => number[],
  ) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input, { spacing, slip }: Sizes): void {
    const { desk } = this;
    const step = path.step(this.state, input, spacing, slip);
    this.state = step.state;
    if (step.click) {
      desk.selectMany([]);
      desk.select(nextBelow(this.pick(step.click), desk.selected));
    }
    if (!step.commit) return;
    const { points, shift } = step.commit;
    const { cells } = desk;
    const inside = cells.near(boundsOf(points)).filter((row) => {
      if (
        !cells.isShown(row) ||
        cells.kindOf(row) !== "cell" ||
        (!cells.isMine(row) && !cells.isProposal(row))
      )
        return false;
      const { x0, y0, x1, y1 } = cells.boxOf(row);
      return isInside(points, { x: (x0 + x1) / 2, y: (y0 + y1) / 2 });
    });
    desk.selectMany(shift ? [...new Set([...desk.many, ...inside])] : inside);
  }
  sketch(): Partial<Sketch> {
    return this.state.kind === "idle"
      ? {}
      : { path: { points: this.state.points, corners: false, closed: true, colour: "#ffffff" } };
  }
}

class Split implements Wielded {
  private state: path.State = path.IDLE;

  constructor(
    private readonly desk: Workspace,
    private readonly pick: (at: Point<"image">) => number[],
  ) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input, { spacing, slip }: Sizes): void {
    const { desk } = this;
    const step = path.step(this.state, input, spacing, slip);
    this.state = step.state;
    if (step.click) desk.select(nextBelow(this.pick(step.click), desk.selected));
    if (!step.commit) return;
    const { points } = step.commit;
    const middle = points[points.length >> 1];
    const chosen =
      desk.selected >= 0 && desk.cells.maskOf(desk.selected)
        ? desk.selected
        : this.pick(middle).find((row) => desk.cells.maskOf(row));
    if (chosen === undefined) desk.toast(t("Draw the cut across a cell that has a mask."));
    else desk.split(chosen, points);
  }
  sketch(): Partial<Sketch> {
    return this.state.kind === "idle"
      ? {}
      : { path: { points: this.state.points, corners: false, closed: false, colour: "#ffffff" } };
  }
}

class Ruler implements Wielded {
  private state = measure.IDLE;

  constructor(private readonly desk: Workspace) {}

  busy(): boolean {
    return this.state.line !== null;
  }
  feed(input: Input): void {
    this.state = measure.step(this.state, input);
  }
  back(): void {
    this.state = measure.IDLE;
  }
  sketch(): Partial<Sketch> {
    const { line } = this.state;
    if (!line) return {};
    return {
      path: { points: line, corners: true, closed: false, colour: "#ffffff" },
      note: { at: line[1], text: measure.lengthWords(lengthOf(line), this.desk.opened.image.um_per_px) },
    };
  }
}

/** Image point in the middle of the canvas: where a copy is put when no pointer is there. */
export const middleOf = (desk: Workspace): Point<"image"> =>
  toImage({ x: desk.canvas.width / 2, y: desk.canvas.height / 2, frame: "screen" }, desk.camera);
