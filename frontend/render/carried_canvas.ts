/** The drawn cells as a picture that moves with the view. While somebody pans or zooms, the compositor moves and scales
 *  the canvas, and the cells are drawn anew only a few times a second and when the view stands still: drawing 10,000
 *  of them costs more than all the rest of a frame (docs/house.md, The frame). */
import type { Camera, Size } from "../geometry/frames";

/** A moving picture is drawn anew at least so often; one that stands still after so long, milliseconds. */
export const REFRESH_MS = 100;
export const REST_MS = 80;
/** A picture that is scaled by more is drawn anew: lines would be seen to be too thin or too thick. */
const MOST_ZOOM = 1.25;
/** So is one of which more than this share of a side has left the canvas, on which nothing is drawn yet. */
const MOST_GONE = 0.25;

/** `key`: whatever else of the view the picture was drawn with. */
type Drawn = { readonly camera: Camera; readonly key: string; readonly at: number };

/** How far a drawn picture stands from where it is seen now: scaled, then moved, CSS pixels. */
type Shift = { readonly zoom: number; readonly x: number; readonly y: number };

export function shiftBetween(drawn: Camera, camera: Camera): Shift {
  return {
    zoom: camera.scale / drawn.scale,
    x: (drawn.left - camera.left) * camera.scale,
    y: (drawn.top - camera.top) * camera.scale,
  };
}

export function isSmall({ zoom, x, y }: Shift, { width, height }: Size): boolean {
  if (zoom > MOST_ZOOM || zoom < 1 / MOST_ZOOM) return false;
  const gone = [x / width, y / height, 1 - zoom - x / width, 1 - zoom - y / height];
  return gone.every((share) => share <= MOST_GONE);
}

export class CarriedCanvas {
  private drawn: Drawn | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** The picture stands elsewhere than where it was drawn. */
  isCarried = false;

  /** `onRest`: the view has stood still, so the cells are to be drawn where they are. */
  constructor(
    private readonly canvas: { readonly style: { transform: string } },
    private readonly onRest: () => void,
  ) {}

  /** Move the picture to where the camera sees it. False: it has to be drawn anew. */
  carry(camera: Camera, key: string, size: Size, now: number): boolean {
    const { drawn } = this;
    if (!drawn || drawn.key !== key || now - drawn.at > REFRESH_MS) return false;
    const shift = shiftBetween(drawn.camera, camera);
    if (!isSmall(shift, size)) return false;
    const { zoom, x, y } = shift;
    this.canvas.style.transform = `matrix(${zoom}, 0, 0, ${zoom}, ${x}, ${y})`;
    this.isCarried = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(this.onRest, REST_MS);
    return true;
  }

  /** It has just been drawn for this camera. */
  wasDrawn(camera: Camera, key: string, now: number): void {
    this.drawn = { camera, key, at: now };
    if (this.isCarried) this.canvas.style.transform = "";
    this.isCarried = false;
    clearTimeout(this.timer);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
