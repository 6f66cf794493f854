/** Keeping up with the others: the live feed where there is one, asking every now and then where there is none. */
import { Live } from "../sync/live";
import { BEAT_MS } from "../timing/recorder";
import type { Workspace } from "../workspace";

const POLL_MS = 2000;
/** While the feed tells of every change, the poll only heals what it missed. */
const SLOW_POLL_MS = 15_000;

/** How often the recorder beats, and how often it sends what it has, in milliseconds. */
export type Pace = { readonly beatMs: number; readonly batchMs: number };
export const PACE: Pace = { beatMs: BEAT_MS, batchMs: 5000 };

export class Following {
  live: Live | null = null;
  private readonly timers: ReturnType<typeof setInterval>[] = [];
  private polling = false;
  private again = false;
  private last = 0;

  constructor(
    private readonly desk: Workspace,
    private readonly pace: Pace,
  ) {}

  start(): void {
    const { desk } = this;
    if (desk.queue.count) void desk.queue.flush();
    this.timers.push(setInterval(() => void this.pollWhenDue(), POLL_MS));
    this.listen();
    this.timers.push(setInterval(() => void desk.recorder.flush(), this.pace.batchMs));
    this.timers.push(setInterval(() => desk.recorder.beat(document.hidden), this.pace.beatMs));
  }

  stop(): void {
    this.timers.forEach(clearInterval);
    this.live?.close();
  }

  /** Take in what the log has beyond what is known here. */
  async poll(): Promise<void> {
    const { log, queue, api } = this.desk;
    if (this.polling) this.again = true;
    if (!log || this.polling || document.hidden) return;
    this.polling = true;
    this.last = performance.now();
    try {
      while (log.follow(await api.tail(this.layer.id, log.seq)));
      await log.askAboutConflicts((annotations) => api.heads(this.layer.id, annotations));
      queue.heard(null);
    } catch (error) {
      queue.heard(error); // the next poll heals what this one missed
    } finally {
      this.polling = false;
      if (this.again) {
        this.again = false;
        void this.poll();
      }
    }
  }

  private get layer() {
    return this.desk.opened.layers[this.desk.cells.base];
  }

  private async pollWhenDue(): Promise<void> {
    const due = this.live?.connected ? SLOW_POLL_MS : POLL_MS;
    if (performance.now() - this.last >= due - 100) await this.poll();
  }

  /** Others' acts and places as they happen, where the browser and the server can. */
  private listen(): void {
    const { desk, layer } = this;
    if (!layer || typeof EventSource === "undefined") return;
    this.live = new Live(
      `${desk.api.base}layers/${layer.id}/feed/`,
      desk.session,
      (body, farewell) => desk.api.presence(layer.id, body, farewell),
      () => {
        const v = desk.visible();
        const cursor =
          desk.cursor && !document.hidden
            ? ([desk.cursor.x, desk.cursor.y].map((n) => Math.round(n * 10) / 10) as [number, number])
            : null;
        const held = desk.editing?.row ?? -1;
        return {
          cursor,
          view: [v.x0, v.y0, v.x1, v.y1].map(Math.round),
          editing: held >= 0 ? desk.cells.idOf(held) : null,
        };
      },
      { onSeq: (seq) => seq > (desk.log?.seq ?? 0) && void this.poll(), onOthers: () => desk.notify() },
    );
    if (!document.hidden) this.live.open();
  }
}
