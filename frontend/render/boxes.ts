/** All boxes in one draw call: an instance is a box, a strip of ten corners is its frame, the look comes from the table. */
import type { Camera } from "../geometry/frames";
import type { Cells } from "../scene/cells";
import { LOOK_GLSL, program, uniforms } from "./gl";
import type { Looks } from "./looks";

const VERTEX = `
layout(location = 0) in vec4 aBox;    // relative to uOrigin, image pixels
uniform vec2 uOrigin;                 // of the picture's top left, relative to the boxes' origin, image pixels
uniform float uScale;                 // device pixels an image pixel
uniform vec2 uCanvas;                 // device pixels
${LOOK_GLSL}
flat out uvec4 vLook;
flat out vec2 vSize;
out vec2 vPlace;                      // from the box's top left, device pixels
float halfWidth(uvec4 look) { return ((look.a & 1u) != 0u ? 2.2 : (look.a & 2u) != 0u ? 1.4 : 0.8) * uDpr; }
void main() {
  vLook = lookOf(uint(gl_InstanceID));
  vec2 low = (aBox.xy - uOrigin) * uScale;
  vSize = (aBox.zw - aBox.xy) * uScale;
  float w = halfWidth(vLook);
  int corner = (gl_VertexID / 2) % 4;
  vec2 unit = vec2(corner == 1 || corner == 2 ? 1.0 : 0.0, corner >= 2 ? 1.0 : 0.0);
  float out_ = gl_VertexID % 2 == 0 ? w : -min(w, min(vSize.x, vSize.y) * 0.5);
  vPlace = unit * vSize + (unit * 2.0 - 1.0) * out_;
  vec2 clip = (low + vPlace) / uCanvas * 2.0 - 1.0;
  gl_Position = vLook.b == 0u ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(clip.x, -clip.y, 0.0, 1.0);
}`;

const FRAGMENT = `
${LOOK_GLSL}
flat in uvec4 vLook;
flat in vec2 vSize;
in vec2 vPlace;
out vec4 colour;
void main() {
  bool selected = (vLook.a & 1u) != 0u;
  vec2 border = min(abs(vPlace), abs(vSize - vPlace));
  float off = min(border.x, border.y);
  float along = border.x < border.y ? vPlace.y : vPlace.x;
  if (selected && off > 1.2 * uDpr) { colour = vec4(1.0, 1.0, 1.0, 1.0); return; }   // the white halo
  if (!inDash(vLook.b, along)) { if (selected) { colour = vec4(0.0, 0.0, 0.0, 1.0); return; } discard; }
  colour = vec4(colourOf(vLook), 1.0);
}`;

export class BoxDrawing {
  private readonly made: WebGLProgram;
  private readonly at: Record<"uOrigin" | "uScale" | "uCanvas" | "uLooks" | "uPalette" | "uDpr", WebGLUniformLocation | null>;
  private readonly array: WebGLVertexArrayObject;
  private readonly buffer: WebGLBuffer;
  private staged = new Float32Array(0);
  private onCard = 0;
  private dirtyFrom = 0;
  private dirtyTo = 0;

  constructor(private readonly gl: WebGL2RenderingContext) {
    this.made = program(gl, VERTEX, FRAGMENT);
    this.at = uniforms(gl, this.made, ["uOrigin", "uScale", "uCanvas", "uLooks", "uPalette", "uDpr"]);
    this.array = gl.createVertexArray();
    this.buffer = gl.createBuffer();
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 4, gl.FLOAT, false, 16, 0);
    gl.vertexAttribDivisor(0, 1);
  }

  /** A row's box changed, or a row was added. */
  touch(row: number): void {
    if (this.dirtyTo === this.dirtyFrom) [this.dirtyFrom, this.dirtyTo] = [row, row + 1];
    else [this.dirtyFrom, this.dirtyTo] = [Math.min(this.dirtyFrom, row), Math.max(this.dirtyTo, row + 1)];
  }

  draw(cells: Cells, looks: Looks, camera: Camera, dpr: number): void {
    const { gl } = this;
    this.upload(cells);
    gl.useProgram(this.made);
    looks.bind(gl);
    gl.uniform1i(this.at.uLooks, 0);
    gl.uniform1i(this.at.uPalette, 1);
    gl.uniform1f(this.at.uDpr, dpr);
    gl.uniform2f(this.at.uOrigin, camera.left, camera.top);
    gl.uniform1f(this.at.uScale, camera.scale * dpr);
    gl.uniform2f(this.at.uCanvas, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.bindVertexArray(this.array);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 10, cells.count);
  }

  private upload(cells: Cells): void {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    if (4 * cells.count > this.staged.length) {
      this.staged = new Float32Array(Math.max(4096, 8 * cells.count));
      [this.dirtyFrom, this.dirtyTo] = [0, cells.count];
    }
    if (this.dirtyTo > this.dirtyFrom) {
      const part = cells.box.subarray(4 * this.dirtyFrom, 4 * this.dirtyTo);
      this.staged.set(part, 4 * this.dirtyFrom);
    }
    if (this.onCard !== this.staged.length) {
      gl.bufferData(gl.ARRAY_BUFFER, this.staged, gl.DYNAMIC_DRAW);
      this.onCard = this.staged.length;
    } else if (this.dirtyTo > this.dirtyFrom) {
      gl.bufferSubData(gl.ARRAY_BUFFER, 16 * this.dirtyFrom, this.staged, 4 * this.dirtyFrom, 4 * (this.dirtyTo - this.dirtyFrom));
    }
    this.dirtyFrom = this.dirtyTo = 0;
  }
}
