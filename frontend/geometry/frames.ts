/** Frames told apart by types, and the camera that is the only way between them. */

/** A point that knows its frame: mixing frames is a type error, and costs nothing at run time.
 *  "image": image pixels, origin at the top left corner of the image, y down.
 *  "screen": CSS pixels, origin at the top left corner of the canvas, y down. */
export type Point<Frame extends "image" | "screen"> = {
  readonly x: number;
  readonly y: number;
  readonly frame: Frame;
};

export const imagePoint = (x: number, y: number): Point<"image"> => ({ x, y, frame: "image" });
export const screenPoint = (x: number, y: number): Point<"screen"> => ({ x, y, frame: "screen" });

export type Size = { readonly width: number; readonly height: number };

/** What the canvas shows: `scale` CSS pixels for one image pixel, and the image point at the canvas's top left. */
export type Camera = { readonly scale: number; readonly left: number; readonly top: number };

export const toScreen = (p: Point<"image">, c: Camera): Point<"screen"> =>
  screenPoint((p.x - c.left) * c.scale, (p.y - c.top) * c.scale);

export const toImage = (p: Point<"screen">, c: Camera): Point<"image"> =>
  imagePoint(p.x / c.scale + c.left, p.y / c.scale + c.top);

export const MAX_SCALE = 64;

/** The whole image in the middle of the canvas, with a margin of `margin` CSS pixels. */
export function fit(image: Size, canvas: Size, margin = 24): Camera {
  const scale = Math.max(
    1e-6,
    Math.min(
      (canvas.width - 2 * margin) / image.width,
      (canvas.height - 2 * margin) / image.height,
      MAX_SCALE,
    ),
  );
  return {
    scale,
    left: image.width / 2 - canvas.width / 2 / scale,
    top: image.height / 2 - canvas.height / 2 / scale,
  };
}

/** Zoom by `factor` so that what lies under `at` stays there. Never smaller than half of the fitted image. */
export function zoomAt(
  camera: Camera,
  at: Point<"screen">,
  factor: number,
  image: Size,
  canvas: Size,
): Camera {
  const least = fit(image, canvas).scale / 2;
  const scale = Math.min(MAX_SCALE, Math.max(least, camera.scale * factor));
  const fixed = toImage(at, camera);
  return { scale, left: fixed.x - at.x / scale, top: fixed.y - at.y / scale };
}

/** Move the picture by (dx, dy) CSS pixels; a corner of the image always stays in sight. */
export function panBy(camera: Camera, dx: number, dy: number, image: Size, canvas: Size): Camera {
  const keep = 48 / camera.scale;
  const width = canvas.width / camera.scale;
  const height = canvas.height / camera.scale;
  return {
    scale: camera.scale,
    left: clamp(camera.left - dx / camera.scale, keep - width, image.width - keep),
    top: clamp(camera.top - dy / camera.scale, keep - height, image.height - keep),
  };
}

/** The same scale, with `at` in the middle. */
export const centredOn = (camera: Camera, at: Point<"image">, canvas: Size): Camera => ({
  scale: camera.scale,
  left: at.x - canvas.width / 2 / camera.scale,
  top: at.y - canvas.height / 2 / camera.scale,
});

/** The nearest camera of the same scale that shows no empty space where there is image to show. */
export function within(camera: Camera, image: Size, canvas: Size, margin = 24): Camera {
  const place = (start: number, length: number, shown: number) => {
    const rim = margin / camera.scale;
    return shown >= length + 2 * rim ? (length - shown) / 2 : clamp(start, -rim, length + rim - shown);
  };
  return {
    scale: camera.scale,
    left: place(camera.left, image.width, canvas.width / camera.scale),
    top: place(camera.top, image.height, canvas.height / camera.scale),
  };
}

export const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));
