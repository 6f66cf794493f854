/** The masks of all rows without an object a mask: boxes in one array, bits where their pack left them. */
import type { Box } from "../geometry/box";
import { bytesOf, type Mask } from "../geometry/mask";

/** Bits that came with an operation or were drawn here, not with a pack. */
const OWN = 0;

export class Masks {
  /** x, y, width, height; width 0: no mask. */
  private boxes = new Int32Array(4 * 1024);
  /** In which source its bits are, and from which byte on. */
  private source = new Uint16Array(1024);
  private offset = new Uint32Array(1024);
  private readonly sources: Uint8Array[] = [new Uint8Array(0)];
  private readonly own = new Map<number, Uint8Array>();

  /** The bits of a pack, all masks one after the other; for `setFrom`. */
  addSource(bits: Uint8Array): number {
    return this.sources.push(bits) - 1;
  }
  setFrom(
    row: number,
    source: number,
    offset: number,
    x: number,
    y: number,
    width: number,
    height: number,
  ): void {
    this.place(row, x, y, width, height);
    this.source[row] = source;
    this.offset[row] = offset;
  }
  set(row: number, mask: Mask | null): void {
    this.place(row, mask?.x ?? 0, mask?.y ?? 0, mask?.width ?? 0, mask?.height ?? 0);
    this.source[row] = OWN;
    if (mask) this.own.set(row, mask.bits);
  }

  has(row: number): boolean {
    return this.boxes[4 * row + 2] > 0;
  }
  get(row: number): Mask | null {
    if (!this.has(row)) return null;
    const [x, y, width, height] = this.boxes.subarray(4 * row, 4 * row + 4);
    const from = this.offset[row];
    const bits =
      this.source[row] === OWN
        ? (this.own.get(row) as Uint8Array)
        : this.sources[this.source[row]].subarray(from, from + bytesOf(width, height));
    return { x, y, width, height, bits };
  }
  /** The smallest box that holds `box` and the row's mask. */
  around(row: number, box: Box): Box {
    if (!this.has(row)) return box;
    const [x, y, width, height] = [
      this.boxes[4 * row],
      this.boxes[4 * row + 1],
      this.boxes[4 * row + 2],
      this.boxes[4 * row + 3],
    ];
    return {
      x0: Math.min(box.x0, x),
      y0: Math.min(box.y0, y),
      x1: Math.max(box.x1, x + width),
      y1: Math.max(box.y1, y + height),
    };
  }
  /** Has the row a mask whose box meets `box`? */
  meets(row: number, box: Box): boolean {
    const i = 4 * row;
    const [x, y] = [this.boxes[i], this.boxes[i + 1]];
    return (
      this.has(row) &&
      x < box.x1 &&
      x + this.boxes[i + 2] > box.x0 &&
      y < box.y1 &&
      y + this.boxes[i + 3] > box.y0
    );
  }

  private place(row: number, x: number, y: number, width: number, height: number): void {
    if (row >= this.source.length) this.grow(row);
    this.own.delete(row);
    this.boxes[4 * row] = x;
    this.boxes[4 * row + 1] = y;
    this.boxes[4 * row + 2] = width;
    this.boxes[4 * row + 3] = height;
  }

  private grow(row: number): void {
    const length = 2 ** Math.ceil(Math.log2(row + 1));
    const [boxes, source, offset] = [
      new Int32Array(4 * length),
      new Uint16Array(length),
      new Uint32Array(length),
    ];
    boxes.set(this.boxes);
    source.set(this.source);
    offset.set(this.offset);
    [this.boxes, this.source, this.offset] = [boxes, source, offset];
  }
}
