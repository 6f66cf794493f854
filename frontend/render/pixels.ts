/** The image's own pixels, for tools that look at colour. Fetched (from the browser's cache, as a rule) when first needed. */
import type { Size } from "../geometry/frames";

export type Window = { readonly x: number; readonly y: number; readonly width: number; readonly height: number; readonly rgba: Uint8ClampedArray };

export class Pixels {
  private bitmap: ImageBitmap | null = null;
  private asked: Promise<boolean> | null = null;

  constructor(
    private readonly url: string,
    private readonly image: Size,
  ) {}

  /** True as soon as pixels can be read; false when they could not be had (the next use tries again). */
  ready(): Promise<boolean> {
    return (this.asked ??= this.fetch().catch(() => {
      this.asked = null;
      return false;
    }));
  }

  private async fetch(): Promise<boolean> {
    const picture = new Image();
    picture.src = this.url;
    await picture.decode();
    this.bitmap = await createImageBitmap(picture);
    return true;
  }

  /** RGBA of a rectangle with whole corners inside the image; null while the pixels are on their way. */
  read(x: number, y: number, width: number, height: number): Uint8ClampedArray | null {
    void this.ready();
    if (!this.bitmap) return null;
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    context.drawImage(this.bitmap, x, y, width, height, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  }

  /** The pixels up to `reach` away from a point, inside the image; null while they are on their way. */
  around(at: { x: number; y: number }, reach: number): Window | null {
    const x = Math.max(0, Math.floor(at.x) - reach);
    const y = Math.max(0, Math.floor(at.y) - reach);
    const width = Math.min(this.image.width, Math.floor(at.x) + reach + 1) - x;
    const height = Math.min(this.image.height, Math.floor(at.y) + reach + 1) - y;
    if (width <= 0 || height <= 0 || at.x < 0 || at.y < 0 || at.x >= this.image.width || at.y >= this.image.height) return null;
    const rgba = this.read(x, y, width, height);
    return rgba && { x, y, width, height, rgba };
  }
}
