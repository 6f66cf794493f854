/** The tools beyond select and box: each feeds its state machine and carries out in the editor what it decides. */
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
import type { ToolName, Editor } from "../editor/editor";
import type { Pixels } from "../render/pixels";
import { SmartTool } from "./smart_tool";
import { colourOf, type Sizes, type ToolController } from "./tool_controller";

export function toolControllers(
  editor: Editor,
  pixels: Pixels,
  pick: (at: Point<"image">) => number[],
): Partial<Record<ToolName, ToolController>> {
  return {
    smart: new SmartTool(editor),
    polygon: new Polygon(editor),
    brush: new Brush(editor),
    wand: new Wand(editor, pixels),
    extremes: new Extremes(editor),
    stamp: new Stamp(editor),
    lasso: new Lasso(editor, pick),
    split: new Split(editor, pick),
    measure: new Ruler(editor),
  };
}

class Polygon implements ToolController {
  private state = polygon.IDLE;

  constructor(private readonly editor: Editor) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input, { reach, spacing }: Sizes): void {
    if (input.kind === "down" && this.state.kind === "idle") this.editor.begin();
    this.take(polygon.step(this.state, input, reach, spacing));
  }
  keep(): void {
    if (this.state.kind === "drawing" && this.state.vertices.length < 3)
      this.editor.toast(t("An outline needs three corners at least."));
    else this.take(polygon.finish(this.state));
  }
  back(): void {
    this.state = polygon.back(this.state);
  }
  private take(step: polygon.Step): void {
    this.state = step.state;
    if (step.full)
      this.editor.toast(
        t("An outline has at most {n} corners. Enter closes this one.", { n: polygon.MOST_VERTICES }),
      );
    if (step.dropped) this.editor.toast(t("An outline needs three corners at least."));
    if (!step.commit) return;
    const mask = pack(fill(step.commit, this.editor.opened.image));
    if (mask) this.editor.drawnMask(mask, "polygon");
    else this.editor.toast(t("Nothing of this lies inside the image."));
  }
  sketch(cursor: Point<"image"> | null): Partial<Sketch> {
    if (this.state.kind === "idle") return {};
    const points = cursor && !this.state.pressed ? [...this.state.vertices, cursor] : this.state.vertices;
    return {
      path: {
        points,
        corners: this.state.vertices.length < 400,
        closed: points.length > 2,
        colour: colourOf(this.editor),
      },
    };
  }
}

/** A new cell, or with Shift (add) and Alt (subtract) the selected one; each stroke is an operation of its own. */
class Brush implements ToolController {
  private state: brushTool.BrushState = brushTool.IDLE;
  private patch: Patch | null = null;
  private target = -1;
  private subtract = false;

  constructor(private readonly editor: Editor) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input): void {
    const { editor } = this;
    const { image } = editor.opened;
    if (input.kind === "cancel") {
      this.state = brushTool.IDLE;
      this.patch = null;
      return;
    }
    if (input.kind === "down" && this.state.kind === "idle") {
      const mode = input.alt ? "subtract" : input.shift ? "add" : editor.brushMode;
      const changes = mode !== "new" && editor.isOwnCell(editor.selected);
      if (mode === "subtract" && !changes) {
        editor.toast(t("Select one of your cells first: there is nothing to subtract from."));
        return;
      }
      this.target = changes ? editor.selected : -1;
      this.subtract = mode === "subtract";
      const mask = changes ? editor.cells.maskOf(this.target) : null;
      const box: Box = changes
        ? editor.cells.boxOf(this.target)
        : { x0: input.at.x, y0: input.at.y, x1: input.at.x, y1: input.at.y };
      this.patch = mask ? unpack(mask) : patchOver(box, image);
      if (changes && !mask && this.subtract) this.patch.pixels.fill(1); // from a box, what is not the cell is taken away
    }
    if (!this.patch) return;
    const plain = { ...input, alt: false, shift: false };
    const step = brushTool.step(this.state, plain, this.patch, {
      radius: editor.brushRadius,
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
      if (mask) this.editor.drawnMask(mask, "brush");
    } else if (mask) this.editor.reshaped(this.target, mask, "brush");
    else this.editor.toast(t("That would leave nothing of the cell. Del deletes it."));
  }
  sketch(): Partial<Sketch> {
    const colour =
      this.target >= 0
        ? (this.editor.classOf(this.editor.cells.labelClass[this.target])?.color ?? "#f0e442")
        : colourOf(this.editor);
    return this.patch ? { patch: { patch: this.patch, colour } } : {};
  }
}

class Wand implements ToolController {
  private state: wand.WandState = wand.IDLE;
  private patch: Patch | null = null;

  constructor(
    private readonly editor: Editor,
    private readonly pixels: Pixels,
  ) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input): void {
    const step = wand.step(this.state, input, this.editor.camera.scale);
    const before = this.state;
    this.state = step.state;
    if (step.state.kind === "growing") {
      if (before.kind !== "growing" || before.tolerance !== step.state.tolerance)
        this.grow(step.state.from, step.state.tolerance);
    } else if (step.commit) {
      this.grow(step.commit.from, step.commit.tolerance);
      const mask = this.patch && pack(this.patch);
      if (mask) this.editor.drawnMask(mask, "wand");
      else this.editor.toast(t("Nothing of this lies inside the image."));
    }
    if (step.state.kind === "idle") this.patch = null;
  }
  private grow(from: Point<"image">, tolerance: number): void {
    const window = this.pixels.around(from, 96);
    if (!window) {
      this.editor.toast(t("The pixels of this image are still on their way. Try again in a moment."));
      this.state = wand.IDLE;
      return;
    }
    const { rgba, ...place } = window;
    this.patch = alike(rgba, place, Math.floor(from.x) - place.x, Math.floor(from.y) - place.y, tolerance);
  }
  sketch(): Partial<Sketch> {
    return this.patch ? { patch: { patch: this.patch, colour: colourOf(this.editor) } } : {};
  }
}

class Extremes implements ToolController {
  private state = extremes.IDLE;

  constructor(private readonly editor: Editor) {}

  busy(): boolean {
    return this.state.points.length > 0;
  }
  feed(input: Input): void {
    if (input.kind === "down" && !this.busy()) this.editor.begin();
    const step = extremes.step(this.state, input, this.editor.opened.image);
    this.state = step.state;
    if (step.commit) this.editor.drawn(step.commit, null, "extremes");
    if (step.outside) this.editor.toast(t("Nothing of this lies inside the image."));
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
      box: { box, colour: colourOf(this.editor), region: false },
    };
  }
}

class Stamp implements ToolController {
  private state: stamp.StampState = stamp.IDLE;

  constructor(private readonly editor: Editor) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input): void {
    const step = stamp.step(this.state, input, this.editor.lastSize, this.editor.opened.image);
    this.state = step.state;
    if (step.commit) this.editor.drawn(step.commit, null, "stamp");
    if (step.outside) this.editor.toast(t("Nothing of this lies inside the image."));
  }
  sketch(cursor: Point<"image"> | null): Partial<Sketch> {
    const at = this.state.kind === "pressed" ? this.state.at : cursor;
    return at
      ? { box: { box: stamp.around(at, this.editor.lastSize), colour: colourOf(this.editor), region: false } }
      : {};
  }
}

class Lasso implements ToolController {
  private state: path.PathState = path.IDLE;

  constructor(
    private readonly editor: Editor,
    private readonly pick: (at: Point<"image">) => number[],
  ) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input, { spacing, slip }: Sizes): void {
    const { editor } = this;
    const step = path.step(this.state, input, spacing, slip);
    this.state = step.state;
    if (step.click) {
      editor.selectSeveral([]);
      editor.select(nextBelow(this.pick(step.click), editor.selected));
    }
    if (!step.commit) return;
    const { points, shift } = step.commit;
    const { cells } = editor;
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
    editor.selectSeveral(shift ? [...new Set([...editor.multiSelected, ...inside])] : inside);
  }
  sketch(): Partial<Sketch> {
    return this.state.kind === "idle"
      ? {}
      : { path: { points: this.state.points, corners: false, closed: true, colour: "#ffffff" } };
  }
}

class Split implements ToolController {
  private state: path.PathState = path.IDLE;

  constructor(
    private readonly editor: Editor,
    private readonly pick: (at: Point<"image">) => number[],
  ) {}

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  feed(input: Input, { spacing, slip }: Sizes): void {
    const { editor } = this;
    const step = path.step(this.state, input, spacing, slip);
    this.state = step.state;
    if (step.click) editor.select(nextBelow(this.pick(step.click), editor.selected));
    if (!step.commit) return;
    const { points } = step.commit;
    const middle = points[points.length >> 1];
    const chosen =
      editor.selected >= 0 && editor.cells.maskOf(editor.selected)
        ? editor.selected
        : this.pick(middle).find((row) => editor.cells.maskOf(row));
    if (chosen === undefined) editor.toast(t("Draw the cut across a cell that has a mask."));
    else editor.split(chosen, points);
  }
  sketch(): Partial<Sketch> {
    return this.state.kind === "idle"
      ? {}
      : { path: { points: this.state.points, corners: false, closed: false, colour: "#ffffff" } };
  }
}

class Ruler implements ToolController {
  private state = measure.IDLE;

  constructor(private readonly editor: Editor) {}

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
      note: { at: line[1], text: measure.lengthWords(lengthOf(line), this.editor.opened.image.um_per_px) },
    };
  }
}

/** Image point in the middle of the canvas: where a copy is put when no pointer is there. */
export const middleOf = (editor: Editor): Point<"image"> =>
  toImage({ x: editor.canvas.width / 2, y: editor.canvas.height / 2, frame: "screen" }, editor.camera);
