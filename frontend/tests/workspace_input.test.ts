/** Keys on any layout, several cells by Shift, the rest in view, the list of cells, the wand at a border, the menu. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { COMMANDS } from "../commands";
import { classDigit } from "../commands/keys";
import { Keymap } from "../commands/keymap";
import type { Editor } from "../editor/editor";
import { scaleOfPower, zoomWords } from "../editor/words";
import { imagePoint } from "../geometry/frames";
import { arranged, AS_DRAWN, SORTS } from "../scene/cell_list";
import * as bulk from "../scene/bulk";
import { limitedTolerance } from "../tools/wand";
import { commandsHere } from "../ui/menu";
import { seeded, uuid } from "./build";
import { openEditor } from "./editor_setup";

beforeAll(() => {
  vi.stubGlobal("document", { hidden: false, cookie: "" });
});

const pressed = (key: string, code: string, more = {}) => ({
  key,
  code,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...more,
});

describe("keys on any layout", () => {
  const map = new Keymap();
  it.each([
    ["Russian", "ф", "KeyA", {}, "review.accept"],
    ["Greek", "β", "KeyB", {}, "tool.brush"],
    ["Russian", "х", "BracketLeft", {}, "image.previous"],
    ["Russian with Shift", "Ф", "KeyA", { shiftKey: true }, "review.viewed"],
    ["Russian with Ctrl", "я", "KeyZ", { ctrlKey: true }, "history.undo"],
    ["German: the letter counts, not the place", "z", "KeyY", { ctrlKey: true }, "history.undo"],
    ["French: the letter counts, not the place", "a", "KeyQ", {}, "review.accept"],
  ])("%s: %s", (_layout, key, code, more, command) => {
    expect(map.commandOf(pressed(key, code, more), ["canvas", "review"])).toBe(command);
  });
  it("finds the digit of a class where digits need Shift", () => {
    expect(classDigit(pressed("&", "Digit1"))).toBe("1");
    expect(classDigit(pressed("1", "Digit1", { shiftKey: true }))).toBe("1");
    expect(classDigit(pressed("!", "Digit1", { shiftKey: true }))).toBeNull();
    expect(classDigit(pressed("1", "Digit1", { ctrlKey: true }))).toBeNull();
  });
});

const rowOf = (editor: Editor, n: number) => editor.store.cells.rowOf(uuid(n));
const SIZES = { reach: 6, slip: 3, spacing: 1 };

function click(editor: Editor, x: number, y: number, shift: boolean): void {
  const at = imagePoint(x, y);
  for (const kind of ["down", "up"] as const)
    editor.toolbox.current.input({ kind, at, shift, alt: false }, SIZES);
}

describe("Shift and a click", () => {
  it("select several cells, and let one go again", () => {
    const { editor } = openEditor();
    click(editor, 20, 28, false);
    expect(editor.store.selected).toBe(rowOf(editor, 1));
    click(editor, 315, 315, true);
    expect(editor.store.multiSelected).toEqual([rowOf(editor, 1), rowOf(editor, 2)]);
    expect(editor.store.selected).toBe(-1);
    click(editor, 20, 28, true);
    expect(editor.store.multiSelected).toEqual([rowOf(editor, 2)]);
  });
  it("keep what is selected where there is nothing", () => {
    const { editor } = openEditor();
    click(editor, 20, 28, false);
    click(editor, 450, 450, true);
    expect(editor.store.selected).toBe(rowOf(editor, 1));
  });
});

describe("rejecting the rest in view", () => {
  it("takes what was shown, in one act that one undo takes back", async () => {
    const { editor, sent } = openEditor();
    const { store, view, multiSelect } = editor;
    for (const now of [0, 1000]) store.seen.painted(store.cells, view.camera, view.visible(), true, now);
    multiSelect.decideInView("reject");
    expect(sent).toMatchObject([
      {
        action: "bulk",
        tool: "viewport",
        effects: [{ after: { derived_from: uuid(102), status: "rejected" } }],
      },
    ]);
    expect(store.toasts.list[0].undoes).toEqual([sent[0].op_id]);
    editor.undo();
    await editor.undoRedo.settled();
    expect(store.cells.isUndecided(rowOf(editor, 102))).toBe(true);
  });
  it("rejects nothing that was not shown, and nothing that is decided", () => {
    const { editor, sent } = openEditor();
    editor.multiSelect.decideInView("reject");
    expect([sent.length, editor.store.toasts.list[0].text.startsWith("None rejected.")]).toEqual([0, true]);
    expect(bulk.rejectAll(editor.store.cells, [rowOf(editor, 103), rowOf(editor, 1)], "lasso")).toEqual([]);
  });
});

describe("the list of cells", () => {
  it("has every cell once in each order, and a class alone", () => {
    const { editor } = openEditor();
    const { cells, overview } = editor.store;
    const rows = overview.listedRows();
    for (const sort of SORTS)
      expect([...arranged(cells, rows, { ...AS_DRAWN, sort })].sort((a, b) => a - b)).toEqual([...rows]);
    expect(arranged(cells, rows, { sort: "largest", labelClass: 5 })).toEqual([rowOf(editor, 1)]);
    expect(overview.countOfClass(5)).toBe(1);
    const areas = arranged(cells, rows, { sort: "smallest", labelClass: null }).map((row) => {
      const { x0, y0, x1, y1 } = cells.extent(row);
      return (x1 - x0) * (y1 - y0);
    });
    expect(areas).toEqual([...areas].sort((a, b) => a - b));
  });
});

describe("the wand at a border", () => {
  /** A cell of 900 pixels, filled at 20, whose border breaks at `border`. */
  const areaAt = (border: number) => (tolerance: number) =>
    tolerance < border ? Math.min(900, 880 + tolerance) : 9000;

  it("stops before the mask runs out of the cell", () => {
    expect(limitedTolerance(40, areaAt(24))).toBe(22);
    expect(limitedTolerance(22, areaAt(24))).toBe(22);
  });
  it("goes on when the drag insists", () => {
    expect(limitedTolerance(60, areaAt(24))).toBe(60);
  });
  it("does not hold a mask that is still filling its cell", () => {
    expect(limitedTolerance(40, (tolerance) => Math.min(30, tolerance - 10))).toBe(40);
    expect(limitedTolerance(40, (tolerance) => (tolerance < 22 ? 12 : 900))).toBe(40);
  });
  it("never exceeds what was wanted, and never takes a mask that leaks by less than insisting", () => {
    const random = seeded(11);
    for (let turn = 0; turn < 200; turn++) {
      const border = 18 + 2 * Math.floor(30 * random());
      const wanted = 18 + 100 * random();
      const limited = limitedTolerance(wanted, areaAt(border));
      expect(limited).toBeLessThanOrEqual(wanted);
      if (border > 18 && wanted - border <= 16) expect(areaAt(border)(limited)).toBeLessThan(9000);
    }
  });
});

describe("the menu of the right button", () => {
  it("has what can be done, and nothing else", () => {
    const { editor } = openEditor();
    expect(commandsHere(editor.store)).not.toContain("review.accept");
    editor.selection.select(rowOf(editor, 102));
    const here = commandsHere(editor.store);
    expect(here).toEqual(expect.arrayContaining(["review.accept", "review.reject", "comment.new"]));
    expect(here).not.toContain("cell.delete"); // a proposal is rejected
    for (const name of here) expect(COMMANDS[name].whyNot?.(editor.store) ?? null).toBeNull();
    editor.selection.select(rowOf(editor, 1));
    expect(commandsHere(editor.store)).toContain("cell.delete");
  });
  it("offers nothing that changes cells to a viewer", () => {
    const { editor } = openEditor({ viewer: true });
    editor.selection.select(rowOf(editor, 1));
    expect(commandsHere(editor.store).filter((name) => name.startsWith("cell."))).toEqual([]);
  });
});

describe("magnification", () => {
  it.each([5, 10, 20, 40])("%d× is shown as that", (power) => {
    expect(zoomWords(scaleOfPower(power, 0.25), 0.25)).toContain(
      `${power >= 10 ? power : power.toFixed(1)}×`,
    );
  });
  it("is declined in a sentence where the scale is not known", () => {
    const { editor } = openEditor();
    expect(COMMANDS["view.power_20"].whyNot?.(editor.store)).toContain("scale of this image is not known");
  });
});
