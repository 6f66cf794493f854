/** Who else is here, and word of their acts as soon as they are saved. A hint only: acts that were missed come with the
 *  poll, comments when the feed is open again. */
import { imagePoint, type Point } from "../geometry/frames";
import type { Person, Schemas } from "../scene/contract";
import { observed } from "../scene/observed";

export type Other = {
  readonly person: Person;
  readonly cursor: Point<"image"> | null;
  readonly editing: string | null;
  readonly lastHeard: number;
};
type Presence = Schemas["PresenceBody"];
/** A hint: the log has grown, somebody has written a comment, or where somebody is. */
type Message = Partial<Presence> & { seq?: number; comments?: number; person?: Person };
export type Here = Readonly<Required<Pick<Presence, "cursor" | "view" | "editing">>>;

const SILENT_MS = 30_000;
const HEARTBEAT_MS = 10_000;
const LEAST_BETWEEN_MS = 200;

type Observable = {
  /** By session. */
  others: ReadonlyMap<string, Other>;
};

export class Live extends observed((): Observable => ({ others: new Map() })) {
  connected = false;
  private wasOpen = false;
  private source: EventSource | null = null;
  private lastSent = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lastHere = "";

  constructor(
    private readonly url: string,
    private readonly session: string,
    private readonly send: (body: Presence, farewell: boolean) => Promise<void>,
    private readonly here: () => Here,
    private readonly onSeq: (seq: number) => void,
    private readonly onComments: () => void = () => undefined,
    private readonly now: () => number = () => performance.now(),
  ) {
    super();
  }

  /** Browsers keep six lines to a server open: a page that nobody looks at gives its line back. */
  open(): void {
    if (this.source) return;
    const source = new EventSource(this.url);
    this.source = source;
    source.onopen = () => {
      this.connected = true;
      if (this.wasOpen) this.onComments();
      this.wasOpen = true;
      this.announce(true);
    };
    source.onerror = () => (this.connected = false); // the browser connects again by itself
    source.onmessage = (event: MessageEvent<string>) => this.take(event.data);
  }

  close(): void {
    this.source?.close();
    this.source = null;
    this.connected = false;
    clearTimeout(this.timer);
    if (this.others.size) this.others = new Map();
    void this.send(
      { session: this.session, cursor: null, view: null, editing: null, gone: true },
      true,
    ).catch(() => undefined);
  }

  take(data: string): void {
    let message: Message;
    try {
      message = JSON.parse(data) as Message;
    } catch {
      return; // cut off in the middle
    }
    if (typeof message.seq === "number") this.onSeq(message.seq);
    if (message.comments !== undefined) this.onComments();
    const { session, person } = message;
    if (!session || !person || session === this.session) return;
    const known = this.others.has(session);
    const others = new Map(this.others);
    if (message.gone) others.delete(session);
    else {
      const cursor = message.cursor ? imagePoint(...message.cursor) : null;
      others.set(session, { person, cursor, editing: message.editing ?? null, lastHeard: this.now() });
    }
    this.others = others;
    if (!known && !message.gone) this.announce(true); // a newcomer should see me at once
  }

  /** Tell the others where I am: soon while somebody is here, seldom while nobody is. */
  announce(changed: boolean): void {
    if (!this.source) return;
    this.dropSilent();
    clearTimeout(this.timer);
    const between = changed && this.others.size ? LEAST_BETWEEN_MS : HEARTBEAT_MS;
    const isFirst = changed && !this.others.size && !this.lastSent;
    const wait = isFirst ? 0 : between - (this.now() - this.lastSent);
    this.timer = setTimeout(
      () => {
        const here = this.here();
        const text = JSON.stringify(here);
        if (text !== this.lastHere || this.now() - this.lastSent >= HEARTBEAT_MS || !this.lastSent) {
          this.lastSent = this.now();
          this.lastHere = text;
          void this.send({ session: this.session, ...here }, false).catch(() => undefined);
        }
        this.announce(false);
      },
      Math.max(0, wait),
    );
  }

  private dropSilent(): void {
    const heard = [...this.others].filter(([, other]) => this.now() - other.lastHeard <= SILENT_MS);
    if (heard.length < this.others.size) this.others = new Map(heard);
  }

  /** The others who are here, newest word first; one line a person. */
  people(): Person[] {
    return [...new Map([...this.others.values()].map((o) => [o.person.id, o.person])).values()];
  }
  editorOf(annotation: string): Person | null {
    for (const other of this.others.values()) if (other.editing === annotation) return other.person;
    return null;
  }
}
