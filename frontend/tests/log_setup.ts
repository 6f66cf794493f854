import type { OperationOut, AnnotationState, Verdict } from "../scene/contract";
import * as edits from "../scene/edits";
import { History } from "../scene/history";
import { Log } from "../sync/log";
import type { Waiting } from "../sync/outbox";
import { scene, uuid } from "./build";

/** A person at an image, for tests of what is sent and of what is heard. */
export const PERSON = 7;
export const LAYER = uuid(900);
export const TIMING = { begun_ms: 1, committed_ms: 2, activity: null };

/** A scene with its log, and what the log gave to the outbox: acts on their way, acts found stale. */
export const logSetup = () => {
  const cells = scene();
  const history = new History();
  const out: Waiting[] = [];
  const stale: Waiting[] = [];
  const notices: string[] = [];
  const log = new Log(
    cells,
    { id: LAYER, index: 0, seq: 5 },
    1,
    { id: PERSON, name: "A" },
    uuid(1),
    history,
    {
      add: (layer, image, op) => Promise.resolve(void out.push({ layer, image, operation: op })),
      left: () => out,
      unsettled: () => stale,
      settle: (ids) =>
        Promise.resolve(
          void stale.splice(0, stale.length, ...stale.filter((w) => !ids.has(w.operation.op_id))),
        ),
    },
    (text) => notices.push(text),
  );
  const boxOf = (id: string) => cells.stateOf(cells.rowOf(id))?.box ?? null;
  const answer = (verdict: Verdict["verdict"], now: Verdict["current"] = []) => {
    const waiting = out.shift() as Waiting;
    if (verdict === "stale") stale.push({ ...waiting, theirs: now });
    log.settle({ op_id: waiting.operation.op_id, verdict, seq: 9, error: null, current: now }, waiting);
  };
  return { cells, history, out, stale, notices, log, boxOf, answer };
};

/** What a colleague did, as the log's tail brings it. */
export const theirs = (
  seq: number,
  annotation: string,
  after: AnnotationState | null,
  version = 2,
  op = 5000 + seq,
): OperationOut => ({
  op_id: uuid(op),
  layer: LAYER,
  seq,
  action: "move",
  author: { id: 8, name: "Dr B" },
  tool: "select",
  session: uuid(2),
  undoes: null,
  begun_at: "",
  committed_at: "",
  effects: [{ annotation, version, before: null, after, decided_by: null }],
  opinions: [],
});

export const tail = (operations: OperationOut[], seq = 0) => ({ layer: LAYER, seq, operations, more: false });

/** Move a cell by so many pixels to the right. -> the operation's id. */
export const move = (d: Pick<ReturnType<typeof logSetup>, "cells" | "log">, id: string, by: number) => {
  const row = d.cells.rowOf(id);
  const b = d.cells.boxOf(row);
  return d.log.commit(
    edits.setBox(d.cells, row, { x0: b.x0 + by, y0: b.y0, x1: b.x1 + by, y1: b.y1 }, "move"),
    TIMING,
  );
};
