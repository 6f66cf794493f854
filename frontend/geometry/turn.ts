/** How the picture is turned on the screen. Tools, cells and tissue keep working in the frame "screen" of an upright
 *  canvas; the canvas as a whole is mirrored and then turned, about its middle, to where it is seen. */
import { screenPoint, type Camera, type Point, type Size } from "./frames";

/** Mirrored left to right first, then turned clockwise by so many quarters. */
export type Turn = { readonly quarters: 0 | 1 | 2 | 3; readonly isMirrored: boolean };
export const UPRIGHT: Turn = { quarters: 0, isMirrored: false };

/** A place or a step on the page, CSS pixels from the top left corner of the canvas's frame. */
export type Place = { readonly x: number; readonly y: number };

const quartersOf = (n: number): Turn["quarters"] => (((n % 4) + 4) % 4) as Turn["quarters"];

export const isUpright = (turn: Turn): boolean => turn.quarters === 0 && !turn.isMirrored;

/** The same view, turned clockwise as seen by so many quarters more. */
export const turned = ({ quarters, isMirrored }: Turn, by: number): Turn => ({
  quarters: quartersOf(quarters + by),
  isMirrored,
});

/** The same view, mirrored as seen. */
export const mirrored = ({ quarters, isMirrored }: Turn, along: "horizontal" | "vertical"): Turn => ({
  quarters: quartersOf(along === "horizontal" ? -quarters : 2 - quarters),
  isMirrored: !isMirrored,
});

/** The size of the upright canvas that fills a frame of this size; and the other way round. */
export const turnedSize = ({ width, height }: Size, { quarters }: Turn): Size =>
  quarters % 2 === 0 ? { width, height } : { width: height, height: width };

/** A step on the upright canvas, as it is seen. */
export function stepToPage({ x, y }: Place, { quarters, isMirrored }: Turn): Place {
  const across = isMirrored ? -x : x;
  switch (quarters) {
    case 0:
      return { x: across, y };
    case 1:
      return { x: -y, y: across };
    case 2:
      return { x: -across, y: -y };
    case 3:
      return { x: y, y: -across };
  }
}

/** A step as it is seen, on the upright canvas. */
export function stepFromPage({ x, y }: Place, { quarters, isMirrored }: Turn): Place {
  const back = stepToPage({ x, y }, { quarters: quartersOf(-quarters), isMirrored: false });
  return isMirrored ? { x: -back.x, y: back.y } : back;
}

/** Where a point of the upright canvas is seen in a frame of this size. */
export function toPage(point: Point<"screen">, turn: Turn, frame: Size): Place {
  const canvas = turnedSize(frame, turn);
  const step = stepToPage({ x: point.x - canvas.width / 2, y: point.y - canvas.height / 2 }, turn);
  return { x: step.x + frame.width / 2, y: step.y + frame.height / 2 };
}

/** Which point of the upright canvas is seen at a place of a frame of this size. */
export function fromPage(place: Place, turn: Turn, frame: Size): Point<"screen"> {
  const canvas = turnedSize(frame, turn);
  const step = stepFromPage({ x: place.x - frame.width / 2, y: place.y - frame.height / 2 }, turn);
  return screenPoint(step.x + canvas.width / 2, step.y + canvas.height / 2);
}

/** The transform of the upright canvas, of which the middle stands in the middle of its frame. */
export const cssOf = ({ quarters, isMirrored }: Turn): string =>
  [quarters ? `rotate(${90 * quarters}deg)` : "", isMirrored ? "scaleX(-1)" : ""].join(" ").trim();

/** The camera of another canvas that has the same place in its middle, at the same scale. */
export function recentred(camera: Camera, before: Size, after: Size): Camera {
  const { scale, left, top } = camera;
  return {
    scale,
    left: left + (before.width - after.width) / 2 / scale,
    top: top + (before.height - after.height) / 2 / scale,
  };
}
