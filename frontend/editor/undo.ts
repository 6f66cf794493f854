/** Back and forth: the last act, or the one that a toast names. What is not in memory is asked of the log before
 *  a person reads that somebody else was there. */
import { t } from "../locale/locale";
import type { Head } from "../scene/contract";
import type { Draft } from "../scene/edits";
import type { Entry, Heads, History, Step } from "../scene/history";
import { moment } from "./words";
import type { CellSelection } from "./interfaces";
import type { Store } from "./store";
import { wordsOf } from "./operation_words";

type Direction = "undo" | "redo";

/** What undo needs of the editor; a test gives it a log without a page. */
export type UndoContext = {
  readonly history: History;
  readonly me: number;
  readonly heads: Heads;
  /** The log's word on annotations. Rejects when the server does not answer. */
  readonly ask: (annotations: readonly string[]) => Promise<readonly Head[]>;
  readonly learn: (head: Head) => void;
  readonly commit: (draft: Draft) => string | null;
  readonly show: (annotation: string) => void;
  readonly say: (text: string) => void;
};

export class UndoRedo {
  /** Steps that wait for the log's answer, one after the other. */
  private waiting: Promise<void> | null = null;

  constructor(private readonly context: UndoContext) {}

  undo(): void {
    this.next(() => this.turn("undo"));
  }
  redo(): void {
    this.next(() => this.turn("redo"));
  }
  /** The act that these operations were, and no other one; the later ones first. */
  undoOperations(op_ids: readonly string[]): void {
    for (const op_id of [...op_ids].reverse()) this.next(() => this.turn("undo", op_id));
  }
  /** When everything that was asked has been answered. */
  async settled(): Promise<void> {
    while (this.waiting) await this.waiting;
  }

  /** At once where the log need not be asked, else after the steps that still wait. */
  private next(step: () => Promise<void> | null): void {
    const running = this.waiting ? this.waiting.then(step) : step();
    if (!running) return;
    const done: Promise<void> = Promise.resolve(running)
      .then(() => undefined)
      .finally(() => {
        if (this.waiting === done) this.waiting = null;
      });
    this.waiting = done;
  }

  private turn(direction: Direction, op_id?: string): Promise<void> | null {
    const step = this.context.history[direction](this.context.heads, op_id);
    if (step === "nothing") {
      if (op_id === undefined)
        this.context.say(direction === "undo" ? t("Nothing to undo.") : t("Nothing to redo."));
      return null;
    }
    if ("draft" in step) {
      this.commit(direction, step.entry, step.draft);
      return null;
    }
    return this.askLog(direction, step);
  }

  private commit(direction: Direction, entry: Entry, draft: Draft): void {
    if (this.context.commit(draft) === null) return;
    this.context.show(entry.effects[0].annotation);
    const operation = wordsOf(entry.summary);
    this.context.say(
      direction === "undo"
        ? t("Undone: {operation}.", { operation })
        : t("Redone: {operation}.", { operation }),
    );
  }

  private async askLog(direction: Direction, step: Exclude<Step, "nothing">): Promise<void> {
    const { entry } = step;
    const asked = annotationsOf(step);
    let heads: readonly Head[];
    try {
      heads = await this.context.ask(asked);
    } catch {
      this.context.say(
        direction === "undo"
          ? t("Not undone yet: the server does not say whether this has been changed since. Try again.")
          : t("Not redone yet: the server does not say whether this has been changed since. Try again."),
      );
      return;
    }
    for (const head of heads) this.context.learn(head);
    const again = this.context.history[direction](this.context.heads, entry.op_id);
    if (again === "nothing") return; // meanwhile undone in another window
    if ("draft" in again) this.commit(direction, entry, again.draft);
    else if ("changedSince" in again) this.decline(direction, again, heads);
    else this.decline(direction, { entry, changedSince: asked[0] }, heads); // an opinion on a cell that is deleted
  }

  /** The log shows that the annotation has been changed since: say by whom and when. */
  private decline(
    direction: Direction,
    { entry, changedSince }: { entry: Entry; changedSince: string },
    heads: readonly Head[],
  ): void {
    const { context } = this;
    const log = heads.find((h) => h.annotation === changedSince);
    const effect = entry.effects.find((e) => e.annotation === changedSince);
    const head = (effect && context.heads(effect)) ?? log?.last_op;
    const isOwnLater = typeof head === "string" && context.history.has(head);
    context.show(changedSince);
    if (isOwnLater) {
      context.say(t("Not undone: you have changed this cell since. Undo that first."));
      return; // the step stays: it can be reached
    }
    context.history.drop(entry);
    context.say(whyNotUndone(direction, log ?? null, context.me));
  }
}

/** What the log is asked about before a step is declined. */
function annotationsOf(step: Exclude<Step, "nothing">): readonly string[] {
  if ("unknown" in step) return step.unknown;
  return "changedSince" in step ? [step.changedSince] : [];
}

/** Why a step is not undone, by what the log shows. */
export function whyNotUndone(direction: Direction, head: Head | null, me: number): string {
  const operation = head?.operation;
  if (!operation)
    return direction === "undo"
      ? t("Not undone: the server does not have this cell any more.")
      : t("Not redone: the server does not have this cell any more.");
  const time = moment(operation.committed_at);
  if (operation.author.id === me)
    return direction === "undo"
      ? t("Not undone: you have changed this cell in another window since ({time}).", { time })
      : t("Not redone: you have changed this cell in another window since ({time}).", { time });
  const { name } = operation.author;
  if (head.state === null)
    return direction === "undo"
      ? t("Not undone: {name} has deleted this cell since ({time}).", { name, time })
      : t("Not redone: {name} has deleted this cell since ({time}).", { name, time });
  return direction === "undo"
    ? t("Not undone: {name} has changed this cell since ({time}).", { name, time })
    : t("Not redone: {name} has changed this cell since ({time}).", { name, time });
}

/** Undo and redo of an open image: what a step was about is selected, be it the cell or the proposal that is open
 *  again. */
export function undoRedoOf(store: Store, selection: CellSelection): UndoRedo {
  const { cells, opened } = store;
  return new UndoRedo({
    history: store.history,
    me: opened.person.id,
    heads: (target) => store.log?.headOf(target),
    ask: (annotations) => store.api.heads(opened.layers[cells.base].id, annotations),
    learn: (head) => store.log?.learn(head),
    commit: (draft) => {
      store.begin();
      return store.commit(draft);
    },
    show: (annotation) => {
      const row = cells.rowOf(annotation);
      const proposal = row >= 0 ? cells.rowOf(cells.derivedFrom(row) ?? "") : -1;
      const shown = [row, proposal].find((r) => r >= 0 && cells.isShown(r)) ?? -1;
      selection.select(shown, shown >= 0);
    },
    say: (text) => store.toasts.show(text),
  });
}
