/** Cells on a plain 2D canvas: for small pictures beside the viewport, which draws thousands by WebGL. */
import { fromBase64, unpack, type Mask } from "../geometry/mask";
import type { AnnotationState } from "../scene/contract";

/** The sides of pixels between inside and outside of a mask, in image pixels. */
export function edgesOf(mask: Mask): Path2D {
  const { x, y, width, height, pixels } = unpack(mask);
  const path = new Path2D();
  const isSet = (column: number, row: number) =>
    column >= 0 && row >= 0 && column < width && row < height && pixels[row * width + column] === 1;
  const line = (x0: number, y0: number, x1: number, y1: number) => {
    path.moveTo(x + x0, y + y0);
    path.lineTo(x + x1, y + y1);
  };
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      if (!isSet(column, row)) continue;
      if (!isSet(column, row - 1)) line(column, row, column + 1, row);
      if (!isSet(column, row + 1)) line(column, row + 1, column + 1, row + 1);
      if (!isSet(column - 1, row)) line(column, row, column, row + 1);
      if (!isSet(column + 1, row)) line(column + 1, row, column + 1, row + 1);
    }
  return path;
}

/** The outline of a state: of its mask, or its box where it has none; image pixels. */
export function outlinePath(state: AnnotationState): Path2D {
  if (state.mask) return edgesOf({ ...state.mask, bits: fromBase64(state.mask.bits) });
  const [x0, y0, x1, y1] = state.box;
  const path = new Path2D();
  path.rect(x0, y0, x1 - x0, y1 - y0);
  return path;
}
