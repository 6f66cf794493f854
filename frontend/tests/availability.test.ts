/** Nothing that a person presses is silently without effect: every command in every state has an effect or a
 *  sentence. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Editor } from "../editor/editor";
import { Overlays } from "../commands/overlays";
import type { OperationIn } from "../scene/contract";
import { COMMANDS, type Command } from "../commands";
import { Keymap } from "../commands/keymap";
import { Keys } from "../commands/keys";
import { uuid } from "./build";
import { CLASSES, openEditor, SIZE, type Options } from "./editor_setup";

beforeAll(() => {
  vi.stubGlobal("window", { addEventListener: () => undefined });
  vi.stubGlobal("document", { hidden: false, cookie: "" });
  vi.stubGlobal("HTMLElement", class {});
});

/** What somebody could notice. */
function noticeable(d: Editor, sent: readonly OperationIn[], page: unknown) {
  const { store, review } = d;
  const editing = store.editing && [store.editing.subtract, store.editing.constraint !== null];
  return JSON.stringify([
    [
      sent.length,
      store.tool,
      store.selected,
      store.multiSelected,
      store.showBoxes,
      store.colourBy,
      store.labelClass?.id,
    ],
    [store.toasts.list.map((toast) => toast.id), store.brushRadius, editing],
    [
      d.view.camera,
      d.view.turn,
      review.proposalClass,
      review.rejected,
      d.multiSelect.nudging,
      d.attributes.pending,
    ],
    [d.comments.draft, d.guidelines.isOpen, d.finish.ended],
    page,
  ]);
}

function inputs(d: Editor, sent: readonly OperationIn[]) {
  const viewport = {
    peeking: false,
    invalidate: () => undefined,
    surface: {} as HTMLCanvasElement,
  };
  const pointer = {
    busy: false,
    isDragging: false,
    panKey: false,
    setPanKey: (isDown: boolean) => void (pointer.panKey = isDown),
    cancel: () => false,
    complete: () => d.store.toasts.show("kept or not"),
    back: () => false,
  };
  const went: number[] = [];
  const overlays = new Overlays();
  const go = (image: number) => void went.push(image);
  const keys = new Keys({ editor: d, viewport, pointer, overlays, go }, new Keymap());
  const notice = () => noticeable(d, sent, [overlays.open, went, viewport.peeking, pointer.panKey]);
  return { keys, pointer, notice };
}

const row = (d: Editor, n: number) => d.store.cells.rowOf(uuid(n));
type Case = { options?: Options; select: number | null };
const STATES: Record<string, Case> = {
  "no selection": { select: null },
  "own cell": { select: 1 },
  "a colleague's cell": { select: 2 },
  "a colleague's rejection": { select: 103 },
  "an own rejection": { select: 104 },
  "an open proposal": { select: 102 },
  "a region": { select: 5 },
  "a colleague's reading": { options: { apart: true }, select: 201 },
  "an archived project": { options: { archived: true }, select: 1 },
  "a deleted project": { options: { archived: true, deleted: true }, select: 1 },
  "a viewer, nothing selected": { options: { viewer: true }, select: null },
  "a viewer": { options: { viewer: true }, select: 2 },
  "a study without the tool": { options: { study: true }, select: 1 },
};
/** Escape with nothing in hand and nothing selected: the state that it asks for is there already. */
const NOTHING_TO_DO: readonly string[] = ["no selection: cancel", "a viewer, nothing selected: cancel"];
/** Only pressed while something is edited, drawn or several are selected (below). */
const NARROW: readonly string[] = ["edit", "draw", "many"];

function ready(name: string) {
  const { options, select } = STATES[name];
  const made = openEditor(options);
  if (select !== null) {
    made.editor.selection.select(row(made.editor, select));
    made.editor.store.painted = made.editor.store.selected;
  }
  made.editor.view.canvas = SIZE;
  made.editor.view.camera = { scale: 2, left: 10, top: 10 };
  return { ...made, ...inputs(made.editor, made.sent) };
}

describe.each(Object.keys(STATES))("with %s", (name) => {
  const commands = (Object.keys(COMMANDS) as Command[]).filter((c) => !NARROW.includes(COMMANDS[c].scope));
  it.each(commands)("%s has an effect or a sentence", async (command) => {
    if (NOTHING_TO_DO.includes(`${name}: ${command}`)) return;
    const { editor: d, keys, notice } = ready(name);
    if (command === "tool.select") d.store.tool = "lasso";
    const before = notice();
    keys.run(command);
    // Some ask the prompter first.
    await vi.waitFor(() => expect(notice()).not.toBe(before));
  });
  it("a class key has an effect or a sentence", () => {
    for (const chosen of CLASSES) {
      const { editor: d, notice } = ready(name);
      const before = notice();
      d.chooseClass(chosen);
      expect(notice(), chosen.name).not.toBe(before);
    }
  });
});

describe("while something else is going on", () => {
  it("a drag is not ended by a key, which says so", () => {
    for (const command of [
      "history.undo",
      "cell.delete",
      "tool.box",
      "review.accept",
      "image.next",
    ] as const) {
      const { editor: d, keys, pointer, sent } = ready("own cell");
      pointer.isDragging = true;
      keys.run(command);
      expect(d.store.toasts.list.map((toast) => toast.text)).toEqual([
        "Finish the drag first, or drop it with Esc.",
      ]);
      expect(sent).toEqual([]);
    }
  });
  it.each(Object.keys(COMMANDS) as Command[])(
    "in a mask under the brush, %s has an effect or a sentence",
    (command) => {
      if (["many", "draw"].includes(COMMANDS[command].scope)) return;
      const { editor: d, keys, notice } = ready("own cell");
      d.maskEdit.begin();
      expect(d.store.editing).not.toBeNull();
      if (command === "tool.select") d.store.tool = "lasso";
      const before = notice();
      keys.run(command);
      if (command !== "edit.refusion") expect(notice()).not.toBe(before);
      else expect(d.store.editing?.constraint).not.toBeNull();
    },
  );
  it.each(Object.keys(COMMANDS) as Command[])(
    "with cells selected together, %s has an effect or a sentence",
    (command) => {
      if (["edit", "draw"].includes(COMMANDS[command].scope)) return;
      const { editor: d, keys, notice } = ready("no selection");
      d.selection.selectSeveral([row(d, 1), row(d, 2), row(d, 102)]);
      if (command === "tool.select") d.store.tool = "lasso";
      const before = notice();
      keys.run(command);
      expect(notice()).not.toBe(before);
    },
  );
});

describe("what is answered", () => {
  const toastsOf = (d: Editor) => d.store.toasts.list.map((toast) => toast.text).join(" ");

  it("a class key changes the box just drawn, and the sticky class with it", () => {
    const { editor: d, sent } = ready("no selection");
    d.drawing.draw({ x0: 200, y0: 200, x1: 220, y1: 220 }, null);
    d.chooseClass(CLASSES[1]);
    expect(sent.map((o) => [o.action, o.effects[0].after?.label_class])).toEqual([
      ["draw", 5],
      ["classify", 6],
    ]);
    expect(d.store.labelClass?.id).toBe(6);
  });
  it("in the middle of a drag a class key is about what is being drawn", () => {
    const { editor: d, sent } = ready("own cell");
    d.store.dragging = true;
    d.chooseClass(CLASSES[1]);
    expect([sent, d.store.labelClass?.id]).toEqual([[], 6]);
  });
  it("X on an own decision changes it, and A brings it back", () => {
    const { editor: d, sent } = ready("an open proposal");
    d.accept();
    const cell = sent[0].effects[0].annotation;
    d.selection.select(d.store.cells.rowOf(cell));
    d.reject();
    expect(sent[1]).toMatchObject({
      action: "reject",
      effects: [{ annotation: cell, after: { status: "rejected" } }],
    });
    expect(toastsOf(d)).toContain("Your decision is changed: rejected.");
    expect(d.store.selected).toBe(row(d, 102)); // the rejected proposal stays selected, to be accepted after all
    d.accept();
    expect(sent[2].effects[0].after?.status).toBe("confirmed");
  });
  it("X on an accepted proposal of a drawn box leaves the box and rejects the proposal, in one operation", () => {
    const { editor: d, sent } = ready("no selection");
    d.selection.select(row(d, 101));
    d.store.painted = d.store.selected;
    d.accept();
    d.selection.select(row(d, 1));
    d.reject();
    const after = sent[1].effects.map((e) => [
      e.annotation === uuid(1),
      e.after?.status,
      e.after?.derived_from ?? null,
    ]);
    expect(after).toEqual([
      [true, "confirmed", null],
      [false, "rejected", uuid(101)],
    ]);
    expect(d.store.cells.hasMask(row(d, 1))).toBe(false);
  });
  it("a second verdict on somebody else's decision is an opinion, and disputes it only where it differs", () => {
    const { editor: d, sent } = ready("a colleague's cell");
    d.reject();
    expect(sent).toMatchObject([
      {
        action: "opinion",
        effects: [],
        opinions: [{ annotation: uuid(2), seen: null, after: { verdict: "rejected" } }],
      },
    ]);
    expect(toastsOf(d)).toContain("Your opinion is recorded; Dr B accepted this cell.");
    expect([d.store.cells.disputed[row(d, 2)], d.store.cells.statusOf(row(d, 2))]).toEqual([1, "confirmed"]);
    d.accept();
    expect(sent[1].opinions?.[0]).toMatchObject({ seen: sent[0].op_id, after: { verdict: "accepted" } });
    expect(d.store.cells.disputed[row(d, 2)]).toBe(0);
    d.accept();
    expect(sent).toHaveLength(2);
    expect(toastsOf(d)).toContain("You have said already that you would accept this cell.");
  });
  it("an opinion is undone like any act, and its toast goes with it", async () => {
    const { editor: d, sent } = ready("a colleague's cell");
    d.reject();
    expect(d.store.toasts.list.some((toast) => toast.undoes.length)).toBe(true);
    d.undo();
    await d.undoRedo.settled();
    expect(sent[1]).toMatchObject({ action: "undo", undoes: sent[0].op_id, opinions: [{ after: null }] });
    expect(d.store.cells.disputed[row(d, 2)]).toBe(0);
    expect(d.store.toasts.list.map((toast) => toast.text)).toEqual(["Undone: your opinion on a cell."]);
  });
  it("a rejection that somebody disputes stands in the picture", () => {
    const { editor: d } = ready("a colleague's rejection");
    expect(d.store.cells.isShown(row(d, 3))).toBe(false);
    d.accept();
    expect(d.store.cells.isShown(row(d, 3))).toBe(true);
    expect(d.store.overview.counts).toMatchObject({ disputed: 1, rejected: 2 });
  });
  it.each([
    ["a colleague's reading", "This is Dr B's reading; you can look at it but not change it."],
    [
      "an archived project",
      "This project is archived: you can look, and nothing is changed until it is restored.",
    ],
    [
      "a deleted project",
      "This project is deleted: owners can look until 2026-02-01, and nothing is changed.",
    ],
    ["a viewer", "Your role in this project is viewer: you can look at the cells but not change them."],
  ])("%s: a refused key says why", (name, sentence) => {
    for (const key of ["Delete", "2"]) {
      const { editor: d, keys, sent } = ready(name);
      if (key === "2") d.chooseClass(CLASSES[1]);
      else keys.run("cell.delete");
      expect([toastsOf(d), sent.length]).toEqual([sentence, 0]);
    }
  });
});

describe("accepting the rest in view", () => {
  it("takes what was shown at 12 pixels or more, and says how many were left out and why", () => {
    const { editor: d, sent } = ready("no selection");
    const visible = d.view.visible();
    for (const now of [0, 1000]) d.store.seen.painted(d.store.cells, d.view.camera, visible, true, now);
    d.multiSelect.decideInView("accept");
    expect(sent).toMatchObject([
      { action: "bulk", tool: "viewport", effects: [{ after: { derived_from: uuid(102) } }] },
    ]);
    expect(d.store.toasts.list[0].text).toBe(
      "1 accepted, recorded as accepted in bulk. 1 left out: 1 smaller than 12 pixels on the screen.",
    );
    expect(d.store.toasts.list[0].undoes).toEqual([sent[0].op_id]);
  });
  it("accepts nothing that was not shown yet", () => {
    const { editor: d, sent } = ready("no selection");
    d.multiSelect.decideInView("accept");
    expect([sent.length, d.store.toasts.list[0].text]).toEqual([
      0,
      "None accepted. 2 left out: 1 smaller than 12 pixels on the screen, 1 not shown long enough yet.",
    ]);
  });
});

describe("where everybody has a layer", () => {
  it("switches, counts, list and corner say the same", () => {
    const { editor: d } = ready("a colleague's reading");
    expect([
      d.store.hiddenLayers(),
      d.store.overview.counts.cells,
      d.store.overview.listedRows().length,
    ]).toEqual([0, 3, 4]);
    d.store.cells.showLayer(2, false);
    expect([
      d.store.hiddenLayers(),
      d.store.overview.counts.cells,
      d.store.overview.listedRows().length,
    ]).toEqual([1, 2, 3]);
  });
  it("an own layer that is archived is still the own one", () => {
    const { editor: d } = openEditor({ archived: true, apart: true });
    expect([d.store.canWrite, d.store.cells.base, d.store.cells.isMine(row(d, 1))]).toEqual([false, 0, true]);
  });
});
