/** Questions to the interactive worker: one on its way at a time, and of those that wait only the newest is asked. */

export class Asker {
  private number = 0;
  private busy = false;
  private waiting: (() => void) | null = null;
  private letGo: (() => void) | null = null;

  /** The answer, or null when something newer was asked before this was sent, or `drop` was called meanwhile. */
  ask<T>(send: (number: number) => Promise<T>): Promise<T | null> {
    const number = ++this.number;
    return new Promise<T | null>((resolve, reject) => {
      const go = () => {
        this.busy = true;
        this.waiting = this.letGo = null;
        send(number)
          .then(
            (answer) => resolve(this.dropped >= number ? null : answer),
            (error: Error) => (this.dropped >= number ? resolve(null) : reject(error)),
          )
          .finally(() => {
            this.busy = false;
            this.waiting?.();
          });
      };
      if (!this.busy) return go();
      this.letGo?.();
      this.waiting = go;
      this.letGo = () => resolve(null);
    });
  }

  private dropped = 0;

  /** Nobody wants the answers to what was asked until now. */
  drop(): void {
    this.dropped = this.number;
    this.letGo?.();
    this.waiting = this.letGo = null;
  }
}
