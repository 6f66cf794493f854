/** The project's guidelines beside the canvas: opened by a key, and by themselves where they are new to this person. */
import { t } from "../locale/locale";
import type { Schemas } from "../scene/contract";
import { observed } from "../scene/observed";
import { ApiError } from "../sync/api";
import type { Store } from "./store";

type Guideline = Schemas["GuidelineAnswer"];
type Observable = {
  isOpen: boolean;
  /** The version that holds, with its text as HTML that the server has made; null: not fetched yet. */
  guideline: Guideline | null;
  failed: boolean;
};

export class Guidelines extends observed((): Observable => ({
  isOpen: false,
  guideline: null,
  failed: false,
})) {
  constructor(private readonly store: Store) {
    super();
  }

  /** Whoever has not seen this version sees it first. */
  start(): void {
    const state = this.store.opened.guideline;
    if (!state) return;
    const isWanted = state.must_acknowledge && !state.is_acknowledged;
    if (!state.is_seen || isWanted) void this.open();
  }

  toggle(): void {
    if (this.isOpen) this.isOpen = false;
    else void this.open();
  }

  async open(): Promise<void> {
    this.isOpen = true;
    try {
      const path = `projects/${this.store.opened.project.id}/guideline/`;
      const { guideline } = await this.store.api.get<Schemas["CurrentGuidelineAnswer"]>(path);
      this.guideline = guideline;
      this.failed = false;
    } catch {
      this.failed = true;
      return;
    }
    if (this.guideline && !this.guideline.is_seen) await this.read(false);
  }

  /** Confirm that this version has been read. */
  async acknowledge(): Promise<void> {
    if (await this.read(true)) this.isOpen = false;
  }

  private async read(acknowledges: boolean): Promise<boolean> {
    const { guideline, store } = this;
    if (!guideline || store.opened.project.archived_at) return false;
    try {
      const body = { version: guideline.version, acknowledges };
      this.guideline = await store.api.post<Guideline>(
        `projects/${store.opened.project.id}/guideline/read/`,
        body,
      );
      return true;
    } catch (error) {
      if (acknowledges)
        store.toasts.show(
          error instanceof ApiError ? error.detail : t("The server does not answer. Try again."),
        );
      return false;
    }
  }
}
