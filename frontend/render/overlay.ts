/** The few things that are being edited, on a small 2D canvas: the box being drawn, handles, the mask under the
 *  brush. */
import { t } from "../locale/locale";
import { HANDLES, handleAt, type Box, type Handle } from "../geometry/box";
import { imagePoint, toScreen, type Camera, type Point } from "../geometry/frames";
import type { Patch } from "../geometry/mask";
import { rgb } from "./cell_style";
import { css, outlineOf, type Rgb } from "./outline_colour";

export type Sketch = {
  readonly box?: { readonly box: Box; readonly colour: string; readonly region: boolean };
  readonly handles?: Box;
  readonly patch?: { readonly patch: Patch; readonly colour: string };
  readonly brush?: { readonly at: Point<"screen">; readonly radius: number; readonly subtract: boolean };
  /** An outline, a cut, a lasso or a ruler. */
  readonly path?: {
    readonly points: readonly { x: number; y: number }[];
    readonly corners: boolean;
    readonly closed: boolean;
    readonly colour: string;
  };
  /** Clicks: inside a cell (+) or outside it (-). */
  readonly marks?: readonly { readonly at: Point<"image">; readonly inside: boolean }[];
  readonly note?: { readonly at: Point<"image">; readonly text: string };
  /** Several selected cells. */
  readonly many?: readonly Box[];
  /** Boxes whose mask is still being computed. */
  readonly promised?: readonly Box[];
  /** Strokes that fix pixels. */
  readonly strokes?: readonly { readonly patch: Patch; readonly foreground: boolean }[];
  /** Where others are. */
  readonly others?: readonly {
    readonly at: Point<"image"> | null;
    readonly box: Box | null;
    readonly name: string;
  }[];
  /** Regions to tint, so that "exhaustive" and "ignore" are seen without reading a list. */
  readonly ignored: readonly Box[];
};

export class Overlay {
  private readonly context: CanvasRenderingContext2D;
  private readonly scratch = document.createElement("canvas");

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d") as CanvasRenderingContext2D;
  }

  draw(sketch: Sketch, camera: Camera, dpr: number): void {
    const c = this.context;
    c.setTransform(dpr, 0, 0, dpr, 0, 0);
    c.clearRect(0, 0, this.canvas.width / dpr, this.canvas.height / dpr);
    this.drawAreas(sketch, camera);
    this.drawLines(sketch, camera);
    this.drawSigns(sketch, camera);
  }
  private drawAreas({ ignored, patch, strokes = [] }: Sketch, camera: Camera): void {
    for (const box of ignored) this.hatch(onScreen(box, camera));
    if (patch) this.patch(patch.patch, patch.colour, camera);
    for (const stroke of strokes)
      this.patch(stroke.patch, stroke.foreground ? "#56b4e9" : "#d55e00", camera, 120);
  }
  private drawLines({ many = [], promised = [], box, path }: Sketch, camera: Camera): void {
    const outlined = [...many, ...promised];
    if (outlined.length) this.many(outlined, camera);
    if (box) this.box(box, camera);
    if (path) this.path(path, camera);
  }
  private drawSigns({ marks = [], others = [], note, handles, brush }: Sketch, camera: Camera): void {
    for (const { at, inside } of marks) this.mark(toScreen(at, camera), inside);
    for (const other of others) this.other(other, camera);
    if (note) this.note(toScreen(note.at, camera), note.text);
    if (handles) this.handles(handles, camera);
    if (brush) this.brush(brush, camera);
  }

  private box({ box, colour, region }: NonNullable<Sketch["box"]>, camera: Camera): void {
    const c = this.context;
    const [x, y, w, h] = onScreen(box, camera);
    const { core, casing } = outlineOf(rgb(colour));
    c.lineWidth = 3.5;
    c.strokeStyle = css(casing);
    c.strokeRect(x, y, w, h);
    c.lineWidth = 1.5;
    c.strokeStyle = css(core);
    if (region) c.setLineDash([6, 4]);
    c.strokeRect(x, y, w, h);
    c.setLineDash([]);
  }

  private brush({ at, radius, subtract }: NonNullable<Sketch["brush"]>, camera: Camera): void {
    const c = this.context;
    c.beginPath();
    c.arc(at.x, at.y, Math.max(1, radius * camera.scale), 0, 2 * Math.PI);
    c.lineWidth = 3.5;
    c.strokeStyle = "#000";
    c.stroke();
    c.lineWidth = 1.5;
    c.strokeStyle = "#fff";
    c.stroke();
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo(at.x - 4, at.y);
    c.lineTo(at.x + 4, at.y);
    if (!subtract) {
      c.moveTo(at.x, at.y - 4);
      c.lineTo(at.x, at.y + 4);
    }
    c.stroke();
  }

  private many(boxes: readonly Box[], camera: Camera): void {
    const c = this.context;
    c.beginPath();
    for (const box of boxes) {
      const [x, y, w, h] = onScreen(box, camera);
      c.rect(x - 2, y - 2, w + 4, h + 4);
    }
    c.lineWidth = 3.5;
    c.strokeStyle = "#000";
    c.stroke();
    c.lineWidth = 1.5;
    c.strokeStyle = "#fff";
    c.stroke();
  }

  private path({ points, corners, closed, colour }: NonNullable<Sketch["path"]>, camera: Camera): void {
    const c = this.context;
    const places = points.map((p) => toScreen(imagePoint(p.x, p.y), camera));
    c.beginPath();
    places.forEach((p, i) => (i ? c.lineTo(p.x, p.y) : c.moveTo(p.x, p.y)));
    const { core, casing } = outlineOf(rgb(colour));
    c.lineWidth = 3.5;
    c.strokeStyle = css(casing);
    c.stroke();
    c.lineWidth = 1.5;
    c.strokeStyle = css(core);
    c.stroke();
    if (closed && places.length > 2) {
      c.setLineDash([3, 4]);
      c.beginPath();
      c.moveTo(places[places.length - 1].x, places[places.length - 1].y);
      c.lineTo(places[0].x, places[0].y);
      c.stroke();
      c.setLineDash([]);
    }
    if (!corners) return;
    for (const [i, p] of places.entries()) {
      c.beginPath();
      c.arc(p.x, p.y, i ? 2.5 : 4.5, 0, 2 * Math.PI);
      c.fillStyle = "#fff";
      c.fill();
      c.lineWidth = 1;
      c.strokeStyle = "#000";
      c.stroke();
    }
  }

  private mark(p: Point<"screen">, inside: boolean): void {
    const c = this.context;
    c.beginPath();
    c.arc(p.x, p.y, 6, 0, 2 * Math.PI);
    c.fillStyle = inside ? "#fff" : "#20262c";
    c.fill();
    c.lineWidth = 1.5;
    c.strokeStyle = inside ? "#20262c" : "#fff";
    c.stroke();
    c.beginPath();
    c.moveTo(p.x - 3, p.y);
    c.lineTo(p.x + 3, p.y);
    if (inside) {
      c.moveTo(p.x, p.y - 3);
      c.lineTo(p.x, p.y + 3);
    }
    c.stroke();
  }

  private note(p: Point<"screen">, text: string): void {
    const c = this.context;
    c.font = "600 12px system-ui, sans-serif";
    const width = c.measureText(text).width + 10;
    c.fillStyle = "rgba(20, 24, 28, 0.85)";
    c.fillRect(p.x + 10, p.y - 24, width, 19);
    c.fillStyle = "#fff";
    c.fillText(text, p.x + 15, p.y - 10);
  }

  private other({ at, box, name }: NonNullable<Sketch["others"]>[number], camera: Camera): void {
    const c = this.context;
    if (box) {
      const [x, y, w, h] = onScreen(box, camera);
      c.setLineDash([2, 3]);
      c.lineWidth = 2;
      c.strokeStyle = "#fff";
      c.strokeRect(x - 4, y - 4, w + 8, h + 8);
      c.strokeStyle = "#000";
      c.lineDashOffset = 2.5;
      c.strokeRect(x - 4, y - 4, w + 8, h + 8);
      c.setLineDash([]);
      c.lineDashOffset = 0;
      this.note(toScreen(imagePoint(box.x1, box.y0), camera), t("{name} is editing", { name }));
    }
    if (!at) return;
    const p = toScreen(at, camera);
    c.beginPath();
    c.moveTo(p.x, p.y);
    c.lineTo(p.x + 4, p.y + 13);
    c.lineTo(p.x + 12, p.y + 6);
    c.closePath();
    c.fillStyle = "#20262c";
    c.fill();
    c.lineWidth = 1.5;
    c.strokeStyle = "#fff";
    c.stroke();
    if (!box) this.note({ ...p, y: p.y + 34 }, name);
  }

  private handles(box: Box, camera: Camera): void {
    const c = this.context;
    const [, , w, h] = onScreen(box, camera);
    if (w < 12 && h < 12) return; // they would hide the cell
    const isSmall = Math.min(w, h) < SMALL_BOX;
    const size = isSmall ? 5 : 7;
    // Around a small cell they stand outside of it, and only at its corners.
    const away = isSmall ? size : 0;
    for (const handle of HANDLES) {
      if (isSmall && handle.length === 1) continue;
      const place = handleAt(box, handle);
      const p = toScreen(imagePoint(place.x, place.y), camera);
      const x = p.x + away * outwards(handle, "w", "e") - size / 2;
      const y = p.y + away * outwards(handle, "n", "s") - size / 2;
      c.fillStyle = "#fff";
      c.strokeStyle = "#000";
      c.lineWidth = 1;
      c.fillRect(x, y, size, size);
      c.strokeRect(x, y, size, size);
    }
  }

  /** Inside tinted, border pixels opaque and cased; drawn at one canvas pixel an image pixel and scaled without
   *  smoothing. */
  private patch(patch: Patch, colour: string, camera: Camera, inside = 72): void {
    if (!patch.width || !patch.height) return;
    const { width, height, pixels } = patch;
    const { core, casing } = outlineOf(rgb(colour));
    const [r, g, b] = core;
    // With a pixel of casing all around.
    const data = new ImageData(width + 2, height + 2);
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++) {
        if (!pixels[i]) continue;
        const isInside = isSurrounded(patch, x, y);
        const at = (y + 1) * (width + 2) + x + 1;
        if (!isInside) encase(data, at, casing);
        data.data.set([r, g, b, isInside ? inside : 255], 4 * at);
      }
    this.scratch.width = width + 2;
    this.scratch.height = height + 2;
    (this.scratch.getContext("2d") as CanvasRenderingContext2D).putImageData(data, 0, 0);
    const at = toScreen(imagePoint(patch.x - 1, patch.y - 1), camera);
    this.context.imageSmoothingEnabled = false;
    const [w, h] = [(width + 2) * camera.scale, (height + 2) * camera.scale];
    this.context.drawImage(this.scratch, at.x, at.y, w, h);
  }

  private hatch([x, y, w, h]: [number, number, number, number]): void {
    const c = this.context;
    c.save();
    c.beginPath();
    c.rect(x, y, w, h);
    c.clip();
    c.fillStyle = "rgba(32, 38, 44, 0.12)";
    c.fillRect(x, y, w, h);
    c.strokeStyle = "rgba(32, 38, 44, 0.45)";
    c.lineWidth = 1;
    c.beginPath();
    const [left, right] = [Math.max(x, -20), Math.min(x + w, this.canvas.width + 20)];
    const [top, bottom] = [Math.max(y, -20), Math.min(y + h, this.canvas.height + 20)];
    for (let d = Math.floor((left - bottom) / 14) * 14; d < right - top; d += 14) {
      c.moveTo(d + top, top);
      c.lineTo(d + bottom, bottom);
    }
    c.stroke();
    c.restore();
  }
}

/** Boxes narrower than this on the screen (CSS pixels) have their handles outside. */
const SMALL_BOX = 40;

/** -1: towards the first side, 1: towards the second, 0: the handle is on neither. */
const outwards = (handle: Handle, first: string, second: string): number =>
  Number(handle.includes(second)) - Number(handle.includes(first));

/** The pixels beside one of the border that are nothing yet; what is drawn later goes over them. */
function encase({ data, width }: ImageData, at: number, [r, g, b]: Rgb): void {
  for (const beside of [at - 1, at + 1, at - width, at + width])
    if (!data[4 * beside + 3]) data.set([r, g, b, 255], 4 * beside);
}

/** Whether the pixel's four neighbours are set too; beyond the patch nothing is. */
function isSurrounded({ width, height, pixels }: Patch, x: number, y: number): boolean {
  if (x === 0 || y === 0 || x === width - 1 || y === height - 1) return false;
  const i = y * width + x;
  return (pixels[i - 1] & pixels[i + 1] & pixels[i - width] & pixels[i + width]) !== 0;
}

function onScreen(box: Box, camera: Camera): [number, number, number, number] {
  const p = toScreen(imagePoint(box.x0, box.y0), camera);
  return [p.x, p.y, (box.x1 - box.x0) * camera.scale, (box.y1 - box.y0) * camera.scale];
}
