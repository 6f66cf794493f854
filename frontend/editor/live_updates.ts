/** Keeping up with the others: the live feed where there is one, asking every now and then where there is none. */
import { effect, untracked } from "@preact/signals-core";
import { observed } from "../scene/observed";
import { Live, type Here } from "../sync/live";
import { BEAT_MS } from "../timing/recorder";
import type { ViewPort } from "./interfaces";
import type { Store } from "./store";

const POLL_MS = 2000;
/** While the feed tells of every change, the poll only heals what it missed. */
const SLOW_POLL_MS = 15_000;

/** How often the recorder beats, and how often it sends what it has, in milliseconds. */
export type Pace = { readonly beatMs: number; readonly batchMs: number };
export const PACE: Pace = { beatMs: BEAT_MS, batchMs: 5000 };

type Observable = { live: Live | null };

export class LiveUpdates extends observed((): Observable => ({ live: null })) {
  private readonly timers: ReturnType<typeof setInterval>[] = [];
  private readonly ends: (() => void)[] = [];
  private polling = false;
  private again = false;
  private last = 0;

  constructor(
    private readonly store: Store,
    private readonly view: ViewPort,
    private readonly pace: Pace,
    private readonly onComments: () => void = () => undefined,
  ) {
    super();
  }

  start(): void {
    const { store } = this;
    if (store.outbox.count) void store.outbox.flush();
    this.timers.push(setInterval(() => void this.pollWhenDue(), POLL_MS));
    this.listen();
    this.timers.push(setInterval(() => void store.recorder.flush(), this.pace.batchMs));
    this.timers.push(setInterval(() => store.recorder.beat(document.hidden), this.pace.beatMs));
  }

  stop(): void {
    this.ends.forEach((end) => end());
    this.timers.forEach(clearInterval);
    this.live?.close();
  }

  /** Take in what the log has beyond what is known here. */
  async poll(): Promise<void> {
    const { log, outbox, api } = this.store;
    if (this.polling) this.again = true;
    if (!log || this.polling || document.hidden) return;
    this.polling = true;
    this.last = performance.now();
    try {
      while (log.follow(await api.tail(this.layer.id, log.seq)));
      await log.askAboutConflicts((annotations) => api.heads(this.layer.id, annotations));
      outbox.noteContact(null);
    } catch (error) {
      outbox.noteContact(error); // the next poll heals what this one missed
    } finally {
      this.polling = false;
      if (this.again) {
        this.again = false;
        void this.poll();
      }
    }
  }

  private get layer() {
    return this.store.opened.layers[this.store.cells.base];
  }

  private async pollWhenDue(): Promise<void> {
    const due = this.live?.connected ? SLOW_POLL_MS : POLL_MS;
    if (performance.now() - this.last >= due - 100) await this.poll();
  }

  /** Others' acts and places as they happen, where the browser and the server can. */
  private listen(): void {
    const { store, layer } = this;
    if (!layer || typeof EventSource === "undefined") return;
    this.live = new Live(
      `${store.api.base}layers/${layer.id}/feed/`,
      store.session,
      (body, farewell) => store.api.presence(layer.id, body, farewell),
      () => {
        const v = this.view.visible();
        const cursor: Here["cursor"] =
          store.cursor && !document.hidden ? [tenth(store.cursor.x), tenth(store.cursor.y)] : null;
        const editedRow = store.editing?.row ?? -1;
        return {
          cursor,
          view: [Math.round(v.x0), Math.round(v.y0), Math.round(v.x1), Math.round(v.y1)],
          editing: editedRow >= 0 ? store.cells.idOf(editedRow) : null,
        };
      },
      (seq) => seq > (store.log?.seq ?? 0) && void this.poll(),
      () => this.onComments(),
    );
    if (!document.hidden) this.live.open();
    this.ends.push(
      effect(() => {
        void store.editing; // the others see which cell is being edited
        untracked(() => this.live?.announce(true));
      }),
    );
  }
}

const tenth = (value: number): number => Math.round(value * 10) / 10;
