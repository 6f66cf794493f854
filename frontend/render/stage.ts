/** The picture: tissue below, cells by WebGL2 above it, a small canvas for what is being edited on top. One frame on demand. */
import type { Box } from "../geometry/box";
import type { Camera, Size } from "../geometry/frames";
import type { Cells } from "../scene/cells";
import type { LabelClass } from "../scene/contract";
import { BoxDrawing } from "./boxes";
import { NoWebGL } from "./gl";
import { lookOf, palette, paletteIndex, type Focus } from "./look";
import { Looks } from "./looks";
import { MaskDrawing } from "./masks";
import { Overlay, type Sketch } from "./overlay";
import { stainFilter } from "./stains";
import { Tissue } from "./tissue";

export class Stage {
  readonly element = document.createElement("div");
  private readonly glCanvas = document.createElement("canvas");
  readonly surface = document.createElement("canvas");
  private readonly gl: WebGL2RenderingContext;
  private readonly overlay: Overlay;
  private readonly looks: Looks;
  private readonly places: Map<number, number>;
  private readonly tissue: Tissue;
  private boxes: BoxDrawing;
  private masks: MaskDrawing;
  private focus: Focus = { selected: -1, hovered: -1, boxes: false, editing: -1 };
  private fill = false;
  private readonly defs = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly tissueElement = document.createElement("div");
  private scheduled = 0;
  private lost = false;
  private stale = true;
  /** Bare tissue: nothing of ours is drawn. */
  peeking = false;
  size: Size = { width: 1, height: 1 };
  masksShown = true;
  /** The row that the last full frame drew as selected. */
  shownSelected = -1;
  frames = 0;
  lastMilliseconds = 0;

  constructor(
    private readonly host: HTMLElement,
    private readonly cells: Cells,
    image: Size & { readonly pixels_url: string; readonly tiles_url?: string | null },
    classes: LabelClass[],
    private readonly view: { camera: () => Camera; sketch: () => Sketch; onResize: () => void; onFrame: () => void },
  ) {
    this.element.className = "bw-stage";
    const { tissueElement } = this;
    this.defs.setAttribute("class", "bw-defs");
    this.defs.setAttribute("aria-hidden", "true");
    for (const [child, name] of [
      [tissueElement, "bw-tissue"],
      [this.glCanvas, "bw-cells"],
      [this.surface, "bw-surface"],
    ] as const) {
      child.className = name;
      this.element.append(child);
    }
    this.host.append(this.element, this.defs);
    this.tissue = new Tissue(tissueElement, image, image);
    const gl = this.glCanvas.getContext("webgl2", { alpha: true, premultipliedAlpha: true, antialias: false, depth: false });
    if (!gl) throw new NoWebGL("This browser cannot draw cells: WebGL 2 is switched off or missing.");
    this.gl = gl;
    this.looks = new Looks(palette(classes));
    this.places = paletteIndex(classes);
    this.boxes = new BoxDrawing(gl);
    this.masks = new MaskDrawing(gl, image);
    this.overlay = new Overlay(this.surface);
    this.glCanvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // without this the browser never gives the context back
      this.lost = true;
    });
    this.glCanvas.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.looks.reset();
      this.boxes = new BoxDrawing(gl);
      this.masks = new MaskDrawing(gl, image);
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
    const names = ["selected", "hovered", "boxes", "editing", "fill"] as const;
    if (names.every((name) => was[name] === focus[name])) return;
    this.focus = focus;
    if (was.boxes !== focus.boxes || was.fill !== focus.fill) for (let row = 0; row < this.cells.count; row++) this.restyle(row);
    else
      for (const row of new Set([was.selected, was.hovered, was.editing, focus.selected, focus.hovered, focus.editing]))
        if (row >= 0) this.restyle(row);
    this.invalidate();
  }

  /** "sketch": only what is being edited has changed, the cells stand as they were drawn. */
  invalidate(what: "all" | "sketch" = "all"): void {
    if (what === "all") this.stale = true;
    if (this.scheduled) return;
    this.scheduled = requestAnimationFrame(() => {
      this.scheduled = 0;
      this.frame(this.stale);
    });
  }

  /** Brightness, contrast and stain of the tissue, opacity and fill of the cells. */
  dress(look: { brightness: number; contrast: number; stain: "none" | "hematoxylin" | "eosin" | "dab"; opacity: number; fill: boolean }): void {
    const filters = [];
    if (look.stain !== "none") {
      this.defs.innerHTML = stainFilter("bw-stain", look.stain);
      filters.push("url(#bw-stain)");
    }
    if (look.brightness !== 1) filters.push(`brightness(${look.brightness})`);
    if (look.contrast !== 1) filters.push(`contrast(${look.contrast})`);
    this.tissueElement.style.filter = filters.join(" ");
    this.glCanvas.style.opacity = String(look.opacity);
    this.setFocus({ ...this.focus, fill: look.fill });
    this.fill = look.fill;
    this.invalidate();
  }

  /** In an animation frame already: draw what is due now instead of one frame later. */
  drawDue(): void {
    if (!this.scheduled) return;
    cancelAnimationFrame(this.scheduled);
    this.scheduled = 0;
    this.frame(this.stale);
  }

  /** How many rows have anything drawn (in view or not). */
  drawn(): number {
    let total = 0;
    for (let row = 0; row < this.cells.count; row++) if (this.looks.isDrawn(row)) total++;
    return total;
  }

  frame(all = true): void {
    const begun = performance.now();
    const camera = this.view.camera();
    const dpr = window.devicePixelRatio || 1;
    if (all) this.tissue.follow(camera);
    if (all && !this.lost) {
      this.stale = false;
      this.shownSelected = this.focus.selected;
      const { gl } = this;
      gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      if (!this.peeking) {
        this.masksShown = this.masks.draw(this.cells, this.looks, camera, dpr);
        this.boxes.draw(this.cells, this.looks, camera, dpr);
      }
    }
    this.overlay.draw(this.peeking ? { ignored: [] } : this.view.sketch(), camera, dpr);
    this.frames++;
    this.lastMilliseconds = performance.now() - begun;
    this.view.onFrame();
  }

  /** Draw until the card has really finished: for measuring, never in the loop. */
  finish(): void {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  close(): void {
    cancelAnimationFrame(this.scheduled);
    this.tissue.close();
    this.element.remove();
  }

  private changed(row: number, before: Box | null, after: Box | null): void {
    this.restyle(row);
    for (const box of before || after ? [before, after] : [this.cells.extent(row)]) if (box) this.masks.touch(box);
    this.invalidate();
  }

  private restyle(row: number): void {
    this.looks.set(row, lookOf(this.cells, row, this.places, this.focus));
  }

  private resize(): void {
    const { width, height } = this.element.getBoundingClientRect();
    this.size = { width: Math.max(1, width), height: Math.max(1, height) };
    const dpr = window.devicePixelRatio || 1;
    for (const canvas of [this.glCanvas, this.surface]) {
      canvas.width = Math.max(1, Math.round(width * dpr));
      canvas.height = Math.max(1, Math.round(height * dpr));
    }
    this.view.onResize();
    this.frame(); // at once: a resized canvas is blank, and blank for a frame is a flicker
  }
}
