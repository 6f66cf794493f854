/** Masks from id textures: one block of 512 x 512 image pixels of one layer is a texture of row numbers.
 *
 *  The shader finds outlines by comparing neighbours, so the cost goes with the pixels on the screen, not with the
 *  cells. Where two cells of a layer overlap (cytology), the second goes into another slot of the same block. */
import { boxOf } from "../geometry/mask";
import { overlap, type Box } from "../geometry/box";
import type { Camera, Size } from "../geometry/frames";
import type { Cells } from "../scene/cells";
import { LOOK_GLSL, nearest, program, uniforms } from "./gl";
import type { Looks } from "./looks";

export const BLOCK = 512;
const SLOTS = 2;
/** Blocks kept on the card: 1 MiB each. */
const MOST_BLOCKS = 96;
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
uniform highp usampler2D uIds;        // row + 1, 0 where there is no cell
uniform float uScale;                 // device pixels an image pixel
${LOOK_GLSL}
in vec2 vTexel;
out vec4 colour;
uint idAt(vec2 texel) { return texelFetch(uIds, clamp(ivec2(floor(texel)), ivec2(0), ivec2(${BLOCK - 1})), 0).r; }
bool edge(uint id, vec2 texel, float reach) {
  float r = reach / uScale;
  return idAt(texel + vec2(r, 0.0)) != id || idAt(texel - vec2(r, 0.0)) != id
      || idAt(texel + vec2(0.0, r)) != id || idAt(texel - vec2(0.0, r)) != id;
}
void main() {
  uint id = idAt(vTexel);
  if (id == 0u) discard;
  uvec4 look = lookOf(id - 1u);
  if (look.g == 0u) discard;
  bool selected = (look.a & 1u) != 0u;
  vec3 own = colourOf(look);
  float width = (selected ? 2.0 : (look.a & 2u) != 0u ? 2.8 : 2.0) * uDpr;
  if (selected && edge(id, vTexel, 2.0 * uDpr)) { colour = vec4(1.0); return; }
  if (edge(id, vTexel, width + (selected ? 2.0 * uDpr : 0.0))) {
    // An outline in a texture has no length along it; a checkered pattern cuts it into dashes in every direction.
    vec2 place = vTexel * uScale;
    float dash = look.g == 3u ? 2.2 * uDpr : 5.0 * uDpr;
    bool gap = look.g != 1u && mod(floor(place.x / dash) + floor(place.y / dash), 2.0) > 0.5;
    if (!gap) { colour = vec4(own, 1.0); return; }
    if (selected) { colour = vec4(0.0, 0.0, 0.0, 1.0); return; }
  }
  if ((look.a & 4u) == 0u) discard;
  colour = vec4(own * 0.22, 0.22);    // premultiplied
}`;

type Block = { textures: WebGLTexture[]; stale: boolean; used: number };

export class MaskDrawing {
  private readonly made: WebGLProgram;
  private readonly at: Record<
    "uBlock" | "uCanvas" | "uIds" | "uScale" | "uLooks" | "uPalette" | "uDpr",
    WebGLUniformLocation | null
  >;
  private readonly blocks = new Map<string, Block>();
  private readonly empty: WebGLVertexArrayObject;
  private frame = 0;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly image: Size,
  ) {
    this.made = program(gl, VERTEX, FRAGMENT);
    this.at = uniforms(gl, this.made, ["uBlock", "uCanvas", "uIds", "uScale", "uLooks", "uPalette", "uDpr"]);
    this.empty = gl.createVertexArray();
  }

  /** The masks inside this box of the image changed. */
  touch(box: Box): void {
    for (const [key, block] of this.blocks) if (overlap(blockBox(key), box)) block.stale = true;
  }

  /** False when so much is in view that masks are left out (the boxes still stand). */
  draw(cells: Cells, looks: Looks, camera: Camera, dpr: number): boolean {
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
    looks.bind(gl);
    gl.uniform1i(this.at.uLooks, 0);
    gl.uniform1i(this.at.uPalette, 1);
    gl.uniform1i(this.at.uIds, 2);
    gl.uniform1f(this.at.uDpr, dpr);
    gl.uniform1f(this.at.uScale, camera.scale * dpr);
    gl.uniform2f(this.at.uCanvas, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.activeTexture(gl.TEXTURE2);
    for (const layer of layers)
      for (let row = r0; row < r1; row++)
        for (let column = c0; column < c1; column++) {
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
    if (!block) this.blocks.set(key, (block = { textures: [], stale: true, used: 0 }));
    block.used = this.frame;
    if (block.stale) {
      this.fill(block, cells, layer, blockBox(key));
      block.stale = false;
    }
    return block;
  }

  private fill(block: Block, cells: Cells, layer: number, box: Box): void {
    const { gl } = this;
    const slots = rasterise(cells, cells.masked(layer, box), box);
    while (block.textures.length > slots.length) gl.deleteTexture(block.textures.pop() as WebGLTexture);
    slots.forEach((ids, slot) => {
      const known = block.textures[slot];
      const texture = known ?? gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      if (known) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, BLOCK, BLOCK, gl.RED_INTEGER, gl.UNSIGNED_INT, ids);
      else {
        nearest(gl);
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32UI, BLOCK, BLOCK, 0, gl.RED_INTEGER, gl.UNSIGNED_INT, ids);
        block.textures[slot] = texture;
      }
    });
  }

  private evict(): void {
    if (this.blocks.size <= MOST_BLOCKS) return;
    const oldest = [...this.blocks].sort((a, b) => a[1].used - b[1].used).slice(0, this.blocks.size - MOST_BLOCKS);
    for (const [key, block] of oldest) {
      for (const texture of block.textures) this.gl.deleteTexture(texture);
      this.blocks.delete(key);
    }
  }
}

function blockBox(key: string): Box {
  const [, column, row] = key.split("/").map(Number);
  return { x0: column * BLOCK, y0: row * BLOCK, x1: (column + 1) * BLOCK, y1: (row + 1) * BLOCK };
}

/** Row numbers (+ 1) of the masks over a block, in as many slots as overlaps need (at most SLOTS).
 *  A pixel that a shown cell needs is never given to a hidden one. */
export function rasterise(cells: Cells, rows: number[], box: Box): Uint32Array[] {
  const slots: Uint32Array[] = [];
  const sorted = rows.filter((row) => cells.isShown(row)).sort((a, b) => a - b);
  for (const row of sorted) {
    const mask = cells.maskOf(row);
    if (!mask) continue;
    const covered = boxOf(mask);
    const [x0, x1] = [Math.max(box.x0, covered.x0), Math.min(box.x1, covered.x1)];
    const [y0, y1] = [Math.max(box.y0, covered.y0), Math.min(box.y1, covered.y1)];
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) {
        const bit = (y - mask.y) * mask.width + x - mask.x;
        if (!(mask.bits[bit >> 3] & (0x80 >> (bit & 7)))) continue;
        const place = (y - box.y0) * BLOCK + x - box.x0;
        let slot = 0;
        while (slot < SLOTS - 1 && slots[slot]?.[place]) slot++;
        (slots[slot] ??= new Uint32Array(BLOCK * BLOCK))[place] = row + 1;
      }
    }
  }
  return slots;
}
