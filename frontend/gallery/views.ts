/** How long each cell and the whole screen have been in view. No clock of its own. */
import type { Range } from "./layout";

export class Views {
  private readonly before = new Map<number, number>();
  private current: Range = { first: 0, end: 0 };
  private since = 0;
  private screen = 0;

  /** A page may be opened in a tab that nobody sees yet. */
  constructor(private isInSight: boolean) {}

  /** Other cells are in view now, or the same at another moment. */
  show(range: Range, now: number): void {
    this.settle(now);
    this.current = range;
  }
  /** The page is hidden, or seen again: what nobody sees takes no time. */
  inSight(isInSight: boolean, now: number): void {
    this.settle(now);
    this.isInSight = isInSight;
  }
  millisecondsOf(index: number, now: number): number {
    this.settle(now);
    return this.before.get(index) ?? 0;
  }
  /** Of the whole screen, from its first picture on. */
  screenMilliseconds(now: number): number {
    this.settle(now);
    return this.screen;
  }
  /** The next screen begins. */
  nextScreen(now: number): void {
    this.settle(now);
    this.current = { first: 0, end: 0 };
    this.screen = 0;
  }

  /** Other cells have these numbers now. */
  forget(now: number): void {
    this.nextScreen(now);
    this.before.clear();
  }

  private settle(now: number): void {
    const passed = this.isInSight ? now - this.since : 0;
    this.since = now;
    if (passed <= 0 || this.current.first === this.current.end) return;
    this.screen += passed;
    for (let index = this.current.first; index < this.current.end; index++)
      this.before.set(index, (this.before.get(index) ?? 0) + passed);
  }
}
