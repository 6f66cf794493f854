/** The outline of a mask along the edges of its pixels, as the path of an SVG element in image pixels. */
import { unpack, type Mask } from "./mask";
import type { Box } from "./box";

export function edgePath(mask: Mask): string {
  const { x, y, width, height, pixels } = unpack(mask);
  const isSet = (column: number, row: number): boolean =>
    column >= 0 && row >= 0 && column < width && row < height && pixels[row * width + column] === 1;
  const parts: string[] = [];
  for (let row = 0; row <= height; row++) {
    const isEdge = (column: number) => isSet(column, row) !== isSet(column, row - 1);
    for (const [start, end] of runs(width, isEdge)) parts.push(`M${x + start} ${y + row}H${x + end}`);
  }
  for (let column = 0; column <= width; column++) {
    const isEdge = (row: number) => isSet(column, row) !== isSet(column - 1, row);
    for (const [start, end] of runs(height, isEdge)) parts.push(`M${x + column} ${y + start}V${y + end}`);
  }
  return parts.join("");
}

/** The stretches below `length` in which `holds`: first, and one past the last. */
function runs(length: number, holds: (at: number) => boolean): [number, number][] {
  const found: [number, number][] = [];
  let start = -1;
  for (let at = 0; at <= length; at++) {
    const isIn = at < length && holds(at);
    if (isIn && start < 0) start = at;
    if (isIn || start < 0) continue;
    found.push([start, at]);
    start = -1;
  }
  return found;
}

/** The outline of a cell without a mask. */
export const boxPath = ({ x0, y0, x1, y1 }: Box): string => `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
