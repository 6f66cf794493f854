/** The points that somebody sets in a field, one for each cell. Pure: no page, no server. Places are 0..1 of the
 *  picture. */

export type Point = readonly [number, number];
export type Frame = readonly [number, number, number, number];
/** A click so close to a point takes it away. */
export const NEAR = 0.012;
/** How far an arrow key moves the cross. */
export const STEP = 0.01;

export class Points {
  private points: Point[] = [];
  cross: Point;

  constructor(private readonly frame: Frame) {
    const [x0, y0, x1, y1] = frame;
    this.cross = [(x0 + x1) / 2, (y0 + y1) / 2];
  }

  get all(): readonly Point[] {
    return this.points;
  }

  /** A point there, or none any more where one was; outside the field nothing. */
  toggle([x, y]: Point): void {
    const near = this.points.findIndex(([a, b]) => Math.hypot(a - x, b - y) <= NEAR);
    if (near >= 0) this.points.splice(near, 1);
    else if (this.isInside([x, y])) this.points.push([x, y]);
  }

  removeLast(): void {
    this.points.pop();
  }

  /** The cross stays in the field. */
  move(columns: number, rows: number): void {
    const [x0, y0, x1, y1] = this.frame;
    const [x, y] = this.cross;
    this.cross = [clamped(x + columns * STEP, x0, x1), clamped(y + rows * STEP, y0, y1)];
  }

  private isInside([x, y]: Point): boolean {
    const [x0, y0, x1, y1] = this.frame;
    return x >= x0 && x <= x1 && y >= y0 && y <= y1;
  }
}

const clamped = (value: number, least: number, most: number): number =>
  Math.max(least, Math.min(most, value));
