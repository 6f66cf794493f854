/** When to suggest a break. Pure: it is called at every input, on the monotonic clock in milliseconds. */

export const WORK_MS = 50 * 60_000;
/** A pause as long as this was a break. */
export const REST_MS = 5 * 60_000;

export class Rest {
  private begun = -Infinity;
  private last = -Infinity;

  /** True once after every WORK_MS of work without a rest. A suggestion, never a lock. */
  seen(now: number): boolean {
    if (now - this.last > REST_MS) this.begun = now;
    this.last = now;
    if (now - this.begun < WORK_MS) return false;
    this.begun = now;
    return true;
  }
}
