/** The history and the log as one machine, against a simple model: whatever a person does, in one window or two, with
 *  reloads and other people's acts between, undo brings back what was there or says who changed it; it never says that
 *  of somebody who did not, and never loses a step that nobody has stood in the way of. */
import { describe, expect, it } from "vitest";
import { UndoRedo } from "../editor/undo";
import { Cells } from "../scene/cells";
import type { Head, OperationIn, OperationOut, Person, AnnotationState } from "../scene/contract";
import * as edits from "../scene/edits";
import { History } from "../scene/history";
import { uuid7 } from "../scene/uuid";
import { Log } from "../sync/log";
import type { Waiting } from "../sync/outbox";
import { IMAGE, packOf, state, uuid, seeded } from "./build";
import { LAYER } from "./log_setup";

const ME: Person = { id: 7, name: "Dr A" };
const OTHER: Person = { id: 8, name: "Dr B" };
const TIMING = { begun_ms: 1, committed_ms: 2, activity: null };
type Row = { state: AnnotationState | null; version: number; last_op: string; by: Person };

/** The server: a log, and the rows that it left. */
class Server {
  readonly operations: OperationOut[] = [];
  readonly rows = new Map<string, Row>();

  write(operation: OperationIn, author: Person): "accepted" | "stale" {
    const isStale = operation.effects.some((e) => e.seen !== (this.rows.get(e.annotation)?.last_op ?? null));
    if (isStale) return "stale";
    const effects = operation.effects.map((e) => {
      const before = this.rows.get(e.annotation);
      const version = (before?.version ?? 0) + 1;
      this.rows.set(e.annotation, { state: e.after, version, last_op: operation.op_id, by: author });
      return {
        annotation: e.annotation,
        version,
        before: before?.state ?? null,
        after: e.after,
        decided_by: null,
      };
    });
    const seq = this.operations.length + 1;
    this.operations.push({ ...operation, layer: LAYER, seq, author, effects, opinions: [] });
    return "accepted";
  }
  tail(after: number) {
    const seq = this.operations.length;
    return { layer: LAYER, seq, operations: this.operations.slice(after), more: false };
  }
  heads(annotations: readonly string[]): Head[] {
    return annotations.map((annotation) => {
      const row = this.rows.get(annotation);
      const operation = this.operations.find((o) => o.op_id === row?.last_op);
      return {
        annotation,
        version: row?.version ?? 0,
        last_op: row?.last_op ?? null,
        state: row?.state ?? null,
        author: row?.by ?? null,
        decided_by: null,
        disputed: false,
        operation: operation ? { ...operation, author: operation.author } : null,
        opinions: [],
      };
    });
  }
  live(): Map<string, AnnotationState> {
    const found = new Map<string, AnnotationState>();
    for (const [id, row] of this.rows) if (row.state) found.set(id, row.state);
    return found;
  }
}

/** A window of this person's. `remembered`: how many of the log's last operations it looks at when it opens. */
class Page {
  readonly cells = new Cells(IMAGE);
  readonly history = new History();
  readonly notices: string[] = [];
  readonly log: Log;
  readonly undoRedo: UndoRedo;
  private readonly out: Waiting[] = [];
  online = true;

  constructor(
    private readonly server: Server,
    remembered: number,
  ) {
    const seq = server.operations.length;
    this.cells.load(this.cells.addLayer(LAYER, true, "working"), packOf([], seq));
    // A pack has what is alive, and nothing of what was deleted.
    for (const [id, row] of server.rows)
      if (row.state) this.cells.put(0, id, row.state, row.last_op, row.version, row.by.id);
    this.log = new Log(
      this.cells,
      { id: LAYER, index: 0, seq },
      1,
      ME,
      uuid(1),
      this.history,
      {
        add: (layer, image, operation) => Promise.resolve(void this.out.push({ layer, image, operation })),
        left: () => this.out,
        unsettled: () => [],
        settle: () => Promise.resolve(),
      },
      (text) => this.notices.push(text),
    );
    this.log.remember(server.tail(Math.max(0, seq - remembered)));
    this.undoRedo = new UndoRedo({
      history: this.history,
      me: ME.id,
      heads: this.log.headOf,
      ask: (ids) => (this.online ? Promise.resolve(server.heads(ids)) : Promise.reject(new Error("offline"))),
      learn: (head) => this.log.learn(head),
      commit: (draft) => this.log.commit(draft, TIMING),
      show: () => {},
      say: (text) => this.notices.push(text),
    });
  }
  /** Everything on its way is sent and answered, and what others did is heard. */
  sync(): void {
    while (this.out.length) {
      const waiting = this.out.shift() as Waiting;
      const { operation } = waiting;
      const verdict = this.server.write(operation, ME);
      const current = this.server.heads(operation.effects.map((e) => e.annotation));
      this.log.settle({ op_id: operation.op_id, verdict, seq: 1, error: null, current }, waiting);
    }
    this.log.follow(this.server.tail(this.log.seq));
  }
  live(): Map<string, AnnotationState> {
    const found = new Map<string, AnnotationState>();
    for (let row = 0; row < this.cells.count; row++) {
      const now = this.cells.stateOf(row);
      if (now) found.set(this.cells.idOf(row), now);
    }
    return found;
  }
}

const boxes = (live: Map<string, AnnotationState>) =>
  [...live].map(([id, s]) => `${id} ${s.box.join()} ${s.label_class}`).sort();

/** What the own history should be: acts that can be undone, each with the last operation it rests on. */
type Expected = { op: () => string; touched: string; before: AnnotationState | null };

class Play {
  readonly server = new Server();
  readonly random: () => number;
  page: Page;
  /** Own acts of this page, not undone, oldest first. */
  stack: Expected[] = [];

  constructor(seed: number) {
    this.random = seeded(seed);
    this.page = new Page(this.server, 100);
  }
  pick<T>(of: readonly T[]): T | undefined {
    return of[Math.floor(this.random() * of.length)];
  }
  other(): void {
    const id = this.pick([...this.server.rows.keys()]);
    if (!id) return;
    const row = this.server.rows.get(id) as Row;
    const x = Math.floor(this.random() * 200);
    const after = row.state && this.random() < 0.5 ? null : state([x, 300, x + 10, 310]);
    this.write(OTHER, id, row.last_op, after);
    this.page.sync();
  }
  private write(author: Person, annotation: string, seen: string, after: AnnotationState | null): void {
    const moment = new Date().toISOString();
    const operation = {
      op_id: uuid7(), action: after ? "move" : "delete", tool: "select", session: uuid(2), begun_at: moment,
      committed_at: moment, begun_ms: 1, committed_ms: 2, activity: null, undoes: null,
      effects: [{ annotation, seen, after }],
    } as const; // prettier-ignore
    expect(this.server.write({ ...operation, effects: [...operation.effects] }, author)).toBe("accepted");
  }
  mine(kind: "draw" | "delete" | "class"): void {
    const { page } = this;
    const live = [...page.live()];
    const chosen = this.pick(live);
    if (kind === "draw" || !chosen) {
      const x = Math.floor(this.random() * 400);
      this.keep(edits.draw({ x0: x, y0: 5, x1: x + 20, y1: 25 }, 1), null);
      return;
    }
    const [id, before] = chosen;
    const row = page.cells.rowOf(id);
    const draft =
      kind === "delete"
        ? edits.remove(page.cells, row)
        : edits.classify(page.cells, row, 1 + Math.floor(this.random() * 5));
    this.keep(draft, before);
  }
  private keep(draft: edits.Draft, before: AnnotationState | null): void {
    const op = this.page.log.commit(draft, TIMING);
    this.page.sync();
    this.stack.push({ op: () => op, touched: draft.effects[0].annotation, before });
  }
  /** One of the things that happen to a page, by a number from 0 to 0.78. */
  act(roll: number): void {
    if (roll < 0.35) this.mine("draw");
    else if (roll < 0.5) this.mine("delete");
    else if (roll < 0.6) this.mine("class");
    else if (roll < 0.7) this.reload();
    else this.other();
  }
  /** Back or forth: it restores what was before, or names who changed it, and says so in either case. */
  async step(way: "undo" | "redo", hint: string): Promise<"nothing" | "declined" | "restored"> {
    const { page, server } = this;
    page.sync();
    page.notices.length = 0;
    const step = page.history[way](page.log.headOf);
    page.undoRedo[way]();
    await page.undoRedo.settled();
    page.sync();
    const notices = page.notices.join(" ");
    expect(page.notices.length, `${hint}: silent`).toBeGreaterThan(0);
    const effects = step === "nothing" ? [] : step.entry.effects;
    if (notices.includes(OTHER.name)) {
      // Somebody is named only where the log's last operation on the cell is theirs.
      const last = effects.map((effect) => server.rows.get(effect.annotation)?.by.name);
      expect(last, hint).toContain(OTHER.name);
      return "declined";
    }
    if (step === "nothing") return "nothing";
    expect(notices, hint).toMatch(/^(Undone|Redone): /);
    for (const effect of effects)
      expect(server.rows.get(effect.annotation)?.state ?? null, hint).toEqual(effect.before);
    return "restored";
  }
  reload(): void {
    this.page.sync();
    this.page = new Page(this.server, 100);
  }
}

describe("history and log, against a model", () => {
  it("undo restores what was before, by whatever way the page lost its memory, or names who changed it", async () => {
    const count = { nothing: 0, declined: 0, restored: 0 };
    for (let seed = 1; seed <= 150; seed++) {
      const play = new Play(seed);
      for (let i = 0; i < 25; i++) {
        const roll = play.random();
        if (roll < 0.78) play.act(roll);
        else count[await play.step(roll < 0.9 ? "undo" : "redo", `seed ${seed}`)]++;
        play.page.sync();
        expect(boxes(play.page.live()), `seed ${seed}, step ${i}`).toEqual(boxes(play.server.live()));
      }
    }
    expect(count.restored).toBeGreaterThan(150);
    expect(count.declined).toBeGreaterThan(10);
  });

  it("with nobody else there, every own act can be undone after any number of reloads; nobody is blamed", async () => {
    for (let seed = 500; seed < 600; seed++) {
      const play = new Play(seed);
      const pictures = [boxes(play.server.live())];
      for (let i = 0; i < 12; i++) {
        const other = () => (play.random() < 0.6 ? "delete" : "class");
        play.mine(play.random() < 0.5 ? "draw" : other());
        pictures.push(boxes(play.server.live()));
        if (play.random() < 0.3) play.reload();
      }
      while (pictures.length > 1) {
        pictures.pop();
        if (play.random() < 0.4) play.reload();
        play.page.undoRedo.undo();
        await play.page.undoRedo.settled();
        play.page.sync();
        expect(boxes(play.server.live()), `seed ${seed}`).toEqual(pictures.at(-1));
      }
      const notices = play.page.notices.join(" ");
      expect(notices, `seed ${seed}`).not.toContain("since");
    }
  });

  it("asks the log about what is not in memory, whatever made it forget", async () => {
    const server = new Server();
    const first = new Page(server, 100);
    const draft = edits.draw({ x0: 5, y0: 5, x1: 25, y1: 25 }, null);
    first.log.commit(draft, TIMING);
    const id = draft.effects[0].annotation;
    first.log.commit(edits.remove(first.cells, first.cells.rowOf(id)), TIMING);
    first.sync();
    const page = new Page(server, 100);
    // As if the row had been let go of: the history still has the deletion.
    (page.cells as unknown as { rows: Map<string, number> }).rows.delete(id);
    expect(page.log.headOf({ annotation: id })).toBeUndefined();
    page.online = false;
    page.undoRedo.undo();
    await page.undoRedo.settled();
    expect(page.notices.at(-1)).toContain("the server does not say");
    expect(page.history.canUndo, "the step is kept").toBe(true);
    page.online = true;
    page.undoRedo.undo();
    await page.undoRedo.settled();
    page.sync();
    expect(page.notices.at(-1)).toBe("Undone: deletion of a cell.");
    expect(server.live().has(id)).toBe(true);
  });

  it("undoes in one window what was done in another, and says so of a step that was overtaken there", async () => {
    const server = new Server();
    const [one, two] = [new Page(server, 100), new Page(server, 100)];
    const draft = edits.draw({ x0: 5, y0: 5, x1: 25, y1: 25 }, null);
    one.log.commit(draft, TIMING);
    one.sync();
    two.sync();
    two.undoRedo.undo();
    await two.undoRedo.settled();
    two.sync();
    expect(server.live().size).toBe(0);
    one.undoRedo.undo(); // has not heard of it yet: the server will call it stale, and nothing is lost by that
    await one.undoRedo.settled();
    one.sync();
    expect(server.live().size).toBe(0);
    expect(one.notices.join(" ")).not.toContain(OTHER.name);
  });

  it("undoes the act that a toast names, and no other one", async () => {
    const server = new Server();
    const page = new Page(server, 100);
    const [a, b] = [1, 2].map((n) => edits.draw({ x0: 50 * n, y0: 5, x1: 50 * n + 20, y1: 25 }, null));
    const first = page.log.commit(a, TIMING);
    page.log.commit(b, TIMING);
    page.undoRedo.undoOperations([first]);
    await page.undoRedo.settled();
    page.sync();
    expect([...server.live().keys()]).toEqual([b.effects[0].annotation]);
    expect(page.history.has(first)).toBe(false); // so its toast goes away
    page.notices.length = 0;
    page.undoRedo.undoOperations([first]); // undone by other means already: nothing else is undone in its place
    await page.undoRedo.settled();
    page.sync();
    expect([...server.live().keys()]).toEqual([b.effects[0].annotation]);
  });

  it("keeps a step that an own later act stands upon, and says which comes first", async () => {
    const server = new Server();
    const page = new Page(server, 100);
    const draft = edits.draw({ x0: 5, y0: 5, x1: 25, y1: 25 }, null);
    const drawn = page.log.commit(draft, TIMING);
    page.log.commit(edits.classify(page.cells, page.cells.rowOf(draft.effects[0].annotation), 3), TIMING);
    page.sync();
    page.undoRedo.undoOperations([drawn]);
    await page.undoRedo.settled();
    expect(page.notices.at(-1)).toBe("Not undone: you have changed this cell since. Undo that first.");
    expect(page.history.has(drawn)).toBe(true);
  });
});
