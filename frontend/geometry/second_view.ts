/** Where a second, registered image stands on the canvas of the first: its own camera, and what remains for CSS. */
import { apply, inverse, shapeOf, type Affine, type Vector } from "./affine";
import { imagePoint, screenPoint, toImage, type Camera, type Point, type Size } from "./frames";

export type SecondView = {
  /** Of the second image's own canvas. */
  readonly camera: Camera;
  /** Of that canvas, whose middle stands in the middle of the first one's. */
  readonly size: Size;
  /** Rotation, mirroring and shear about that middle. */
  readonly shape: Affine;
};

/** `onto`: from the first image to the second, image pixels. */
export function secondView(camera: Camera, canvas: Size, onto: Affine): SecondView {
  const back = inverse(onto);
  const { scale, shape } = shapeOf(back);
  const size = coverOf(canvas, inverse(shape));
  const middle = apply(onto, toImage(screenPoint(canvas.width / 2, canvas.height / 2), camera));
  const own = camera.scale * scale;
  const left = middle.x - size.width / 2 / own;
  const top = middle.y - size.height / 2 / own;
  return { camera: { scale: own, left, top }, size, shape };
}

/** The size of a canvas that still fills `canvas` after it was shaped by the inverse of `map` about the middle. */
function coverOf(canvas: Size, map: Affine): Size {
  const corners = [-1, 1].map((side) => apply(map, { x: canvas.width / 2, y: (side * canvas.height) / 2 }));
  const reach = (of: (corner: Vector) => number) => 2 * Math.max(...corners.map((c) => Math.abs(of(c))));
  return { width: Math.ceil(reach((c) => c.x)), height: Math.ceil(reach((c) => c.y)) };
}

/** Which place of the second image is seen at a point of the first one's canvas. */
export const secondPlace = (point: Point<"screen">, camera: Camera, onto: Affine): Point<"image"> => {
  const { x, y } = apply(onto, toImage(point, camera));
  return imagePoint(x, y);
};
