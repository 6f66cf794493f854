/** Two fingers: where the picture goes when the pinch moves. Pure. */
import { panBy, zoomAt, screenPoint, type Camera, type Point, type Size } from "../geometry/frames";

export type Fingers = readonly [Point<"screen">, Point<"screen">];

const middle = ([a, b]: Fingers) => screenPoint((a.x + b.x) / 2, (a.y + b.y) / 2);
const spread = ([a, b]: Fingers) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));

export function pinch(camera: Camera, before: Fingers, after: Fingers, image: Size, canvas: Size): Camera {
  const [from, to] = [middle(before), middle(after)];
  const panned = panBy(camera, to.x - from.x, to.y - from.y, image, canvas);
  return zoomAt(panned, to, spread(after) / spread(before), image, canvas);
}

/** Zoom factor of a wheel event; `lines` when the browser counts lines instead of pixels. */
export function wheelFactor(deltaY: number, lines: boolean, pinching: boolean): number {
  const pixels = lines ? deltaY * 16 : deltaY;
  return Math.exp(-Math.max(-240, Math.min(240, pixels)) * (pinching ? 0.01 : 0.0018));
}
