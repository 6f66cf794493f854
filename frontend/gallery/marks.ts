/** What somebody has marked in a gallery, before a screen is decided. Pure. */
import type { Schemas } from "../scene/contract";

export type Mark =
  | { readonly kind: "reject" }
  | { readonly kind: "cannot_tell" }
  | { readonly kind: "class"; readonly labelClass: number };

type Given = Schemas["GivenBody"];

export class Marks {
  private readonly marks = new Map<number, Mark>();

  of(index: number): Mark | undefined {
    return this.marks.get(index);
  }
  get size(): number {
    return this.marks.size;
  }
  /** Marked as wrong, or no longer. -> whether it is marked now. */
  toggle(index: number): boolean {
    if (this.marks.delete(index)) return false;
    this.marks.set(index, { kind: "reject" });
    return true;
  }
  set(index: number, mark: Mark | null): void {
    if (mark) this.marks.set(index, mark);
    else this.marks.delete(index);
  }
  clear(): void {
    this.marks.clear();
  }
  /** The same mark for several cells. */
  setAll(indices: Iterable<number>, mark: Mark): void {
    for (const index of indices) this.marks.set(index, mark);
  }
}

/** What a mark says of its cell, as the API has it. */
export function verdictOf(cell: string, mark: Mark): Given {
  if (mark.kind === "class") return { cell, verdict: "accept" as const, label_class: mark.labelClass };
  return { cell, verdict: mark.kind === "cannot_tell" ? ("cannot_tell" as const) : ("reject" as const) };
}

/** The mark that a verdict was made of. */
export function markOf({ verdict, label_class }: Given): Mark {
  if (verdict === "accept" && label_class) return { kind: "class", labelClass: label_class };
  return { kind: verdict === "cannot_tell" ? "cannot_tell" : "reject" };
}
