/** Operations on their way to the server: kept in IndexedDB until the server has answered for each one.
 *
 *  The promise to the person is the database, not the network: an operation is written there (strict durability)
 *  before it is sent, and deleted when the server has it. `op_id` makes a repeated send harmless, so after any
 *  doubt the outbox sends again. What the server calls stale (somebody has acted on the cell since) stays in the
 *  database, marked, until the person has chosen between the two versions: a reload asks again. Databases are per
 *  person, because hospital computers are shared. Tabs of one person share the outbox: a lock lets one of them send
 *  at a time, in the order of the acts. */
import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { Answer, Current, OperationIn, Verdict } from "../scene/contract";
import { isTemporary, ApiError } from "./api";

/** `theirs`: the server found the operation stale, and had this instead; it is not sent again. */
export type Waiting = {
  n?: number;
  layer: string;
  image: number;
  operation: OperationIn;
  theirs?: Current[];
};
interface Schema extends DBSchema {
  operations: { key: number; value: Waiting };
}

export type SaveState =
  | { kind: "saved"; at: Date | null }
  | { kind: "saving"; count: number }
  | { kind: "offline"; count: number; retryAt: number }
  | { kind: "signed_out"; count: number }
  | { kind: "rejected"; count: number; detail: string };

export type Sender = (layer: string, operations: OperationIn[]) => Promise<Answer>;
export type Events = {
  /** The server's verdict on an operation; `waiting` says of which image. */
  onVerdict: (verdict: Verdict, waiting: Waiting) => void;
  onState: (state: SaveState) => void;
};

const BATCH = 100;
const LONGEST_WAIT = 30_000;

export const databaseName = (person: number): string => `boxwise-operations-${person}`;

export class Outbox {
  state: SaveState = { kind: "saved", at: null };
  /** False when the browser keeps nothing (private window, full disk): the page says so, saving goes on. */
  durable = true;
  private database: IDBPDatabase<Schema> | null = null;
  /** What waits, as this tab knows it: the mirror of the database, and all there is when that cannot be used. */
  private waiting: Waiting[] = [];
  /** What was found stale and is not settled yet. */
  private stale: Waiting[] = [];
  private writing: Promise<unknown> = Promise.resolve();
  private sending: Promise<void> | null = null;
  private again = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    private readonly person: number,
    private readonly sender: Sender,
    private readonly events: Events,
  ) {}

  /** Open the person's outbox; what an earlier page left there is in `left()` and is sent with the next flush. */
  static async open(person: number, sender: Sender, events: Events): Promise<Outbox> {
    const outbox = new Outbox(person, sender, events);
    try {
      outbox.database = await openDB<Schema>(databaseName(person), 1, {
        upgrade: (db) => void db.createObjectStore("operations", { keyPath: "n", autoIncrement: true }),
      });
      const all = await outbox.database.getAll("operations");
      outbox.waiting = all.filter((w) => !w.theirs);
      outbox.stale = all.filter((w) => w.theirs);
    } catch {
      outbox.durable = false;
    }
    return outbox;
  }

  get count(): number {
    return this.waiting.length;
  }
  left(): readonly Waiting[] {
    return this.waiting;
  }
  /** Operations of a layer that the server found stale, in the order of the acts, until `settle` is called with
   *  them. */
  unsettled(layer: string): readonly Waiting[] {
    return this.stale.filter((w) => w.layer === layer);
  }
  /** The person has chosen, or there was nothing to choose. */
  async settle(op_ids: ReadonlySet<string>): Promise<void> {
    const gone = this.stale.filter((w) => op_ids.has(w.operation.op_id));
    if (!gone.length) return;
    this.stale = this.stale.filter((w) => !gone.includes(w));
    await this.writing; // a choice for the own version is kept before the old one is let go of
    await this.erase(gone);
  }
  isWaiting(op_id: string): boolean {
    return this.waiting.some((w) => w.operation.op_id === op_id);
  }

  /** Keep an operation and begin to send. The picture need not wait for this. */
  add(layer: string, image: number, operation: OperationIn): Promise<void> {
    const entry: Waiting = { layer, image, operation };
    this.waiting.push(entry);
    this.report(
      { kind: "saving", count: this.count },
      this.state.kind !== "saved" && this.state.kind !== "saving",
    );
    const kept = this.writing.then(() => this.keep(entry));
    this.writing = kept;
    return kept.then(() => {
      if (this.state.kind === "saving" || this.state.kind === "saved") void this.flush();
    });
  }

  /** Send everything now; resolves when the outbox is empty or cannot go on. */
  flush(): Promise<void> {
    if (this.sending) {
      this.again = true;
      return this.sending;
    }
    clearTimeout(this.timer);
    this.sending = this.writing
      .then(() => exclusively(databaseName(this.person), () => this.sendAll()))
      .catch((error: unknown) => this.failed(error))
      .finally(() => {
        this.sending = null;
        if (this.again) {
          this.again = false;
          if (this.count && this.state.kind === "saving") void this.flush();
        }
      });
    return this.sending;
  }

  /** A poll failed or succeeded although nothing was to be sent: the state shows it all the same. */
  noteContact(error: unknown): void {
    const well = this.state.kind === "saved" || this.state.kind === "saving";
    if (error === null) {
      if (!well) void this.flush();
    } else if (well && !this.sending && !this.count) {
      if (error instanceof ApiError && error.status === 401) this.report({ kind: "signed_out", count: 0 });
      else if (isTemporary(error)) this.report({ kind: "offline", count: 0, retryAt: Date.now() });
    }
  }

  stop(): void {
    clearTimeout(this.timer);
    this.database?.close();
  }

  private async keep(entry: Waiting): Promise<void> {
    if (!this.database) return;
    try {
      const change = this.database.transaction("operations", "readwrite", { durability: "strict" });
      const { layer, image, operation } = entry;
      entry.n = await change.store.add({ layer, image, operation });
      await change.done;
    } catch {
      this.durable = false; // quota or private mode: it waits in memory, and the page says so
    }
  }

  private async sendAll(): Promise<void> {
    await this.readOthers();
    const rejected = new Map<string, ApiError>(); // layer -> why; the other layers need not wait for it
    for (;;) {
      const begin = this.waiting.findIndex((w) => !rejected.has(w.layer));
      if (begin < 0) break;
      const layer = this.waiting[begin].layer;
      const end = this.waiting.findIndex((w, i) => i > begin && w.layer !== layer);
      const batch = this.waiting.slice(begin, Math.min(begin + BATCH, end < 0 ? this.waiting.length : end));
      this.report({ kind: "saving", count: this.count });
      let answer: Answer;
      try {
        answer = await this.sender(
          layer,
          batch.map((w) => w.operation),
        );
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 401 || isTemporary(error)) throw error;
        rejected.set(layer, error);
        continue;
      }
      this.failures = 0;
      const verdicts = new Map(answer.results.map((v) => [v.op_id, v]));
      const answered = batch.filter((w) => verdicts.has(w.operation.op_id));
      if (!answered.length)
        throw new ApiError(200, "no_verdicts", "the server answered for none of the operations");
      await this.drop(answered, verdicts);
      for (const entry of answered)
        this.events.onVerdict(verdicts.get(entry.operation.op_id) as Verdict, entry);
    }
    for (const error of rejected.values()) throw error; // what it rejects is kept, and the page says so
    this.report({ kind: "saved", at: new Date() });
  }

  /** Another tab of this person may have left operations, or sent some of ours. */
  private async readOthers(): Promise<void> {
    if (!this.database) return;
    const kept = (await this.database.getAll("operations")).filter((w) => !w.theirs);
    const here = new Set(this.waiting.map((w) => w.operation.op_id));
    const inMemory = this.waiting.filter((w) => w.n === undefined);
    // Ours that another tab has sent are kept for one more send: "repeated" is how this tab hears the verdict.
    const ours = this.waiting.filter((w) => w.n !== undefined);
    this.waiting = [...ours, ...kept.filter((w) => !here.has(w.operation.op_id))].sort(
      (a, b) => (a.n as number) - (b.n as number),
    );
    this.waiting.push(...inMemory);
  }

  /** The server has answered for these: in one transaction, so that a crash loses neither an act nor a conflict. */
  private async drop(entries: Waiting[], verdicts: ReadonlyMap<string, Verdict>): Promise<void> {
    const gone = new Set(entries);
    this.waiting = this.waiting.filter((w) => !gone.has(w));
    // What was sent while it was still being written has no number yet, and would stay behind.
    if (entries.some((e) => e.n === undefined)) await this.writing;
    const rejected = entries.flatMap((entry) => {
      const verdict = verdicts.get(entry.operation.op_id);
      return verdict?.verdict === "stale" ? [{ ...entry, theirs: verdict.current }] : [];
    });
    this.stale.push(...rejected);
    await this.erase(entries, rejected);
  }

  private async erase(entries: readonly Waiting[], marked: readonly Waiting[] = []): Promise<void> {
    const keys = entries.flatMap((e) => (e.n === undefined ? [] : [e.n]));
    if (!this.database || !keys.length) return;
    const change = this.database.transaction("operations", "readwrite");
    const work: Promise<unknown>[] = keys.map((n) => change.store.delete(n));
    for (const entry of marked) if (entry.n !== undefined) work.push(change.store.put(entry));
    await Promise.all([...work, change.done]);
  }

  private failed(error: unknown): void {
    if (error instanceof ApiError && error.status === 401) {
      this.report({ kind: "signed_out", count: this.count });
    } else if (error instanceof ApiError && !isTemporary(error)) {
      this.report({ kind: "rejected", count: this.count, detail: error.detail });
    } else {
      const wait = backOff(this.failures++);
      this.report({ kind: "offline", count: this.count, retryAt: Date.now() + wait });
      this.timer = setTimeout(() => void this.flush(), wait);
    }
  }

  private report(state: SaveState, onlyCount = false): void {
    if (onlyCount && this.state.kind !== "saved") this.state = { ...this.state, count: this.count };
    else this.state = state;
    this.events.onState(this.state);
  }
}

/** 1 s, 2 s, 4 s ... 30 s, a little shorter at random so that a ward full of computers does not call at once. */
export const backOff = (failures: number, random: () => number = Math.random): number =>
  Math.min(LONGEST_WAIT, 1000 * 2 ** Math.min(failures, 5)) * (0.75 + 0.25 * random());

/** One tab at a time. Without Web Locks (plain http on another machine) two tabs may send twice, which is harmless. */
function exclusively(name: string, work: () => Promise<void>): Promise<void> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  return locks ? locks.request(name, work) : work();
}
