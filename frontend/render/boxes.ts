/** Boxes: what is in view is gathered into typed arrays each frame and drawn in one call per kind of size.
 *
 *  Gathering costs about a millisecond per 10,000 boxes and keeps the card's work to what is seen; it also makes the
 *  coordinates relative to the view, so that 32-bit floats are exact enough on a whole slide. The vertices find their
 *  box by gl_VertexID in a texture: drawing instances instead is ten times slower in software (SwiftShader sets up
 *  every instance like a draw call of its own; measured) and no faster on a card.
 *  Nothing is ever sampled: a box too small for a frame is a dot. */
import type { Box } from "../geometry/box";
import type { Camera } from "../geometry/frames";
import type { Cells } from "../scene/cells";
import {
  casingOf,
  LINE_GLSL,
  nearest,
  PLAIN_OUTLINES,
  program,
  reachOf,
  uniforms,
  type Outlines,
} from "./gl";
import type { RowsInView } from "./rows_in_view";
import type { StyleTable } from "./style_table";

const WIDTH = 1024;
/** Of the disc of a cell that is a point, CSS pixels. */
export const POINT_RADIUS = 4;

/** `corners`: how many vertices make one box. */
const head = (corners: number) => `
uniform highp sampler2D uBoxes;       // relative to the picture's top left, device pixels
uniform highp usampler2D uBoxStyles;   // colour, mask line, box line, flags
uniform sampler2D uPalette;
uniform vec2 uCanvas;                 // device pixels
flat out uvec4 vStyle;
flat out vec3 vColour;
flat out vec3 vCasing;
${LINE_GLSL}
vec4 onCanvas(vec2 place) { vec2 clip = place / uCanvas * 2.0 - 1.0; return vec4(clip.x, -clip.y, 0.0, 1.0); }
vec4 fetchBox() {
  int box = gl_VertexID / ${corners};
  ivec2 at = ivec2(box % ${WIDTH}, box / ${WIDTH});
  vStyle = texelFetch(uBoxStyles, at, 0);
  vec4 colours = texelFetch(uPalette, ivec2(int(vStyle.r), 0), 0);
  vColour = colours.rgb;
  vCasing = vec3(colours.a);
  return texelFetch(uBoxes, at, 0);
}
vec2 cornerOf(int n) { int c = n % 4; return vec2(c == 1 || c == 2 ? 1.0 : 0.0, c >= 2 ? 1.0 : 0.0); }
`;

/** A ring of four quads, for lines of any width. */
const RING_VERTEX = `${head(24)}
flat out vec2 vSize;
out vec2 vPlace;                      // from the box's top left, device pixels
void main() {
  vec4 box = fetchBox();
  vSize = box.zw - box.xy;
  bool selected = (vStyle.a & 1u) != 0u;
  float core = 0.5 * coreOf(selected, (vStyle.a & 2u) != 0u);
  float w = core + uCasing;                                                             // outwards
  float v = selected ? w : core;                                                        // inwards
  int n = gl_VertexID % 24;
  int side = n / 6, k = n % 6;
  bool second = k == 1 || k == 4 || k == 5;                                            // which end of the side
  bool inner = k == 2 || k == 3 || k == 5;
  vec2 unit = cornerOf(side + (second ? 1 : 0));
  float outward = inner ? -min(v, min(vSize.x, vSize.y) * 0.5) : w;
  vPlace = unit * vSize + (unit * 2.0 - 1.0) * outward;
  gl_Position = onCanvas(box.xy + vPlace);
}`;

const RING_FRAGMENT = `
${LINE_GLSL}
flat in uvec4 vStyle;
flat in vec3 vColour;
flat in vec3 vCasing;
flat in vec2 vSize;
in vec2 vPlace;
out vec4 colour;
void main() {
  vec2 inside = min(vPlace, vSize - vPlace);                          // from the nearer side; negative beyond the box
  float off = abs(min(inside.x, inside.y));
  float along = inside.x < inside.y ? vPlace.y : vPlace.x;
  bool core = off <= 0.5 * coreOf((vStyle.a & 1u) != 0u, (vStyle.a & 2u) != 0u) && inDash(vStyle.b, along);
  colour = vec4(core ? vColour : vCasing, 1.0);
}`;

/** Four lines, one device pixel wide. Drawn twice: the casings just outside of the boxes, then the cores. */
const LINE_VERTEX = `${head(8)}
uniform float uOutside;               // 1: the casings, 0: the cores
out float vAlong;
void main() {
  vec4 box = fetchBox();
  vec2 size = box.zw - box.xy;
  int n = gl_VertexID % 8;
  int corner = n / 2 + n % 2;
  vAlong = float(corner / 2) * (size.x + size.y) + float(corner % 2) * size.x;
  vec2 unit = cornerOf(corner);
  gl_Position = onCanvas(floor(box.xy + unit * size) + 0.5 + uOutside * (unit * 2.0 - 1.0));
}`;

const LINE_FRAGMENT = `
${LINE_GLSL}
uniform float uOutside;
flat in uvec4 vStyle;
flat in vec3 vColour;
flat in vec3 vCasing;
in float vAlong;
out vec4 colour;
void main() {
  bool core = uOutside == 0.0 && (vStyle.b == 1u || inDash(vStyle.b, vAlong));
  colour = vec4(core ? vColour : vCasing, 1.0);
}`;

/** The same frame of lines and casing, as one square point whose inside is left out: a sixteenth of the vertices. */
const FRAME_VERTEX = `${head(1)}
flat out vec4 vFrame;                 // first and last pixel of the frame, from the bottom left as gl_FragCoord
void main() {
  vec4 box = floor(fetchBox());
  vFrame = vec4(box.x, uCanvas.y - 1.0 - box.w, box.z, uCanvas.y - 1.0 - box.y);
  gl_PointSize = max(box.z - box.x, box.w - box.y) + 5.0;
  gl_Position = onCanvas((box.xy + box.zw + 1.0) * 0.5);
}`;

const FRAME_FRAGMENT = `
${LINE_GLSL}
flat in uvec4 vStyle;
flat in vec3 vColour;
flat in vec3 vCasing;
flat in vec4 vFrame;
out vec4 colour;
void main() {
  vec2 place = floor(gl_FragCoord.xy);
  vec2 border = min(place - vFrame.xy, vFrame.zw - place);
  float off = min(border.x, border.y);                                // 0: the frame, -1: the casing around it
  if (abs(off + 0.5) > 0.5) discard;
  float along = border.x == 0.0 ? place.y - vFrame.y : place.x - vFrame.x;
  bool core = off == 0.0 && (vStyle.b == 1u || inDash(vStyle.b, along));
  colour = vec4(core ? vColour : vCasing, 1.0);
}`;

const DOT_VERTEX = `${head(1)}
void main() {
  vec4 box = fetchBox();
  vec2 size = box.zw - box.xy;
  gl_PointSize = max(1.6 * uDpr, max(size.x, size.y));
  gl_Position = onCanvas((box.xy + box.zw) * 0.5);
}`;

const DOT_FRAGMENT = `
flat in vec3 vColour;
out vec4 colour;
void main() { colour = vec4(vColour, 1.0); }`;

/** Cells that are points: a disc of one size at any zoom, with its casing. In doubt, or proposed: a ring. */
const POINT_VERTEX = `${head(1)}
flat out float vRadius;
void main() {
  vec4 box = fetchBox();
  bool selected = (vStyle.a & 1u) != 0u;
  vRadius = ${POINT_RADIUS.toFixed(1)} * uDpr * (selected ? 1.6 : (vStyle.a & 2u) != 0u ? 1.3 : 1.0);
  gl_PointSize = 2.0 * (vRadius + uCasing) + 1.0;
  gl_Position = onCanvas(box.xy);
}`;

const POINT_FRAGMENT = `
${LINE_GLSL}
flat in uvec4 vStyle;
flat in vec3 vColour;
flat in vec3 vCasing;
flat in float vRadius;
out vec4 colour;
void main() {
  float off = length(gl_PointCoord - 0.5) * (2.0 * (vRadius + uCasing) + 1.0);
  bool hollow = vStyle.b != 1u || (vStyle.a & 1u) != 0u;               // the cell under a selected point is seen
  float inner = hollow ? vRadius - uWidth : 0.0;
  if (off > vRadius + uCasing || off < inner - uCasing) discard;
  colour = vec4(off <= vRadius && off >= inner ? vColour : vCasing, 1.0);
}`;

/** Boxes smaller than this on the canvas (device pixels) are dots: the lines of a frame would fill them anyway. */
export const DOT_BELOW = 5;
/** Below this size a frame is one device pixel thin, which hides less of a small cell. Not on dense screens, where such
 *  a line is too thin to see, and not where somebody wants wider outlines. */
const RING_FROM = 40;
/** Frames up to this size are points: for larger ones the many pixels inside that are left out cost more than
 *  vertices. */
const FRAME_BELOW = 14;
/** More dots than this in view are a texture to the eye: the density picture takes their place. */
export const MOST_DOTS = 8000;
const NAMES = [
  "uCanvas",
  "uPalette",
  "uDpr",
  "uWidth",
  "uCasing",
  "uOutside",
  "uBoxes",
  "uBoxStyles",
] as const;

class Batch {
  private boxes = new Float32Array(4 * WIDTH);
  private styles = new Uint8Array(4 * WIDTH);
  private boxTexture: WebGLTexture | null = null;
  private styleTexture: WebGLTexture | null = null;
  private linesOnCard = 0;
  count = 0;
  private readonly empty: WebGLVertexArrayObject;
  private readonly at: Record<(typeof NAMES)[number], WebGLUniformLocation | null>;
  private readonly made: WebGLProgram;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    vertex: string,
    fragment: string,
    private readonly shape: "POINTS" | "LINES" | "TRIANGLES",
    private readonly corners: number,
    /** Values of uOutside, one drawing each. */
    private readonly passes: readonly number[] = [0],
  ) {
    this.made = program(gl, vertex, fragment);
    this.at = uniforms(gl, this.made, NAMES);
    this.empty = gl.createVertexArray();
  }

  add(x0: number, y0: number, x1: number, y1: number, style: Uint8Array, at: number): void {
    const i = 4 * this.count++;
    if (i >= this.boxes.length) {
      const [boxes, styles] = [
        new Float32Array(2 * this.boxes.length),
        new Uint8Array(2 * this.styles.length),
      ];
      boxes.set(this.boxes);
      styles.set(this.styles);
      [this.boxes, this.styles] = [boxes, styles];
    }
    this.boxes[i] = x0;
    this.boxes[i + 1] = y0;
    this.boxes[i + 2] = x1;
    this.boxes[i + 3] = y1;
    for (let k = 0; k < 4; k++) this.styles[i + k] = style[at + k];
  }

  draw(dpr: number, outlines: Outlines): void {
    if (!this.count) return;
    const { gl } = this;
    gl.useProgram(this.made);
    this.upload();
    gl.uniform1i(this.at.uPalette, 1);
    gl.uniform1i(this.at.uBoxes, 3);
    gl.uniform1i(this.at.uBoxStyles, 4);
    gl.uniform1f(this.at.uDpr, dpr);
    gl.uniform1f(this.at.uWidth, outlines.width * dpr);
    gl.uniform1f(this.at.uCasing, casingOf(outlines) * dpr);
    gl.uniform2f(this.at.uCanvas, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.bindVertexArray(this.empty);
    for (const outside of this.passes) {
      gl.uniform1f(this.at.uOutside, outside);
      gl.drawArrays(gl[this.shape], 0, this.corners * this.count);
    }
    this.count = 0;
  }

  private upload(): void {
    const { gl } = this;
    const capacity = this.boxes.length / 4 / WIDTH;
    const fresh = this.linesOnCard !== capacity;
    const lines = Math.ceil(this.count / WIDTH);
    if (fresh) {
      gl.deleteTexture(this.boxTexture);
      gl.deleteTexture(this.styleTexture);
      [this.boxTexture, this.styleTexture] = [gl.createTexture(), gl.createTexture()];
      this.linesOnCard = capacity;
    }
    gl.activeTexture(gl.TEXTURE3);
    gl.bindTexture(gl.TEXTURE_2D, this.boxTexture);
    if (fresh) {
      nearest(gl);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, WIDTH, capacity, 0, gl.RGBA, gl.FLOAT, this.boxes);
    } else gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, WIDTH, lines, gl.RGBA, gl.FLOAT, this.boxes);
    gl.activeTexture(gl.TEXTURE4);
    gl.bindTexture(gl.TEXTURE_2D, this.styleTexture);
    if (fresh) {
      nearest(gl);
      gl.texImage2D(
        gl.TEXTURE_2D,
        0,
        gl.RGBA8UI,
        WIDTH,
        capacity,
        0,
        gl.RGBA_INTEGER,
        gl.UNSIGNED_BYTE,
        this.styles,
      );
    } else
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, WIDTH, lines, gl.RGBA_INTEGER, gl.UNSIGNED_BYTE, this.styles);
  }
}

/** What a frame shows: boxes in image pixels and styles, four numbers a row; `view` and what of it is `wanted` in image
 *  pixels; `scale`: device pixels of an image pixel; boxes of `ringFrom` device pixels or more are rings. */
type Frame = {
  readonly box: Float64Array;
  readonly style: Uint8Array;
  readonly view: Box;
  readonly wanted: Box;
  readonly scale: number;
  readonly ringFrom: number;
};

export class BoxDrawing {
  private readonly rings: Batch;
  private readonly lines: Batch;
  private readonly frames: Batch;
  private readonly dots: Batch;
  private readonly points: Batch;
  private dotCount = 0;
  outlines = PLAIN_OUTLINES;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly rows: RowsInView,
  ) {
    this.rings = new Batch(gl, RING_VERTEX, RING_FRAGMENT, "TRIANGLES", 24);
    this.lines = new Batch(gl, LINE_VERTEX, LINE_FRAGMENT, "LINES", 8, [1, 0]);
    this.frames = new Batch(gl, FRAME_VERTEX, FRAME_FRAGMENT, "POINTS", 1);
    this.dots = new Batch(gl, DOT_VERTEX, DOT_FRAGMENT, "POINTS", 1);
    this.points = new Batch(gl, POINT_VERTEX, POINT_FRAGMENT, "POINTS", 1);
  }

  /** Collect what is in view, or in that part of it which touches `part` (image pixels). False when there are too many
   *  dots to draw them one by one: then they are left out. */
  gather(cells: Cells, styles: StyleTable, camera: Camera, dpr: number, part: Box | null = null): boolean {
    const { gl } = this;
    const scale = camera.scale * dpr;
    const { left, top } = camera;
    const view = {
      x0: left,
      y0: top,
      x1: left + gl.drawingBufferWidth / scale,
      y1: top + gl.drawingBufferHeight / scale,
    };
    const reach = Math.ceil(reachOf(this.outlines) + 1.6 * POINT_RADIUS);
    const wanted = grownBy(part ? common(view, part) : view, (reach * dpr) / scale);
    const isThin = dpr < 1.5 && this.outlines.width <= PLAIN_OUTLINES.width;
    const ringFrom = isThin ? RING_FROM : DOT_BELOW;
    const frame: Frame = { box: cells.box, style: styles.bytes, view, wanted, scale, ringFrom };
    this.dotCount = 0;
    if (part) for (const row of rowsIn(cells, wanted)) this.place(frame, 4 * row);
    else this.rows.forEach(wanted, (row) => this.place(frame, 4 * row));
    const dotsFit = this.dotCount <= MOST_DOTS;
    if (!dotsFit) this.dots.count = this.points.count = 0;
    return dotsFit;
  }

  /** Put a box into the batch that draws it, if any of it is wanted. `i`: four times its row. */
  private place({ box, style, view, wanted, scale, ringFrom }: Frame, i: number): void {
    if (!style[i + 2]) return;
    const x0 = box[i];
    const y0 = box[i + 1];
    const x1 = box[i + 2];
    const y1 = box[i + 3];
    if (x1 < wanted.x0 || x0 > wanted.x1 || y1 < wanted.y0 || y0 > wanted.y1) return;
    const size = Math.max(x1 - x0, y1 - y0) * scale;
    const isPoint = size === 0;
    const isRing = !isPoint && (size >= ringFrom || (style[i + 3] & 3) !== 0);
    const isDot = !isRing && size < DOT_BELOW;
    if (isDot && ++this.dotCount > MOST_DOTS) return;
    const batch = isRing ? this.rings : this.batchOf(size, view, x0, y0, x1, y1);
    const { x0: left, y0: top } = view;
    batch.add((x0 - left) * scale, (y0 - top) * scale, (x1 - left) * scale, (y1 - top) * scale, style, i);
  }

  /** For a box of so many device pixels that is no ring. */
  private batchOf(size: number, view: Box, x0: number, y0: number, x1: number, y1: number): Batch {
    if (size === 0) return this.points;
    if (size < DOT_BELOW) return this.dots;
    if (size >= FRAME_BELOW) return this.lines;
    // A point whose middle is off the canvas is not drawn at all, though half of its frame would be seen.
    const isInside = x0 > view.x0 && y0 > view.y0 && x1 < view.x1 && y1 < view.y1;
    return isInside ? this.frames : this.lines;
  }

  /** Draw what was gathered. */
  draw(styles: StyleTable, dpr: number): void {
    styles.bind(this.gl);
    for (const batch of [this.dots, this.frames, this.lines, this.rings, this.points])
      batch.draw(dpr, this.outlines);
  }
}

const common = (a: Box, b: Box): Box => ({
  x0: Math.max(a.x0, b.x0),
  y0: Math.max(a.y0, b.y0),
  x1: Math.min(a.x1, b.x1),
  y1: Math.min(a.y1, b.y1),
});
const grownBy = ({ x0, y0, x1, y1 }: Box, rim: number): Box => ({
  x0: x0 - rim,
  y0: y0 - rim,
  x1: x1 + rim,
  y1: y1 + rim,
});

/** Rows that may touch a part of the picture, in the order of drawing. */
const rowsIn = (cells: Cells, part: Box): number[] => cells.near(part).sort((a, b) => a - b);
