/** The few WebGL2 calls that everything drawn shares. */

export class NoWebGL extends Error {}

export function program(gl: WebGL2RenderingContext, vertex: string, fragment: string): WebGLProgram {
  const made = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(kind) as WebGLShader;
    gl.shaderSource(shader, `#version 300 es\nprecision highp float;\nprecision highp int;\n${source}`);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
      throw new Error(`shader: ${gl.getShaderInfoLog(shader) ?? ""}`);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(`program: ${gl.getProgramInfoLog(made) ?? ""}`);
  return made;
}

/** Uniform locations by name, looked up once. */
export function uniforms<Name extends string>(
  gl: WebGL2RenderingContext,
  made: WebGLProgram,
  names: readonly Name[],
): Record<Name, WebGLUniformLocation | null> {
  return Object.fromEntries(names.map((n) => [n, gl.getUniformLocation(made, n)])) as Record<
    Name,
    WebGLUniformLocation | null
  >;
}

export function nearest(gl: WebGL2RenderingContext): void {
  for (const [name, value] of [
    [gl.TEXTURE_MIN_FILTER, gl.NEAREST],
    [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
    [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
    [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
  ] as const)
    gl.texParameteri(gl.TEXTURE_2D, name, value);
}

/** How outlines are drawn, CSS pixels, at any zoom. `width`: of the core; beside it the casing. */
export type Outlines = { readonly width: number };
export const PLAIN_OUTLINES: Outlines = { width: 2 };
/** Of a selected and of a hovered cell: so many times as wide. */
const WIDER = { selected: 1.6, hovered: 1.3 } as const;
export const casingOf = ({ width }: Outlines): number => Math.max(1, 0.5 * width);
/** How far the widest outline, that of a selected cell, stands out of its box, CSS pixels. */
export const reachOf = (outlines: Outlines): number =>
  0.5 * WIDER.selected * outlines.width + casingOf(outlines);

/** Dashes along a line; `along` in device pixels. */
export const LINE_GLSL = `
uniform float uDpr;                   // device pixels a CSS pixel
uniform float uWidth;                 // of an outline's core, device pixels
uniform float uCasing;                // of its casing on one side, device pixels
float coreOf(bool selected, bool hovered) {
  return uWidth * (selected ? ${WIDER.selected} : hovered ? ${WIDER.hovered} : 1.0);
}
bool inDash(uint line, float along) {
  if (line == 2u) return mod(along, 9.0 * uDpr) < 5.5 * uDpr;
  if (line == 3u) return mod(along, 4.0 * uDpr) < 1.8 * uDpr;
  return true;
}
`;

/** The style of a row's mask, from the table that StyleTable binds to unit 0:
 *  red, green, blue, and line + 4 x flags + 128 where the casing is white. */
export const STYLE_GLSL = `
uniform highp usampler2D uStyles;
uvec4 styleOf(uint row) { return texelFetch(uStyles, ivec2(int(row & 1023u), int(row >> 10)), 0); }
`;
export const STYLES_WIDTH = 1024;
