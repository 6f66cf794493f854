/** How densely cells lie, for zooms at which a cell would be a dot among thousands: one small picture, one quad.
 *
 *  The image is cut into bins; each holds how many cells have their centre there and the sum of their colours. A
 *  change of one cell is a change of one or two bins. Nothing is sampled: every drawn cell is in it. */
import type { Camera, Size } from "../geometry/frames";
import type { Cells } from "../scene/cells";
import { nearest, program, uniforms } from "./gl";
import { Flag } from "./cell_style";

/** Bins along the longer side, at most, and the least side of one, image pixels. */
const MOST_BINS = 192;
const LEAST_BIN = 24;
const NONE = -1;

const VERTEX = `
uniform vec4 uPlace;                  // x, y, width, height on the canvas, device pixels
uniform vec2 uCanvas;
out vec2 vUnit;
void main() {
  vUnit = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 clip = (uPlace.xy + vUnit * uPlace.zw) / uCanvas * 2.0 - 1.0;
  gl_Position = vec4(clip.x, -clip.y, 0.0, 1.0);
}`;
const FRAGMENT = `
uniform sampler2D uDensity;
in vec2 vUnit;
out vec4 colour;
void main() { colour = texture(uDensity, vUnit); }`; // premultiplied

/** Counts and colours by bin, without a card. */
export class Bins {
  readonly columns: number;
  readonly lines: number;
  readonly side: number;
  /** Cells in a bin, and the sums of their red, green and blue. */
  private readonly sums: Float32Array;
  /** Of each row the bin and colour that it was counted with. */
  private bin = new Int32Array(1024).fill(NONE);
  private colour = new Uint8Array(1024);
  total = 0;

  constructor(
    image: Size,
    private readonly palette: Uint8Array,
  ) {
    this.side = Math.max(LEAST_BIN, Math.ceil(Math.max(image.width, image.height) / MOST_BINS));
    this.columns = Math.max(1, Math.ceil(image.width / this.side));
    this.lines = Math.max(1, Math.ceil(image.height / this.side));
    this.sums = new Float32Array(4 * this.columns * this.lines);
  }

  /** Count a row as a cell of this colour with its centre at (x, y), image pixels; colour -1: not at all. True when
   *  that is new. */
  set(row: number, x: number, y: number, colour: number): boolean {
    if (row >= this.bin.length) this.grow(row);
    const column = Math.min(this.columns - 1, Math.max(0, Math.floor(x / this.side)));
    const line = Math.min(this.lines - 1, Math.max(0, Math.floor(y / this.side)));
    const bin = colour === NONE ? NONE : line * this.columns + column;
    if (bin === this.bin[row] && (bin === NONE || colour === this.colour[row])) return false;
    if (this.bin[row] !== NONE) this.add(this.bin[row], this.colour[row], -1);
    if (bin !== NONE) this.add(bin, colour, 1);
    this.bin[row] = bin;
    this.colour[row] = Math.max(0, colour);
    return true;
  }

  countAt(x: number, y: number): number {
    return this.sums[4 * (Math.floor(y / this.side) * this.columns + Math.floor(x / this.side))];
  }

  /** RGBA, premultiplied: the mean colour of a bin's cells, the more opaque the more there are. */
  picture(): Uint8Array {
    const { sums } = this;
    let most = 1;
    for (let i = 0; i < sums.length; i += 4) if (sums[i] > most) most = sums[i];
    const bytes = new Uint8Array(sums.length);
    for (let i = 0; i < sums.length; i += 4) {
      const n = sums[i];
      if (n < 0.5) continue;
      const alpha = 0.15 + 0.5 * Math.sqrt(n / most); // tissue stays in sight
      for (let k = 1; k < 4; k++) bytes[i + k - 1] = (alpha * sums[i + k]) / n;
      bytes[i + 3] = 255 * alpha;
    }
    return bytes;
  }

  private add(bin: number, colour: number, sign: 1 | -1): void {
    this.total += sign;
    this.sums[4 * bin] += sign;
    for (let k = 0; k < 3; k++) this.sums[4 * bin + 1 + k] += sign * this.palette[4 * colour + k];
  }

  private grow(row: number): void {
    const length = 2 ** Math.ceil(Math.log2(row + 1));
    const [bin, colour] = [new Int32Array(length).fill(NONE), new Uint8Array(length)];
    bin.set(this.bin);
    colour.set(this.colour);
    [this.bin, this.colour] = [bin, colour];
  }
}

export class DensityDrawing {
  private readonly made: WebGLProgram;
  private readonly at: Record<"uPlace" | "uCanvas" | "uDensity", WebGLUniformLocation | null>;
  private readonly empty: WebGLVertexArrayObject;
  private texture: WebGLTexture | null = null;
  private stale = true;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    readonly bins: Bins,
  ) {
    this.made = program(gl, VERTEX, FRAGMENT);
    this.at = uniforms(gl, this.made, ["uPlace", "uCanvas", "uDensity"]);
    this.empty = gl.createVertexArray();
  }

  /** Update a row's style; regions are no cells. `style`: the four bytes of the table. */
  restyle(cells: Cells, row: number, style: Uint8Array): void {
    const drawn = style[4 * row + 1] + style[4 * row + 2] > 0 && !(style[4 * row + 3] & Flag.region);
    const { box } = cells;
    const [x, y] = [(box[4 * row] + box[4 * row + 2]) / 2, (box[4 * row + 1] + box[4 * row + 3]) / 2];
    if (this.bins.set(row, x, y, drawn ? style[4 * row] : NONE)) this.stale = true;
  }

  draw(camera: Camera, dpr: number): void {
    const { gl, bins } = this;
    const fresh = !this.texture;
    gl.activeTexture(gl.TEXTURE2);
    this.texture ??= gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    if (fresh) {
      nearest(gl);
      for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
        gl.texParameteri(gl.TEXTURE_2D, name, gl.LINEAR);
    }
    if (this.stale || fresh) {
      gl.texImage2D(
        gl.TEXTURE_2D,
        0,
        gl.RGBA8,
        bins.columns,
        bins.lines,
        0,
        gl.RGBA,
        gl.UNSIGNED_BYTE,
        bins.picture(),
      );
      this.stale = false;
    }
    gl.useProgram(this.made);
    gl.bindVertexArray(this.empty);
    gl.uniform1i(this.at.uDensity, 2);
    gl.uniform2f(this.at.uCanvas, gl.drawingBufferWidth, gl.drawingBufferHeight);
    const scale = camera.scale * dpr;
    const [width, height] = [bins.columns * bins.side * scale, bins.lines * bins.side * scale];
    gl.uniform4f(this.at.uPlace, -camera.left * scale, -camera.top * scale, width, height);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}
