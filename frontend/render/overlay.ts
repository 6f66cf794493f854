/** The few things that are being edited, on a small 2D canvas: the box being drawn, handles, the mask under the
 *  brush. */
import { t } from "../locale/locale";
import { HANDLES, handleAt, type Box, type Handle } from "../geometry/box";
import { imagePoint, toScreen, type Camera, type Point } from "../geometry/frames";
import type { Patch } from "../geometry/mask";
import { stepFromPage, UPRIGHT, type Place, type Turn } from "../geometry/turn";
import { rgb } from "./palette";
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
    /** Absent: it belongs to no class. */
    readonly colour?: string;
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
  /** Around the cell that a study's reader works on. */
  readonly marked?: Box;
};

/** Colours of marks on tissue. tokens.css has them. */
type Colours = {
  readonly dark: string;
  readonly light: string;
  /** Of strokes that fix pixels. */
  readonly cell: string;
  readonly background: string;
};

function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const token = (name: string) => style.getPropertyValue(name).trim();
  return {
    dark: token("--mark-dark"),
    light: token("--mark-light"),
    cell: token("--mark-cell"),
    background: token("--mark-background"),
  };
}

export class Overlay {
  private readonly context: CanvasRenderingContext2D;
  private readonly scratch = document.createElement("canvas");
  private readonly colours: Colours;
  /** How the canvas is turned where it is seen: words are drawn upright there. */
  turn: Turn = UPRIGHT;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d") as CanvasRenderingContext2D;
    this.colours = coloursOf(canvas);
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
      this.patch(stroke.patch, stroke.foreground ? this.colours.cell : this.colours.background, camera, 120);
  }
  private drawLines({ many = [], promised = [], box, path, marked }: Sketch, camera: Camera): void {
    if (marked) this.frame(onScreen(marked, camera));
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
    c.strokeStyle = this.colours.dark;
    c.stroke();
    c.lineWidth = 1.5;
    c.strokeStyle = this.colours.light;
    c.stroke();
    c.lineWidth = 2;
    this.upright(at, () => this.sign(4, !subtract));
  }
  /** Plus or minus. */
  private sign(reach: number, isPlus: boolean): void {
    const c = this.context;
    c.beginPath();
    c.moveTo(-reach, 0);
    c.lineTo(reach, 0);
    if (isPlus) {
      c.moveTo(0, -reach);
      c.lineTo(0, reach);
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
    c.strokeStyle = this.colours.dark;
    c.stroke();
    c.lineWidth = 1.5;
    c.strokeStyle = this.colours.light;
    c.stroke();
  }

  private path({ points, corners, closed, colour }: NonNullable<Sketch["path"]>, camera: Camera): void {
    const c = this.context;
    const places = points.map((p) => toScreen(imagePoint(p.x, p.y), camera));
    c.beginPath();
    places.forEach((p, i) => (i ? c.lineTo(p.x, p.y) : c.moveTo(p.x, p.y)));
    const { core, casing } = outlineOf(rgb(colour ?? this.colours.light));
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
      c.fillStyle = this.colours.light;
      c.fill();
      c.lineWidth = 1;
      c.strokeStyle = this.colours.dark;
      c.stroke();
    }
  }

  private mark(p: Point<"screen">, inside: boolean): void {
    const c = this.context;
    const { dark, light } = this.colours;
    c.beginPath();
    c.arc(p.x, p.y, 6, 0, 2 * Math.PI);
    c.fillStyle = inside ? light : dark;
    c.fill();
    c.lineWidth = 1.5;
    c.strokeStyle = inside ? dark : light;
    c.stroke();
    this.upright(p, () => this.sign(3, inside));
  }

  /** Draw about a point as if the canvas stood upright. */
  private upright(p: Place, draw: () => void): void {
    const c = this.context;
    const [right, down] = [stepFromPage({ x: 1, y: 0 }, this.turn), stepFromPage({ x: 0, y: 1 }, this.turn)];
    c.save();
    c.transform(right.x, right.y, down.x, down.y, p.x, p.y);
    draw();
    c.restore();
  }

  /** A label right above the point. */
  private note(p: Place, text: string, below = 0): void {
    this.upright(p, () => this.label(text, below));
  }
  private label(text: string, below: number): void {
    const c = this.context;
    c.font = "600 12px system-ui, sans-serif";
    const width = c.measureText(text).width + 10;
    c.fillStyle = this.colours.dark;
    c.globalAlpha = 0.85;
    c.fillRect(10, below - 24, width, 19);
    c.globalAlpha = 1;
    c.fillStyle = this.colours.light;
    c.fillText(text, 15, below - 10);
  }

  private other({ at, box, name }: NonNullable<Sketch["others"]>[number], camera: Camera): void {
    const c = this.context;
    if (box) {
      const [x, y, w, h] = onScreen(box, camera);
      c.setLineDash([2, 3]);
      c.lineWidth = 2;
      c.strokeStyle = this.colours.light;
      c.strokeRect(x - 4, y - 4, w + 8, h + 8);
      c.strokeStyle = this.colours.dark;
      c.lineDashOffset = 2.5;
      c.strokeRect(x - 4, y - 4, w + 8, h + 8);
      c.setLineDash([]);
      c.lineDashOffset = 0;
      this.note(toScreen(imagePoint(box.x1, box.y0), camera), t("{name} is editing", { name }));
    }
    if (!at) return;
    const p = toScreen(at, camera);
    this.upright(p, () => this.arrow());
    if (!box) this.note(p, name, 34);
  }
  /** A colleague's pointer. */
  private arrow(): void {
    const c = this.context;
    c.beginPath();
    c.moveTo(0, 0);
    c.lineTo(4, 13);
    c.lineTo(12, 6);
    c.closePath();
    c.fillStyle = this.colours.dark;
    c.fill();
    c.lineWidth = 1.5;
    c.strokeStyle = this.colours.light;
    c.stroke();
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
      c.fillStyle = this.colours.light;
      c.strokeStyle = this.colours.dark;
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

  /** A dashed frame in both marks, seen on dark and light tissue. */
  private frame([x, y, w, h]: [number, number, number, number]): void {
    const c = this.context;
    c.save();
    c.lineWidth = 2;
    c.strokeStyle = this.colours.light;
    c.strokeRect(x, y, w, h);
    c.setLineDash([8, 6]);
    c.strokeStyle = this.colours.dark;
    c.strokeRect(x, y, w, h);
    c.restore();
  }

  private hatch([x, y, w, h]: [number, number, number, number]): void {
    const c = this.context;
    c.save();
    c.beginPath();
    c.rect(x, y, w, h);
    c.clip();
    c.globalAlpha = 0.12;
    c.fillStyle = this.colours.dark;
    c.fillRect(x, y, w, h);
    c.globalAlpha = 0.45;
    c.strokeStyle = this.colours.dark;
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
