/** The image's own pixels, for tools that look at colour. Fetched (from the browser's cache, as a rule) when first
 *  needed: a small image whole, of a large one the tiles around the place. */
import type { Size } from "../geometry/frames";
import type { Tiles } from "../scene/contract";

export type Window = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray;
};

/** Tiles kept, 1 MiB each: somebody works in one place at a time. */
const MOST_KEPT = 16;

type Source = Size & { readonly pixels_url: string; readonly tiles?: Tiles | null };
/** A part of the image: where it lies and, once it has come, its pixels. */
type Part = { readonly x: number; readonly y: number; bitmap: ImageBitmap | null; coming: Promise<boolean> };

export class Pixels {
  /** By address, the one used last at the end. */
  private readonly parts = new Map<string, Part>();

  constructor(
    private readonly image: Source,
    private readonly fetched: (url: string) => Promise<ImageBitmap> = fetchBitmap,
  ) {}

  /** True as soon as pixels can be read, of a large image its tiles one by one; false when they could not be had
   *  (the next use tries again). */
  ready(): Promise<boolean> {
    return this.image.tiles ? Promise.resolve(true) : this.part(this.image.pixels_url, 0, 0).coming;
  }

  /** RGBA of a rectangle with whole corners inside the image; null while the pixels are on their way. */
  read(x: number, y: number, width: number, height: number): Uint8ClampedArray | null {
    const parts = this.over(x, y, width, height);
    if (parts.some((part) => !part.bitmap)) return null;
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    for (const part of parts) context.drawImage(part.bitmap as ImageBitmap, part.x - x, part.y - y);
    return context.getImageData(0, 0, width, height).data;
  }

  /** The pixels up to `reach` away from a point, inside the image; null while they are on their way. */
  around(at: { x: number; y: number }, reach: number): Window | null {
    const x = Math.max(0, Math.floor(at.x) - reach);
    const y = Math.max(0, Math.floor(at.y) - reach);
    const width = Math.min(this.image.width, Math.floor(at.x) + reach + 1) - x;
    const height = Math.min(this.image.height, Math.floor(at.y) + reach + 1) - y;
    if (
      width <= 0 ||
      height <= 0 ||
      at.x < 0 ||
      at.y < 0 ||
      at.x >= this.image.width ||
      at.y >= this.image.height
    )
      return null;
    const rgba = this.read(x, y, width, height);
    return rgba && { x, y, width, height, rgba };
  }

  /** True when `around` has its pixels; false when they could not be had. */
  async readyAround(at: { x: number; y: number }, reach: number): Promise<boolean> {
    const x = Math.max(0, Math.floor(at.x) - reach);
    const y = Math.max(0, Math.floor(at.y) - reach);
    const width = Math.min(this.image.width, Math.floor(at.x) + reach + 1) - x;
    const height = Math.min(this.image.height, Math.floor(at.y) + reach + 1) - y;
    const coming = await Promise.all(this.over(x, y, width, height).map((part) => part.coming));
    return coming.every((isThere) => isThere);
  }

  /** The parts that cover a rectangle; those that are not here yet are fetched. */
  private over(x: number, y: number, width: number, height: number): Part[] {
    const { tiles, pixels_url } = this.image;
    if (!tiles) return [this.part(pixels_url, 0, 0)];
    const { url, size } = tiles;
    const found: Part[] = [];
    for (let row = Math.floor(y / size); row * size < y + height; row++)
      for (let column = Math.floor(x / size); column * size < x + width; column++)
        found.push(this.part(`${url}0/${column}/${row}/`, column * size, row * size));
    for (const [address, part] of this.parts) {
      if (this.parts.size <= Math.max(MOST_KEPT, found.length)) break;
      part.bitmap?.close();
      this.parts.delete(address);
    }
    return found;
  }

  private part(url: string, x: number, y: number): Part {
    const known = this.parts.get(url);
    const part: Part = known ?? { x, y, bitmap: null, coming: Promise.resolve(false) };
    this.parts.delete(url);
    this.parts.set(url, part);
    if (!known)
      part.coming = this.fetched(url).then(
        (bitmap) => {
          part.bitmap = bitmap;
          return true;
        },
        () => {
          if (this.parts.get(url) === part) this.parts.delete(url);
          return false;
        },
      );
    return part;
  }
}

async function fetchBitmap(url: string): Promise<ImageBitmap> {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return createImageBitmap(picture);
}
