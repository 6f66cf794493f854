/** What a person did, as raw events in gapless batches; active time is computed elsewhere, with a declared cut-off.
 *
 *  Times are on the page's monotonic clock (`performance.now()`, `event.timeStamp`); every batch anchors it to the
 *  wall clock once. Keys are recorded by the command they mean or as "other": never what somebody types. */

import type { Schemas } from "../scene/contract";

export type Batch = Schemas["ActivityBody"];
export type ActivityEvent = Batch["events"][number];
export type EventKind = ActivityEvent[1];
export type Clock = { mono: () => number; wall: () => number };

export const MOVE_EVERY_MS = 100;
export const VIEWPORT_EVERY_MS = 250;
/** The recorder's own clock. A beat that comes this late says that the page did not run: sleep, a stopped process,
 *  overload. */
export const BEAT_MS = 25;
export const FROZEN_MS = 1000;
/** keepalive requests may hold 64 KiB together; half of that is left to the operations. */
const FAREWELL_EVENTS = 400;
/** About an hour without a server. Then the session's record ends (a gap would be worse than an end). */
const MOST_KEPT = 50_000;

const LEAST_BETWEEN_MS: Partial<Record<EventKind, number>> = {
  pointer_move: MOVE_EVERY_MS,
  wheel: MOVE_EVERY_MS,
  viewport: VIEWPORT_EVERY_MS,
};

export class Recorder {
  private events: ActivityEvent[] = [];
  private next = 0;
  private sent = 0;
  private lastTime = new Map<EventKind, number>();
  private busy = false;
  private ended = false;
  private latest = 0;
  private lastBeat: number | null = null;
  private failed = 0;

  constructor(
    private readonly on: boolean,
    readonly session: string,
    private readonly image: number,
    private readonly send: (batch: Batch, farewell: boolean) => Promise<void>,
    /** Is this error worth another try with the same batch? */
    private readonly worthRetrying: (error: unknown) => boolean,
    private readonly clock: Clock = { mono: () => performance.now(), wall: () => Date.now() },
    private readonly beatMs = BEAT_MS,
  ) {}

  /** The number the next event will get: an operation's range of events begins here. */
  get at(): number {
    return this.next;
  }

  /** The events since `first`, or null when there are none or nothing is recorded. */
  since(first: number): [number, number] | null {
    return this.on && !this.ended && this.next > first ? [first, this.next - 1] : null;
  }

  record(kind: EventKind, data?: unknown, t = this.clock.mono()): void {
    if (!this.on || this.ended) return;
    if (this.isTooSoon(kind, t)) return;
    if (kind === "pointer_down") this.lastTime.delete("pointer_move"); // its first move makes it a drag, however quick
    // Input is stamped when it happens and heard a frame later, when other things may have been recorded already.
    const time = Math.max(this.latest, Math.round(t * 10) / 10);
    this.latest = time;
    this.events.push(data === undefined ? [time, kind] : [time, kind, data]);
    this.next++;
    if (this.events.length > MOST_KEPT) this.ended = true;
  }

  /** Of kinds that come all the time only some are kept. */
  private isTooSoon(kind: EventKind, t: number): boolean {
    const every = LEAST_BETWEEN_MS[kind];
    if (every === undefined) return false;
    const last = this.lastTime.get(kind);
    if (last !== undefined && t - last < every) return true;
    this.lastTime.set(kind, t);
    return false;
  }

  /** To be called every `beatMs`. Hidden pages are slowed down by the browser, so there a late beat means nothing. */
  beat(hidden: boolean): void {
    const now = this.clock.mono();
    if (!hidden && this.lastBeat !== null && now - this.lastBeat > FROZEN_MS)
      this.record("wait_end", { since: Math.round((this.lastBeat + this.beatMs / 2) * 10) / 10 });
    this.lastBeat = hidden ? null : now;
  }

  /** Send what is there; what could not be sent stays and goes first the next time. */
  async flush(farewell = false): Promise<void> {
    if (!this.events.length || (this.busy && !farewell)) return;
    const events = farewell ? this.events.slice(0, FAREWELL_EVENTS) : this.events.slice();
    const batch: Batch = {
      session: this.session,
      image: this.image,
      wall_ms: this.clock.wall(),
      mono_ms: this.clock.mono(),
      first: this.sent,
      events,
    };
    this.busy = true;
    try {
      await this.send(batch, farewell);
      const done = batch.first + events.length - this.sent; // a farewell may have overtaken a flush
      this.events.splice(0, Math.max(0, done));
      this.sent = Math.max(this.sent, batch.first + events.length);
      // The server keeps one of each event and tells nobody; the record itself says how often a batch came again.
      if (this.failed) this.record("stall_end", { again: this.failed });
      this.failed = 0;
    } catch (error) {
      this.failed++;
      if (!this.worthRetrying(error)) {
        this.ended = true;
        this.events = [];
      }
    } finally {
      this.busy = false;
    }
  }
}
