/** What this person does about the item that the image is: finish it, skip it, hand it back, accept it or send it back.
 *  Finishing offers the next item; the end of the queue says so. */
import { observed } from "../scene/observed";
import { t } from "../locale/locale";
import type { ItemAct, ItemAfterAct, Schemas, Work } from "../scene/contract";
import { ApiError } from "../sync/api";
import type { Store } from "./store";

/** What happened to the item on this page; null: nothing yet. */
type Ended = "finished" | "skipped" | "released" | "accepted" | "sent_back" | null;
type Observable = {
  work: Work | null;
  ended: Ended;
  /** Images that this person has or may still get, after the item ended. */
  left: number;
  /** A request is on its way. */
  busy: boolean;
};

/** The lease is renewed this often while the page is open. */
const RENEW_MS = 30 * 60_000;
const ENDED: Partial<Record<ItemAct, Ended>> = {
  finish: "finished",
  skip: "skipped",
  release: "released",
  accept: "accepted",
  send_back: "sent_back",
};

export class Finish extends observed((): Observable => ({ work: null, ended: null, left: 0, busy: false })) {
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly store: Store) {
    super();
    this.work = store.opened.work ?? null;
  }

  may(act: ItemAct): boolean {
    return !this.ended && (this.work?.actions.includes(act) ?? false);
  }
  /** What the key does here; null: nothing. */
  get main(): "finish" | "accept" | null {
    if (this.may("finish")) return "finish";
    return this.may("accept") ? "accept" : null;
  }

  start(): void {
    this.timer = setInterval(() => void this.renew(), RENEW_MS);
  }
  stop(): void {
    clearInterval(this.timer);
  }

  async finish(): Promise<void> {
    if (this.main) await this.act(this.main, {});
  }

  /** Do an act. What was drawn is saved first: the server keeps apart what arrives after the image is done. */
  async act(act: ItemAct, body: { reason?: string; comment?: string }): Promise<void> {
    const { work, store } = this;
    if (!work || this.busy || !this.may(act)) return;
    this.busy = true;
    try {
      await store.outbox.flush();
      const unsaved = this.unsavedWork();
      if (unsaved) {
        store.toasts.show(unsaved);
        return;
      }
      const path = `items/${work.item}/${act.replace("_", "-")}/`;
      const answer = await store.waited(store.api.post<ItemAfterAct>(path, body));
      this.take(act, answer);
    } catch (error) {
      store.toasts.show(
        error instanceof ApiError ? error.detail : t("The server does not answer. Try again."),
      );
    } finally {
      this.busy = false;
    }
  }

  /** Why an act would lose what was drawn; null: everything is saved. */
  private unsavedWork(): string | null {
    const { log, outbox } = this.store;
    if (outbox.count)
      return t("Not yet: some changes are not saved. Wait for the connection, then try again.");
    if (log?.conflicts.length)
      return t("Not yet: a conflict is open. Choose your version or the other one, then try again.");
    return null;
  }

  private take(act: ItemAct, answer: ItemAfterAct): void {
    if (!this.work) return;
    const actions: ItemAct[] = act === "begin" ? ["finish", "skip", "release"] : [];
    const reading = act === "begin" ? "open" : this.work.reading;
    this.work = { ...this.work, state: answer.state, reading, actions };
    this.store.opened.work = this.work;
    this.left = answer.left;
    this.ended = ENDED[act] ?? null;
    const isClosed = act === "finish" && answer.is_blind; // a blinded reading is frozen when it is finished
    if (answer.state === "done" || isClosed) this.store.log = null; // nothing is written here any more
    // Only who reads a blinded image has a layer on it: it is there now.
    if (act === "begin" && answer.is_blind && !this.store.log) window.location.reload();
  }

  /** Open the next item: of the queue, or of the reviews for who has just reviewed. Says when nothing is left. */
  async next(go: (image: number) => void): Promise<void> {
    const { store } = this;
    const isReview = this.ended === "accepted" || this.ended === "sent_back";
    const path = `projects/${store.opened.project.id}/items/${isReview ? "review" : "next"}/`;
    try {
      const { item } = await store.api.post<Schemas["ClaimedAnswer"]>(path, {});
      if (item) go(item.image.id);
      else if (isReview) store.toasts.show(t("Nothing waits for your review."));
      else store.toasts.show(t("Nothing is left for you at the moment."));
    } catch (error) {
      store.toasts.show(
        error instanceof ApiError ? error.detail : t("The server does not answer. Try again."),
      );
    }
  }

  private async renew(): Promise<void> {
    if (!this.work || this.work.reading !== "open" || this.ended || document.hidden) return;
    try {
      await this.store.api.post(`items/${this.work.item}/renew/`, {});
    } catch (error) {
      if (error instanceof ApiError && error.code === "not_your_reading")
        this.store.toasts.show(error.detail);
    }
  }
}
