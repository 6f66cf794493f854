/** Which boxes lie near a point: a uniform grid of buckets over the image, cheap to change while people draw. */
import type { Box } from "./box";

export class Grid {
  private readonly buckets = new Map<number, number[]>();
  /** Boxes over so many buckets (regions) are kept in one list, so that a whole-field region costs nothing. */
  private readonly large = new Set<number>();

  constructor(
    private readonly width: number,
    private readonly step = 64,
    private readonly most = 64,
  ) {}

  insert(row: number, box: Box): void {
    const keys = this.keysOf(box);
    if (!keys) {
      this.large.add(row);
      return;
    }
    for (const key of keys) {
      const bucket = this.buckets.get(key);
      if (bucket) bucket.push(row);
      else this.buckets.set(key, [row]);
    }
  }

  /** `box` is the one the row was inserted with. */
  remove(row: number, box: Box): void {
    const keys = this.keysOf(box);
    if (!keys) {
      this.large.delete(row);
      return;
    }
    for (const key of keys) {
      const bucket = this.buckets.get(key);
      const place = bucket?.indexOf(row) ?? -1;
      if (bucket && place >= 0) {
        bucket[place] = bucket[bucket.length - 1];
        bucket.pop();
      }
    }
  }

  /** Every row whose box may meet `box`, each once; the caller compares the real boxes. */
  query(box: Box): number[] {
    const found = new Set<number>(this.large);
    const [x0, y0, x1, y1] = this.range(box);
    for (let y = y0; y <= y1; y++)
      for (let x = x0; x <= x1; x++)
        for (const row of this.buckets.get(y * this.columns + x) ?? []) found.add(row);
    return [...found];
  }

  private get columns(): number {
    return Math.ceil(this.width / this.step) + 2;
  }

  private range(box: Box): [number, number, number, number] {
    const at = (value: number) => Math.max(0, Math.floor(value / this.step));
    const column = (value: number) => Math.min(this.columns - 1, at(value));
    return [column(box.x0), at(box.y0), column(box.x1), at(box.y1)];
  }

  private keysOf(box: Box): number[] | null {
    const [x0, y0, x1, y1] = this.range(box);
    if ((x1 - x0 + 1) * (y1 - y0 + 1) > this.most) return null;
    const keys: number[] = [];
    for (let y = y0; y <= y1; y++) for (let x = x0; x <= x1; x++) keys.push(y * this.columns + x);
    return keys;
  }
}
