/** The picture: tissue below, cells by WebGL2 above it, a small canvas for what is being edited on top. One frame
 *  on demand, and of its three layers only those that would look different from the last one. */
import { t } from "../locale/locale";
import type { Box } from "../geometry/box";
import type { Camera, Point, Size } from "../geometry/frames";
import { cssOf, fromPage, toPage, turnedSize, UPRIGHT, type Place, type Turn } from "../geometry/turn";
import type { Cells } from "../scene/cells";
import type { ShownClass, Tiles } from "../scene/contract";
import { BoxDrawing } from "./boxes";
import { CarriedCanvas } from "./carried_canvas";
import { Bins, DensityDrawing } from "./density";
import { NoWebGL, type Outlines } from "./gl";
import { styleOf, type Focus } from "./cell_style";
import { CellColours } from "./colour_by";
import { palette } from "./palette";
import { RowsInView } from "./rows_in_view";
import { StyleTable } from "./style_table";
import { MaskDrawing } from "./masks";
import { Overlay, type Sketch } from "./overlay";
import { stainFilter } from "./stains";
import { Tissue } from "./tissue";

/** More changed places than this are drawn as one whole picture. */
const MOST_PARTS = 12;
/** Lines, halos and dots reach so far beyond what a row covers, device pixels at one device pixel a CSS pixel. */
const REACH = 8;

export class Viewport {
  readonly element = document.createElement("div");
  /** What is turned: the upright canvas. */
  private readonly upright = document.createElement("div");
  private readonly glCanvas = document.createElement("canvas");
  readonly surface = document.createElement("canvas");
  private readonly gl: WebGL2RenderingContext;
  private readonly overlay: Overlay;
  private readonly styles: StyleTable;
  private readonly rows: RowsInView;
  private readonly tissue: Tissue;
  private boxes: BoxDrawing;
  private masks: MaskDrawing;
  density: DensityDrawing;
  private focus: Focus = { selected: -1, hovered: -1, boxes: false, editing: -1 };
  private fill = false;
  private readonly defs = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly tissueElement = document.createElement("div");
  private scheduled = 0;
  private lost = false;
  /** A cell looks different from what is drawn: where, image pixels; "all": too many to tell. */
  private stale: Box[] | "all" = "all";
  /** From where the tissue is seen. */
  private shownFrom = "";
  private readonly carried: CarriedCanvas;
  private overlayEmpty = false;
  /** The selection is another one than that of the last picture. */
  private unshown = false;
  /** Bare tissue: nothing of ours is drawn. */
  peeking = false;
  /** Of the upright canvas, CSS pixels. */
  size: Size = { width: 1, height: 1 };
  private turn: Turn = UPRIGHT;
  masksShown = true;
  /** Cells are too small to be drawn one by one: the density picture stands for them. */
  isDensity = false;
  /** The row that the last full frame drew as selected. */
  shownSelected = -1;
  frames = 0;
  lastMilliseconds = 0;

  constructor(
    private readonly host: HTMLElement,
    private readonly cells: Cells,
    image: Size & { readonly pixels_url: string; readonly tiles?: Tiles | null },
    classes: ShownClass[],
    private readonly view: {
      camera: () => Camera;
      sketch: () => Sketch;
      onResize: () => void;
      onFrame: () => void;
    },
    private readonly colours = new CellColours({ classes, people: [], roundOf: () => null }),
  ) {
    this.element.className = "bw-viewport";
    const { tissueElement } = this;
    this.defs.setAttribute("class", "bw-defs");
    this.defs.setAttribute("aria-hidden", "true");
    for (const [child, name] of [
      [tissueElement, "bw-tissue"],
      [this.glCanvas, "bw-cells"],
      [this.surface, "bw-surface"],
    ] as const) {
      child.className = name;
      this.upright.append(child);
    }
    this.upright.className = "bw-upright";
    this.element.append(this.upright);
    this.host.append(this.element, this.defs);
    this.tissue = new Tissue(tissueElement, image, image);
    const gl = this.glCanvas.getContext("webgl2", {
      alpha: true,
      premultipliedAlpha: true,
      antialias: false,
      depth: false,
      preserveDrawingBuffer: true,
    });
    if (!gl) throw new NoWebGL(t("This browser cannot draw cells: WebGL 2 is switched off or missing."));
    this.gl = gl;
    this.styles = new StyleTable(palette(classes));
    this.rows = new RowsInView(cells);
    this.boxes = new BoxDrawing(gl, this.rows);
    this.masks = new MaskDrawing(gl, image);
    this.density = new DensityDrawing(gl, new Bins(image, palette(classes).outlines));
    this.overlay = new Overlay(this.surface);
    this.carried = new CarriedCanvas(this.glCanvas, () => this.invalidate());
    this.glCanvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // without this the browser never gives the context back
      this.lost = true;
    });
    this.glCanvas.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.styles.reset();
      const { solid, outlines } = this.masks;
      this.boxes = new BoxDrawing(gl, this.rows);
      this.masks = new MaskDrawing(gl, image);
      this.masks.solid = solid;
      this.boxes.outlines = this.masks.outlines = outlines;
      this.density = new DensityDrawing(gl, this.density.bins);
      this.stale = "all";
      this.invalidate();
    });
    cells.watch((row, before, after) => this.changed(row, before, after));
    for (let row = 0; row < cells.count; row++) this.restyle(row);
    new ResizeObserver(() => this.resize()).observe(this.element); // also tells the first size, after this constructor
  }

  get opened(): Promise<void> {
    return this.tissue.opened;
  }

  /** What is selected, hovered, edited; only the rows concerned are touched. */
  setFocus(focus: Focus): void {
    const was = this.focus;
    focus = { fill: this.fill, ...focus };
    const names = ["selected", "hovered", "boxes", "editing", "fill", "colourBy"] as const;
    if (names.every((name) => was[name] === focus[name])) return;
    this.focus = focus;
    if (was.selected !== focus.selected) this.unshown = true; // the selection is reported of a frame of its own
    if (was.boxes !== focus.boxes || was.fill !== focus.fill || was.colourBy !== focus.colourBy)
      for (let row = 0; row < this.cells.count; row++) this.restyle(row);
    else
      for (const row of new Set([
        was.selected,
        was.hovered,
        was.editing,
        focus.selected,
        focus.hovered,
        focus.editing,
      ]))
        if (row >= 0) this.restyle(row);
    this.invalidate();
  }

  /** Something may look different: a frame is due, which finds out what. */
  invalidate(): void {
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      this.frame();
    });
  }

  /** Other tiles of the same image, of other channels for example. */
  showTiles(tiles: Tiles & { readonly query?: string }): void {
    this.tissue.show(tiles);
  }

  /** Brightness, contrast and stain of the tissue; opacity, fill and width of outline (CSS pixels) of the cells. */
  setDisplay(display: {
    brightness: number;
    contrast: number;
    stain: "none" | "hematoxylin" | "eosin" | "dab";
    opacity: number;
    fill: boolean;
    outline: number;
  }): void {
    const filters = [];
    if (display.stain !== "none") {
      this.defs.innerHTML = stainFilter("bw-stain", display.stain);
      filters.push("url(#bw-stain)");
    }
    if (display.brightness !== 1) filters.push(`brightness(${display.brightness})`);
    if (display.contrast !== 1) filters.push(`contrast(${display.contrast})`);
    this.tissueElement.style.filter = filters.join(" ");
    this.glCanvas.style.opacity = String(display.opacity);
    this.setOutlines({ width: display.outline });
    this.setFocus({ ...this.focus, fill: display.fill });
    this.fill = display.fill;
    this.invalidate();
  }

  private setOutlines(outlines: Outlines): void {
    if (outlines.width === this.boxes.outlines.width) return;
    this.boxes.outlines = this.masks.outlines = outlines;
    this.stale = "all";
  }

  /** Opacity of areas that are painted whole; outlines stay as they are. */
  setSolid(opacity: number): void {
    this.masks.solid = opacity;
    this.stale = "all";
    this.invalidate();
  }

  /** In an animation frame already: draw what is due now instead of one frame later. */
  drawDue(): void {
    if (!this.scheduled) return;
    cancelAnimationFrame(this.scheduled);
    this.scheduled = 0;
    this.frame();
  }

  /** The outlines of the cells stand on the tissue: not hidden by a key, and not replaced by their density. */
  get areOutlinesShown(): boolean {
    return !this.peeking && !this.isDensity;
  }

  /** How many rows have anything drawn (in view or not). */
  drawn(): number {
    let total = 0;
    for (let row = 0; row < this.cells.count; row++) if (this.styles.isDrawn(row)) total++;
    return total;
  }

  /** `all`: also what looks the same as before, for measuring and after the canvases were emptied. */
  frame(all = false): void {
    const begun = performance.now();
    const camera = this.view.camera();
    const dpr = window.devicePixelRatio || 1;
    const from = `${camera.scale} ${camera.left} ${camera.top} ${dpr} ${this.peeking}`;
    const moved = all || from !== this.shownFrom;
    if (moved) this.tissue.follow(camera);
    this.shownFrom = from;
    this.showCells(camera, dpr, moved, all);
    this.drawSketch(camera, dpr, all);
    this.frames++;
    this.lastMilliseconds = performance.now() - begun;
    this.view.onFrame();
  }

  /** The cells where the camera sees them: drawn, or carried while the view moves and no cell has changed. */
  private showCells(camera: Camera, dpr: number, moved: boolean, all: boolean): void {
    const key = `${dpr} ${this.peeking}`;
    const isPure = moved && !all && !this.areCellsStale;
    const now = performance.now();
    if (isPure && this.carried.carry(camera, key, this.size, now)) return;
    const isElsewhere = moved || this.carried.isCarried;
    if (!isElsewhere && !this.areCellsStale) return;
    this.drawCells(camera, dpr, isElsewhere);
    this.carried.wasDrawn(camera, key, now);
  }

  private get areCellsStale(): boolean {
    return this.stale.length > 0 || this.unshown;
  }

  private drawSketch(camera: Camera, dpr: number, all: boolean): void {
    const sketch = this.peeking ? { ignored: [] } : this.view.sketch();
    const empty = isEmpty(sketch);
    if (all || !empty || !this.overlayEmpty) this.overlay.draw(sketch, camera, dpr);
    this.overlayEmpty = empty;
  }

  /** The whole picture when it is seen from elsewhere; else only the places where a cell looks different: a verdict
   *  changes three cells, and what stands around them is on the canvas already. */
  private drawCells(camera: Camera, dpr: number, moved: boolean): void {
    if (this.lost) return;
    const parts = moved || this.isDensity || this.peeking ? "all" : this.stale;
    this.stale = [];
    this.unshown = false;
    this.shownSelected = this.focus.selected;
    const { gl } = this;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    if (parts === "all") {
      this.drawPart(camera, dpr, null);
      return;
    }
    gl.enable(gl.SCISSOR_TEST);
    for (const part of parts) this.drawPart(camera, dpr, part);
    gl.disable(gl.SCISSOR_TEST);
  }

  private drawPart(camera: Camera, dpr: number, part: Box | null): void {
    const { gl } = this;
    let within: Box | null = null;
    if (part) {
      const scale = camera.scale * dpr;
      const reach = REACH * dpr;
      const left = Math.floor((part.x0 - camera.left) * scale - reach);
      const top = Math.floor((part.y0 - camera.top) * scale - reach);
      const right = Math.ceil((part.x1 - camera.left) * scale + reach);
      const bottom = Math.ceil((part.y1 - camera.top) * scale + reach);
      if (right <= 0 || bottom <= 0 || left >= gl.drawingBufferWidth || top >= gl.drawingBufferHeight) return;
      gl.scissor(left, gl.drawingBufferHeight - bottom, right - left, bottom - top);
      within = {
        x0: camera.left + left / scale,
        y0: camera.top + top / scale,
        x1: camera.left + right / scale,
        y1: camera.top + bottom / scale,
      };
    }
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (this.peeking) return;
    const dotsFit = this.boxes.gather(this.cells, this.styles, camera, dpr, within);
    this.masksShown = this.masks.draw(this.cells, this.styles, camera, dpr, within);
    this.isDensity = !dotsFit || !this.masksShown;
    if (this.isDensity) this.density.draw(camera, dpr);
    this.boxes.draw(this.styles, dpr);
  }

  /** Draw until the card has really finished: for measuring, never in the loop. */
  finish(): void {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  close(): void {
    cancelAnimationFrame(this.scheduled);
    this.carried.stop();
    this.tissue.close();
    this.element.remove();
  }

  private changed(row: number, before: Box | null, after: Box | null): void {
    const wasDrawn = this.styles.hasMask(row);
    const moved = before !== null || after !== null;
    this.restyle(row, moved);
    if (before) this.touch(before);
    if (moved) [before, after].forEach((box) => box && this.masks.touch(box));
    else if (wasDrawn !== this.styles.hasMask(row)) this.masks.touch(this.cells.extent(row));
    this.invalidate();
  }

  private touch(box: Box): void {
    if (this.stale === "all") return;
    if (this.stale.length >= MOST_PARTS) this.stale = "all";
    else this.stale.push(box);
  }

  private restyle(row: number, moved = false): void {
    if (!this.styles.set(row, styleOf(this.cells, row, this.colours, this.focus)) && !moved) return;
    this.density.restyle(this.cells, row, this.styles.bytes);
    this.touch(this.cells.extent(row));
  }

  /** Show the picture turned. The size of the canvas changes with a quarter turn, which `onResize` tells. */
  setTurn(turn: Turn): void {
    this.turn = turn;
    this.upright.style.transform = cssOf(turn);
    this.overlay.turn = turn;
    this.resize();
  }

  /** Put an element over the tissue and below the cells. */
  putOverTissue(element: HTMLElement): void {
    if (element.parentElement !== this.upright) this.tissueElement.after(element);
  }

  /** Which point of the canvas is seen at a place of the page, CSS pixels. */
  pointAt(event: { readonly clientX: number; readonly clientY: number }): Point<"screen"> {
    const frame = this.element.getBoundingClientRect();
    return fromPage({ x: event.clientX - frame.left, y: event.clientY - frame.top }, this.turn, frame);
  }

  /** Where a point of the canvas is seen, CSS pixels from the corner of the picture. */
  placeOf(point: Point<"screen">): Place {
    return toPage(point, this.turn, turnedSize(this.size, this.turn));
  }

  private resize(): void {
    const frame = this.element.getBoundingClientRect();
    const { width, height } = turnedSize(frame, this.turn);
    this.size = { width: Math.max(1, width), height: Math.max(1, height) };
    this.upright.style.width = `${width}px`;
    this.upright.style.height = `${height}px`;
    this.upright.style.left = `${(frame.width - width) / 2}px`;
    this.upright.style.top = `${(frame.height - height) / 2}px`;
    const dpr = window.devicePixelRatio || 1;
    for (const canvas of [this.glCanvas, this.surface]) {
      canvas.width = Math.max(1, Math.round(width * dpr));
      canvas.height = Math.max(1, Math.round(height * dpr));
    }
    this.view.onResize();
    this.frame(true); // at once: a resized canvas is blank, and blank for a frame is a flicker
  }
}

const isEmpty = (sketch: Sketch): boolean =>
  Object.values(sketch).every(
    (part) => part === undefined || part === null || (Array.isArray(part) && part.length === 0),
  );
