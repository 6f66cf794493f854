/** Masks from id textures: one block of 512 x 512 image pixels of one layer is a texture of row numbers.
 *
 *  Beside the row number each texel holds how far its cell reaches from there to each side (cell_texture.ts), so
 *  that the shader knows an outline from a cell's inside by the one texel that it reads. Nothing branches: software
 *  that draws for want of a card goes through every branch, and reading neighbours cost more than all the rest (63
 *  ms of processor a frame of 676,000 pixels, of which 13 without any reading; measured). So the cost goes with the
 *  pixels on the screen, not with the cells. Where two cells of a layer overlap (cytology), the second goes into
 *  another slot of the same block. A changed cell is one small rectangle of the texture, not a block. */
import { overlap, type Box } from "../geometry/box";
import type { Camera, Size } from "../geometry/frames";
import type { Cells } from "../scene/cells";
import { FARTHEST, rasterise, withReach } from "./cell_texture";
import { casingOf, LINE_GLSL, nearest, PLAIN_OUTLINES, program, STYLE_GLSL, uniforms } from "./gl";
import type { StyleTable } from "./style_table";

export const BLOCK = 512;
/** Blocks kept on the card: 2 MiB each. */
const MOST_BLOCKS = 64;
/** More blocks than this in view: the picture is so small that outlines could not be told apart. */
export const MOST_IN_VIEW = 48;

const VERTEX = `
uniform vec4 uBlock;                  // x, y, width, height of the block on the canvas, device pixels
uniform vec2 uCanvas;
out vec2 vTexel;
void main() {
  vec2 unit = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vTexel = unit * ${BLOCK}.0;
  vec2 clip = (uBlock.xy + unit * uBlock.zw) / uCanvas * 2.0 - 1.0;
  gl_Position = vec4(clip.x, -clip.y, 0.0, 1.0);
}`;

const FRAGMENT = `
uniform highp usampler2D uIds;        // row + 1, 0 where there is no cell; how many texels to its rim on the four sides
uniform float uScale;                 // device pixels an image pixel
uniform float uSolid;                 // opacity of areas that are painted whole
${LINE_GLSL}
${STYLE_GLSL}
in vec2 vTexel;
out vec4 colour;                      // premultiplied
void main() {
  vec2 place = clamp(vTexel, vec2(0.0), vec2(${BLOCK - 1}.999));
  uvec2 texel = texelFetch(uIds, ivec2(place), 0).rg;
  uvec4 style = styleOf(max(texel.r, 1u) - 1u);
  vec2 inside = fract(place);
  // Left, up, right, down.
  vec4 steps = vec4((uvec4(texel.g) >> uvec4(0u, 8u, 16u, 24u)) & 0xffu) - vec4(1.0 - inside, inside);
  float off = min(min(steps.x, steps.y), min(steps.z, steps.w)) * uScale;                 // device pixels to the rim
  uint line = style.a & 3u;
  bool selected = (style.a & 4u) != 0u;
  bool filled = (style.a & 16u) != 0u;
  bool solid = (style.a & 64u) != 0u;
  float core = coreOf(selected, (style.a & 8u) != 0u);
  float whole = max(core + uCasing * (selected ? 2.0 : 1.0), 0.5 * min(uScale, 1.0));
  // Farther inside nothing is known of the rim.
  float shrink = min(1.0, ${FARTHEST - 1}.0 * uScale / whole);
  off /= shrink;
  // An outline in a texture has no length along it; a checkered pattern cuts it into dashes in every direction.
  vec2 dash = floor(place * uScale / ((line == 3u ? 2.2 : 5.0) * uDpr));
  bool gap = line != 1u && mod(dash.x + dash.y, 2.0) > 0.5;
  vec3 own = vec3(style.rgb) / 255.0;
  vec3 casing = vec3((style.a & 128u) != 0u ? 1.0 : 0.0);
  vec4 body = filled ? vec4(own * 0.22, 0.22) : vec4(0.0);
  // From the rim inwards: casing, core, and within a selected cell casing again. A gap of the core shows the tissue.
  bool cased = off < uCasing || off >= uCasing + core;
  vec4 stroke = cased ? vec4(casing, 1.0) : gap ? body : vec4(own, 1.0);
  colour = off < whole ? stroke : body;
  if (solid) colour = vec4(own * uSolid, uSolid);
  if (texel.r == 0u || line == 0u) colour = vec4(0.0);
}`;

/** `stale`: what of the block has to be made again, whole image pixels; null: nothing. */
type Block = { readonly box: Box; readonly textures: WebGLTexture[]; stale: Box | null; used: number };

export class MaskDrawing {
  private readonly made: WebGLProgram;
  private readonly at: Record<
    "uBlock" | "uCanvas" | "uIds" | "uScale" | "uSolid" | "uStyles" | "uDpr" | "uWidth" | "uCasing",
    WebGLUniformLocation | null
  >;
  private readonly blocks = new Map<string, Block>();
  private readonly empty: WebGLVertexArrayObject;
  /** What goes to the card goes through here: a block's worth of memory anew for each block was much of the tab's. */
  private readonly scratch = new Uint32Array(2 * BLOCK * BLOCK);
  private frame = 0;
  /** Opacity of areas that are painted whole. */
  solid = 1;
  outlines = PLAIN_OUTLINES;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly image: Size,
  ) {
    this.made = program(gl, VERTEX, FRAGMENT);
    this.at = uniforms(gl, this.made, [
      "uBlock",
      "uCanvas",
      "uIds",
      "uScale",
      "uSolid",
      "uStyles",
      "uDpr",
      "uWidth",
      "uCasing",
    ]);
    this.empty = gl.createVertexArray();
  }

  /** The masks inside this box of the image changed. */
  touch(box: Box): void {
    for (const block of this.blocks.values()) {
      const part = within(box, block.box);
      if (part) block.stale = block.stale ? around(block.stale, part) : part;
    }
  }

  /** False when so much is in view that masks are left out (the boxes still stand). `part`: only blocks that it
   *  touches. */
  draw(cells: Cells, styles: StyleTable, camera: Camera, dpr: number, part: Box | null = null): boolean {
    const { gl } = this;
    const view: Box = {
      x0: Math.max(0, camera.left),
      y0: Math.max(0, camera.top),
      x1: Math.min(this.image.width, camera.left + gl.drawingBufferWidth / dpr / camera.scale),
      y1: Math.min(this.image.height, camera.top + gl.drawingBufferHeight / dpr / camera.scale),
    };
    if (view.x1 <= view.x0 || view.y1 <= view.y0) return true;
    const [c0, r0] = [Math.floor(view.x0 / BLOCK), Math.floor(view.y0 / BLOCK)];
    const [c1, r1] = [Math.ceil(view.x1 / BLOCK), Math.ceil(view.y1 / BLOCK)];
    const layers = cells.layers.map((_, layer) => layer).filter((layer) => cells.maskCounts[layer] > 0);
    if ((c1 - c0) * (r1 - r0) * layers.length > MOST_IN_VIEW) return false;
    this.frame++;
    gl.useProgram(this.made);
    gl.bindVertexArray(this.empty);
    styles.bind(gl);
    gl.uniform1i(this.at.uStyles, 0);
    gl.uniform1i(this.at.uIds, 2);
    gl.uniform1f(this.at.uDpr, dpr);
    gl.uniform1f(this.at.uWidth, this.outlines.width * dpr);
    gl.uniform1f(this.at.uCasing, casingOf(this.outlines) * dpr);
    gl.uniform1f(this.at.uScale, camera.scale * dpr);
    gl.uniform1f(this.at.uSolid, this.solid);
    gl.uniform2f(this.at.uCanvas, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.activeTexture(gl.TEXTURE2);
    for (const layer of layers)
      for (let row = r0; row < r1; row++)
        for (let column = c0; column < c1; column++) {
          if (part && !overlap(part, blockBox(column, row))) continue;
          const block = this.block(cells, layer, column, row);
          const size = BLOCK * camera.scale * dpr;
          const left = (column * BLOCK - camera.left) * camera.scale * dpr;
          const top = (row * BLOCK - camera.top) * camera.scale * dpr;
          gl.uniform4f(this.at.uBlock, left, top, size, size);
          for (const texture of block.textures) {
            gl.bindTexture(gl.TEXTURE_2D, texture);
            gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
          }
        }
    this.evict();
    return true;
  }

  private block(cells: Cells, layer: number, column: number, row: number): Block {
    const key = `${layer}/${column}/${row}`;
    let block = this.blocks.get(key);
    if (!block) {
      const box = blockBox(column, row);
      this.blocks.set(key, (block = { box, textures: [], stale: box, used: 0 }));
    }
    block.used = this.frame;
    if (block.stale) {
      this.fill(block, cells, layer, block.stale);
      block.stale = null;
    }
    return block;
  }

  /** Make `stale` again. A change reaches FARTHEST texels beyond itself, and the reach of those depends on as many
   *  more. */
  private fill(block: Block, cells: Cells, layer: number, stale: Box): void {
    const { gl } = this;
    const whole = block.box;
    const updated = within(wider(stale, FARTHEST), whole) as Box;
    const read = within(wider(updated, FARTHEST), whole) as Box;
    const width = read.x1 - read.x0;
    const slots = rasterise(cells, cells.masked(layer, read), read);
    const nothing =
      block.textures.length > slots.length ? new Uint32Array(2 * width * (read.y1 - read.y0)) : null;
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, width);
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, updated.x0 - read.x0);
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, updated.y0 - read.y0);
    for (let slot = 0; slot < Math.max(slots.length, block.textures.length); slot++) {
      const ids = slots[slot] ? withReach(slots[slot], width, this.scratch) : (nothing as Uint32Array);
      const known = block.textures[slot];
      const texture = known ?? gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      if (!known) {
        nearest(gl);
        gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RG32UI, BLOCK, BLOCK);
        block.textures[slot] = texture;
      }
      const [x, y, w, h] = [
        updated.x0 - whole.x0,
        updated.y0 - whole.y0,
        updated.x1 - updated.x0,
        updated.y1 - updated.y0,
      ];
      gl.texSubImage2D(gl.TEXTURE_2D, 0, x, y, w, h, gl.RG_INTEGER, gl.UNSIGNED_INT, ids);
    }
    for (const name of [gl.UNPACK_ROW_LENGTH, gl.UNPACK_SKIP_PIXELS, gl.UNPACK_SKIP_ROWS])
      gl.pixelStorei(name, 0);
  }

  private evict(): void {
    if (this.blocks.size <= MOST_BLOCKS) return;
    const oldest = [...this.blocks]
      .sort((a, b) => a[1].used - b[1].used)
      .slice(0, this.blocks.size - MOST_BLOCKS);
    for (const [key, block] of oldest) {
      for (const texture of block.textures) this.gl.deleteTexture(texture);
      this.blocks.delete(key);
    }
  }
}

const blockBox = (column: number, row: number): Box => ({
  x0: column * BLOCK,
  y0: row * BLOCK,
  x1: (column + 1) * BLOCK,
  y1: (row + 1) * BLOCK,
});
const wider = (box: Box, by: number): Box => ({
  x0: box.x0 - by,
  y0: box.y0 - by,
  x1: box.x1 + by,
  y1: box.y1 + by,
});
const around = (a: Box, b: Box): Box => ({
  x0: Math.min(a.x0, b.x0),
  y0: Math.min(a.y0, b.y0),
  x1: Math.max(a.x1, b.x1),
  y1: Math.max(a.y1, b.y1),
});
/** What of `box` lies in `whole`, grown to whole pixels; null: nothing. */
function within(box: Box, whole: Box): Box | null {
  if (!overlap(box, whole)) return null;
  return {
    x0: Math.max(whole.x0, Math.floor(box.x0)),
    y0: Math.max(whole.y0, Math.floor(box.y0)),
    x1: Math.min(whole.x1, Math.ceil(box.x1)),
    y1: Math.min(whole.y1, Math.ceil(box.y1)),
  };
}
