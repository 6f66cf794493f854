/** The look-up table as a texture: changing one cell's style is one texel, whatever it covers. */
import { STYLES_WIDTH, nearest } from "./gl";
import { Flag, type CellStyle } from "./cell_style";
import { PALETTE_SIZE, type Palette } from "./palette";

export class StyleTable {
  /** Four bytes a row: colour, mask line, box line, flags. */
  bytes = new Uint8Array(4 * STYLES_WIDTH * 8);
  /** As the shader of the masks reads it: red, green, blue, mask line + 4 x flags, and 128 where the casing is white.
   *  One reading instead of two. */
  private texels = new Uint8Array(4 * STYLES_WIDTH * 8);
  private first = 0;
  private last = -1;
  private uploadedRows = 0;
  private texture: WebGLTexture | null = null;
  private paletteTexture: WebGLTexture | null = null;

  constructor(private readonly palette: Palette) {}

  /** False when the row has this style already. */
  set(row: number, style: CellStyle): boolean {
    while (4 * (row + 1) > this.bytes.length) {
      const [bytes, texels] = [new Uint8Array(2 * this.bytes.length), new Uint8Array(2 * this.bytes.length)];
      bytes.set(this.bytes);
      texels.set(this.texels);
      [this.bytes, this.texels] = [bytes, texels];
    }
    const { bytes } = this;
    const i = 4 * row;
    if (
      bytes[i] === style.colour &&
      bytes[i + 1] === style.maskLine &&
      bytes[i + 2] === style.boxLine &&
      bytes[i + 3] === style.flags
    )
      return false;
    bytes[i] = style.colour;
    bytes[i + 1] = style.maskLine;
    bytes[i + 2] = style.boxLine;
    bytes[i + 3] = style.flags;
    const { areas, outlines } = this.palette;
    const colours = style.flags & Flag.solid ? areas : outlines;
    const casing = outlines[4 * style.colour + 3] ? 128 : 0;
    for (let k = 0; k < 3; k++) this.texels[i + k] = colours[4 * style.colour + k];
    this.texels[i + 3] = style.maskLine + 4 * style.flags + casing;
    const line = Math.floor(row / STYLES_WIDTH);
    this.first = this.last < 0 ? line : Math.min(this.first, line);
    this.last = Math.max(this.last, line);
    return true;
  }

  hasMask(row: number): boolean {
    return this.bytes[4 * row + 1] > 0;
  }
  isDrawn(row: number): boolean {
    return this.bytes[4 * row + 1] + this.bytes[4 * row + 2] > 0;
  }

  /** After a lost context nothing is on the card any more. */
  reset(): void {
    this.texture = null;
    this.paletteTexture = null;
    this.uploadedRows = 0;
  }

  /** Bind the table to unit 0 and the palette to unit 1, with what changed brought up to date. */
  bind(gl: WebGL2RenderingContext): void {
    const lines = this.bytes.length / 4 / STYLES_WIDTH;
    gl.activeTexture(gl.TEXTURE0);
    if (!this.texture || this.uploadedRows !== lines) {
      gl.deleteTexture(this.texture);
      this.texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, this.texture);
      nearest(gl);
      gl.texImage2D(
        gl.TEXTURE_2D,
        0,
        gl.RGBA8UI,
        STYLES_WIDTH,
        lines,
        0,
        gl.RGBA_INTEGER,
        gl.UNSIGNED_BYTE,
        this.texels,
      );
      this.uploadedRows = lines;
    } else {
      gl.bindTexture(gl.TEXTURE_2D, this.texture);
      if (this.last >= 0) {
        const part = this.texels.subarray(4 * STYLES_WIDTH * this.first, 4 * STYLES_WIDTH * (this.last + 1));
        const height = this.last - this.first + 1;
        gl.texSubImage2D(
          gl.TEXTURE_2D,
          0,
          0,
          this.first,
          STYLES_WIDTH,
          height,
          gl.RGBA_INTEGER,
          gl.UNSIGNED_BYTE,
          part,
        );
      }
    }
    this.last = -1;
    gl.activeTexture(gl.TEXTURE1);
    if (!this.paletteTexture) {
      this.paletteTexture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, this.paletteTexture);
      nearest(gl);
      gl.texImage2D(
        gl.TEXTURE_2D,
        0,
        gl.RGBA8,
        PALETTE_SIZE,
        1,
        0,
        gl.RGBA,
        gl.UNSIGNED_BYTE,
        this.palette.outlines,
      );
    } else gl.bindTexture(gl.TEXTURE_2D, this.paletteTexture);
  }
}
