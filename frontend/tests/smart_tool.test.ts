/** The smart tool: an answer belongs to its prompt, and what was drawn or kept is not lost while the prompter
 *  thinks. */
import { describe, expect, it } from "vitest";
import { imagePoint } from "../geometry/frames";
import type { Press } from "../editor/tool";
import type { Answered } from "../sync/api";
import { SmartTool } from "../tools/smart";
import type { Features } from "../editor/interfaces";
import { Asker } from "../sync/ask";

const SIZES = { reach: 2, slip: 2, spacing: 1 };
const MASK = { x: 4, y: 4, width: 4, height: 2, bits: Uint8Array.of(0xff) };
const answered = (more: Partial<Answered> = {}): Answered => ({ mask: MASK, ...more });

/** An editor whose prompter answers when the test says so. */
function setup() {
  const questions: { box: unknown; resolve: (answer: Answered) => void; reject: (error: Error) => void }[] =
    [];
  const done: { kind: string; box: unknown }[] = [];
  const notices: string[] = [];
  const ask = (box: unknown) =>
    new Promise<Answered>((resolve, reject) => questions.push({ box, resolve, reject }));
  const asker = new Asker();
  const store = {
    opened: { image: { id: 1, width: 200, height: 200 } },
    labelClass: { id: 5, name: "tumour", color: "#0072b2", key: 1 },
    session: "s",
    promised: 0,
    prompter: { mask: (prompt: { box: unknown }) => ask(prompt.box) },
    waited: <T>(work: Promise<T>) => work,
    begin: () => undefined,
    toasts: { show: (text: string) => notices.push(text) },
  };
  const editor = {
    store,
    view: { redraw: () => undefined },
    smart: { asker, ask: (prompt: { box: unknown }) => asker.ask(() => ask(prompt.box)) },
    drawing: {
      draw: (box: unknown) => done.push({ kind: "box", box }),
      drawMask: (_mask: unknown, _tool: string, box: unknown) => done.push({ kind: "mask", box }),
      drawLate: ({ mask, box }: { mask: unknown; box: unknown }) =>
        done.push({ kind: mask ? "mask" : "box", box }),
    },
  };
  const tool = new SmartTool(editor as unknown as Features);
  const input = (kind: "down" | "move" | "up", x: number, y: number): Press => ({
    kind, at: imagePoint(x, y), shift: false, alt: false,
  }); // prettier-ignore
  const drag = (x: number) => {
    for (const [kind, at] of [
      ["down", x],
      ["move", x + 10],
      ["up", x + 20],
    ] as const)
      tool.input(input(kind, at, at === x ? 10 : 30), SIZES);
    return { x0: x, y0: 10, x1: x + 20, y1: 30 };
  };
  const settle = async () => {
    for (let i = 0; i < 12; i++) await Promise.resolve();
  };
  return { tool, questions, done, notices, drag, settle, editor };
}

describe("the smart tool", () => {
  it("keeps the first cell by Enter before its answer, and the second drag while the first one waits", async () => {
    const h = setup();
    const first = h.drag(10);
    h.tool.complete();
    expect([h.tool.busy(), h.editor.store.promised]).toEqual([false, 1]);
    const second = h.drag(100);
    h.tool.complete();
    h.questions[0].resolve(answered());
    await h.settle();
    h.questions[1].resolve(answered());
    await h.settle();
    expect(h.done).toEqual([
      { kind: "mask", box: first },
      { kind: "mask", box: second },
    ]);
    expect(h.editor.store.promised).toBe(0);
  });
  it("keeps the box without a mask when the prompter fails, and says so", async () => {
    const h = setup();
    const box = h.drag(10);
    h.tool.complete();
    h.questions[0].reject(new Error("gone"));
    await h.settle();
    h.questions[1]?.reject(new Error("gone")); // asked once more, under a name of its own
    await h.settle();
    expect(h.done).toEqual([{ kind: "box", box }]);
    expect(h.notices.at(-1)).toBe(
      "The server does not answer, so no mask can be computed. Draw by hand meanwhile. The box is kept without a mask.",
    );
  });
  it("leaves the box in the hand when no mask came, and Enter keeps it", async () => {
    const h = setup();
    const box = h.drag(10);
    h.questions[0].reject(new Error("gone"));
    await h.settle();
    expect(h.tool.busy()).toBe(true);
    h.tool.complete();
    expect(h.done).toEqual([{ kind: "box", box }]);
  });
  it("asks again when the server let a question go, instead of saying that there is no cell", async () => {
    const h = setup();
    h.drag(10);
    h.questions[0].resolve(answered({ mask: null, superseded: true }));
    await h.settle();
    expect([h.questions.length, h.notices]).toEqual([2, []]);
  });
  it("says that the cell before was left without Enter", () => {
    const h = setup();
    h.drag(10);
    h.drag(100);
    expect(h.notices).toEqual(["The cell before was left without Enter, so it was not kept."]);
  });
  it("a late answer is not taken for another prompt's", async () => {
    const h = setup();
    h.drag(10);
    const second = h.drag(100);
    h.questions[0].resolve(answered());
    await h.settle();
    h.tool.complete(); // waits for its own answer
    expect(h.done).toEqual([]);
    h.questions.at(-1)?.resolve(answered());
    await h.settle();
    expect(h.done).toEqual([{ kind: "mask", box: second }]);
  });
});
