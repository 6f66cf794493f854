/** The outline of one cell above a picture of it, as an SVG element: a casing, and the core on it, as the workspace
 *  draws outlines (outline_colour.ts). */
import type { Box } from "../geometry/box";
import { boxPath, edgePath } from "../geometry/edges";
import { fromBase64 } from "../geometry/mask";
import type { Schemas } from "../scene/contract";
import { rgb, UNCLASSIFIED_COLOUR } from "./palette";
import { casingOf, PLAIN_OUTLINES, type Outlines } from "./gl";
import { css, outlineOf, type OutlineColours } from "./outline_colour";

/** `corner`, `side`: of the picture, image pixels. */
export type Pictured = Pick<Schemas["CropAnswer"], "box" | "mask" | "corner" | "side">;
export type Line = { readonly stroke: string; readonly width: number };

/** From the lowest line to the uppermost. Widths are CSS pixels. */
export function linesOf({ core, casing }: OutlineColours, outlines: Outlines = PLAIN_OUTLINES): Line[] {
  return [
    { stroke: css(casing), width: outlines.width + 2 * casingOf(outlines) },
    { stroke: css(core), width: outlines.width },
  ];
}

/** `colour`: of the cell's class; null for a cell without a class. */
export function outlineElement(cell: Pictured, colour: string | null): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const [left, top] = cell.corner;
  svg.setAttribute("viewBox", `${left} ${top} ${cell.side} ${cell.side}`);
  svg.setAttribute("aria-hidden", "true");
  const path = pathOf(cell);
  for (const line of linesOf(outlineOf(rgb(colour ?? UNCLASSIFIED_COLOUR))))
    svg.append(lineElement(path, line));
  return svg;
}

function lineElement(path: string, { stroke, width }: Line): SVGPathElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
  element.setAttribute("d", path);
  element.setAttribute("fill", "none");
  element.setAttribute("stroke", stroke);
  element.setAttribute("stroke-width", String(width));
  element.setAttribute("stroke-linecap", "square"); // the stretches of an edge path meet at corners
  element.setAttribute("vector-effect", "non-scaling-stroke");
  return element;
}

function pathOf({ mask, box }: Pictured): string {
  if (mask) return edgePath({ ...mask, bits: fromBase64(mask.bits) });
  const [x0, y0, x1, y1] = box;
  return boxPath({ x0, y0, x1, y1 } satisfies Box);
}
