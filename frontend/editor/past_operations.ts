/** What people did on the image, or on the selected cell, from the log; and a cell put back as it was. */
import { t } from "../locale/locale";
import type { AnnotationState, PastOperation, Schemas } from "../scene/contract";
import type { Draft } from "../scene/edits";
import { observed } from "../scene/observed";
import { readOnly } from "./permission";
import type { CellSelection } from "./interfaces";
import type { Store } from "./store";

type Page = Schemas["Page_PastOperationAnswer_"];
type Observable = {
  /** The newest first; null: not asked yet. */
  operations: readonly PastOperation[] | null;
  /** The cell whose history is shown; null: that of the image. */
  annotation: string | null;
  hasMore: boolean;
  /** A request is on its way. */
  isBusy: boolean;
  failed: boolean;
};

export class PastOperations extends observed((): Observable => ({
  operations: null,
  annotation: null,
  hasMore: false,
  isBusy: false,
  failed: false,
})) {
  private next: string | null = null;
  private request = 0;

  constructor(
    private readonly store: Store,
    private readonly selection: CellSelection,
  ) {
    super();
  }

  /** From the newest on: of a cell, or of the image (null). */
  async load(annotation: string | null): Promise<void> {
    if (annotation !== this.annotation) this.operations = null;
    this.annotation = annotation;
    const query = annotation === null ? "" : `&annotation=${annotation}`;
    await this.fetch(`images/${this.store.opened.image.id}/history/?limit=20${query}`, []);
  }
  /** Those before the ones that are shown. */
  async more(): Promise<void> {
    if (this.next && !this.isBusy) await this.fetch(this.next, this.operations ?? []);
  }

  private async fetch(path: string, before: readonly PastOperation[]): Promise<void> {
    const request = ++this.request;
    this.isBusy = true;
    try {
      const page = await this.store.api.get<Page>(path);
      if (request !== this.request) return; // another cell was chosen meanwhile
      this.operations = [...before, ...page.items];
      this.next = page.next && page.next.replace(/^.*\/api\/v1\//, "");
      this.hasMore = page.next !== null;
      this.failed = false;
    } catch {
      if (request === this.request) this.failed = true;
    } finally {
      if (request === this.request) this.isBusy = false;
    }
  }

  /** Whether a state of the past can be put back: on the own layer, where something is written. */
  canRestore(operation: PastOperation): boolean {
    const { cells, opened, canWrite } = this.store;
    return canWrite && opened.layers[cells.base]?.id === operation.layer;
  }

  /** Put an annotation back as it was (null: not there) by a new operation of the log, which can be undone. */
  async restore(annotation: string, state: AnnotationState | null): Promise<void> {
    const { store } = this;
    if (!store.canWrite) return store.toasts.show(readOnly(store));
    const layer = store.opened.layers[store.cells.base].id;
    await store.outbox.flush();
    try {
      // A cell that was deleted before this page was opened is not in memory: the log knows its last operation.
      const [head] = await store.api.heads(layer, [annotation]);
      store.log?.learn(head);
      if (same(head.state, state)) return store.toasts.show(t("The cell is like that already."));
      store.begin();
      const op = store.commit(restoring(annotation, head.last_op, state));
      if (op) store.toasts.show(t("Restored as it was."), [op]);
    } catch {
      store.toasts.show(t("The server does not answer. Try again."));
      return;
    }
    await store.outbox.flush();
    const row = store.cells.rowOf(annotation);
    if (row >= 0 && store.cells.live[row]) this.selection.select(row, true);
    await this.load(this.annotation);
  }
}

/** The operation that puts an annotation back. `seen`: the last operation on it. */
export function restoring(annotation: string, seen: string | null, after: AnnotationState | null): Draft {
  return { action: "restore", tool: "history", effects: [{ annotation, seen, after }] };
}

const same = (a: AnnotationState | null, b: AnnotationState | null): boolean => content(a) === content(b);

/** What a state says, whatever the order of its fields. Where a mask came from is no part of it. */
function content(state: AnnotationState | null): string {
  if (!state) return "";
  const fields = Object.entries(state).filter(([name]) => name !== "provenance");
  return JSON.stringify(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
}
