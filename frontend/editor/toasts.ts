/** Short messages. A toast that offers "Undo" is bound to its own act, and goes when that act is undone. */
import { effect, untracked } from "@preact/signals-core";
import type { History } from "../scene/history";
import { dependOn, observed } from "../scene/observed";

export type Toast = {
  readonly id: number;
  readonly text: string;
  /** The operations of the act that it tells of; empty: there is nothing to undo. */
  readonly undoes: readonly string[];
};

const MOST = 3;
const SHORT_MS = 5000;
const LONG_MS = 8000;

type Observable = { list: readonly Toast[] };

export class Toasts extends observed((): Observable => ({ list: [] })) {
  private last = 0;

  constructor(private readonly history: History) {
    super();
    effect(() => {
      dependOn(history, ["done"]);
      untracked(() => this.prune());
    });
  }

  /** `undoes`: the operations of the act that it reports, which its button would undo. */
  show(text: string, undoes: readonly string[] = []): void {
    const toast = { id: ++this.last, text, undoes };
    // The same sentence again replaces the first one: a repeating key must not fill the screen.
    const others = this.list.filter((other) => other.text !== text || other.undoes.length > 0);
    this.list = [...others.slice(1 - MOST), toast];
    setTimeout(() => this.dismiss(toast.id), undoes.length ? LONG_MS : SHORT_MS);
  }

  dismiss(id: number): void {
    if (!this.list.some((toast) => toast.id === id)) return;
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  /** Remove toasts whose act has been undone, or was rejected by the server. */
  private prune(): void {
    const stands = (toast: Toast) =>
      toast.undoes.length === 0 || toast.undoes.some((op_id) => this.history.has(op_id));
    if (!this.list.every(stands)) this.list = this.list.filter(stands);
  }
}
