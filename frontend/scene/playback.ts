/** The work on a layer as a film: which cells were there after each operation. Goes forwards and backwards by the
 *  states before and after, so that every moment costs only what changed since the last one shown. */
import type { AnnotationState, OperationOut } from "./contract";

type Step = Pick<OperationOut, "effects">;

export class Playback {
  /** How many operations are applied. */
  at = 0;
  private readonly states = new Map<string, AnnotationState>();

  constructor(readonly operations: readonly Step[]) {}

  get cells(): Iterable<[string, AnnotationState]> {
    return this.states;
  }
  get count(): number {
    return this.states.size;
  }

  /** Show the layer as it was after so many operations. */
  go(to: number): void {
    const target = Math.min(Math.max(0, to), this.operations.length);
    while (this.at < target) this.apply(this.operations[this.at++], "after");
    while (this.at > target) this.apply(this.operations[--this.at], "before");
  }

  private apply(operation: Step, side: "before" | "after"): void {
    for (const effect of operation.effects) {
      const state = effect[side];
      if (state) this.states.set(effect.annotation, state);
      else this.states.delete(effect.annotation);
    }
  }
}
