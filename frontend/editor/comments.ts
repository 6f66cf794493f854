/** Comments on the image: threads about a cell, a place or the whole image. */
import { t } from "../locale/locale";
import type { Schemas, Thread } from "../scene/contract";
import { observed } from "../scene/observed";
import { ApiError } from "../sync/api";
import type { ViewPort } from "./interfaces";
import type { Selection } from "./selection";
import type { Store } from "./store";

export type Pin = {
  readonly layer: string | null;
  readonly annotation: string | null;
  readonly x: number | null;
  readonly y: number | null;
};
type Observable = {
  threads: readonly Thread[];
  /** What the comment that is being written is about; null: none is being written. */
  draft: Pin | null;
  /** What is written of it so far, also while another tab is open. */
  text: string;
  showResolved: boolean;
};

const WHOLE_IMAGE: Pin = { layer: null, annotation: null, x: null, y: null };

export class Comments extends observed((): Observable => ({
  threads: [],
  draft: null,
  text: "",
  showResolved: false,
})) {
  constructor(
    private readonly store: Store,
    private readonly view: ViewPort,
    private readonly selection: Selection,
  ) {
    super();
  }

  get isPossible(): boolean {
    const { project, study } = this.store.opened;
    return !study && !project.archived_at;
  }
  get open(): readonly Thread[] {
    return this.threads.filter((thread) => !thread.resolved_at);
  }
  get shown(): readonly Thread[] {
    return this.showResolved ? this.threads : this.open;
  }

  async load(): Promise<void> {
    const { api, opened } = this.store;
    if (opened.study) return;
    try {
      const { threads } = await api.get<Schemas["ThreadsAnswer"]>(`images/${opened.image.id}/comments/`);
      this.threads = threads;
    } catch {
      return; // no comments for this person, or no server: what is known stays
    }
  }

  /** The open threads are on the screen: what mentions this person is no news any more. */
  async seen(): Promise<void> {
    try {
      await this.store.api.post(`images/${this.store.opened.image.id}/comments/seen/`, {});
    } catch {
      return; // it stays news
    }
  }

  /** Begin to write: about the selected cell, else the place under the pointer, else the image. */
  write(): void {
    const { cells, selected, cursor, opened } = this.store;
    if (selected >= 0) {
      const layer = opened.layers[cells.layer[selected]];
      this.draft = { layer: layer.id, annotation: cells.idOf(selected), x: null, y: null };
    } else if (cursor) this.draft = { ...WHOLE_IMAGE, x: cursor.x, y: cursor.y };
    else this.draft = WHOLE_IMAGE;
  }

  discard(): void {
    this.draft = null;
    this.text = "";
  }

  async send(): Promise<boolean> {
    if (!this.draft) return false;
    const image = this.store.opened.image.id;
    const body = { text: this.text, ...this.draft };
    return this.change(async () => {
      await this.store.api.post(`images/${image}/comments/`, body);
      this.discard();
    });
  }
  reply(thread: Thread, text: string): Promise<boolean> {
    return this.change(() => this.store.api.post(`comments/${thread.id}/reply/`, { text }));
  }
  resolve(thread: Thread): Promise<boolean> {
    const act = thread.resolved_at ? "reopen" : "resolve";
    return this.change(() => this.store.api.post(`comments/${thread.id}/${act}/`, {}));
  }

  /** Bring what a thread is about into view; a cell that is there still is selected. */
  show(thread: Thread): void {
    const row = thread.annotation ? this.store.cells.rowOf(thread.annotation) : -1;
    if (row >= 0 && this.store.cells.live[row]) return this.selection.select(row, true);
    if (thread.x === null || thread.y === null) return;
    const { camera, canvas } = this.view;
    const left = thread.x - canvas.width / 2 / camera.scale;
    const top = thread.y - canvas.height / 2 / camera.scale;
    this.view.moveTo({ ...camera, left, top });
  }
  /** In words: what the thread is about. */
  about(pin: Pin): string {
    if (pin.annotation) {
      const row = this.store.cells.rowOf(pin.annotation);
      const isThere = row >= 0 && this.store.cells.live[row] === 1;
      return isThere ? t("about a cell") : t("about a cell that was deleted");
    }
    return pin.x === null ? t("about the image") : t("about a place");
  }

  private async change(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
    } catch (error) {
      const detail = error instanceof ApiError ? error.detail : t("The server does not answer. Try again.");
      this.store.toasts.show(detail);
      return false;
    }
    await this.load();
    return true;
  }
}
