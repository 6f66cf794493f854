/** Properties that are signals: whoever reads one inside `effect` is called again when it changes. */
import { signal } from "@preact/signals-core";

/** A base class whose instances have these properties, each with a value of its own. */
export function observed<T extends object>(initial: () => T): new () => T {
  class Observed {
    constructor() {
      for (const [name, value] of Object.entries(initial())) {
        const cell = signal<unknown>(value);
        Object.defineProperty(this, name, {
          enumerable: true,
          get: () => cell.value,
          set: (next: unknown) => (cell.value = next),
        });
      }
    }
  }
  return Observed as new () => T;
}

/** Inside `effect`: be called again when any of these properties changes. */
export function dependOn<T extends object>(object: T, names: readonly (keyof T)[]): void {
  for (const name of names) void object[name];
}
