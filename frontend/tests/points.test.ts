/** Cells that are points: placed, picked, moved, counted, hidden and named. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Press } from "../editor/tool";
import { insideImage, moved, pointBox } from "../geometry/box";
import { imagePoint } from "../geometry/frames";
import { Cells } from "../scene/cells";
import { accept, withMask } from "../scene/edits";
import { summaryOf } from "../scene/operation_summary";
import { Overview } from "../scene/overview";
import { PLAIN } from "../ui/display_settings";
import { stateWords } from "../ui/state_picture";
import type { Ui } from "../ui/parts";
import * as point from "../tools/point";
import { packOf, state, uuid } from "./build";
import { openEditor } from "./editor_setup";

beforeAll(() => {
  vi.stubGlobal("document", { hidden: false, cookie: "" });
});

const IMAGE = { width: 200, height: 100 };
const SIZES = { reach: 6, slip: 3, spacing: 1 };
const press = (kind: Press["kind"], x: number, y: number): Press => ({
  kind,
  at: imagePoint(x, y),
  shift: false,
  alt: false,
});

function openWithTool() {
  const opened = openEditor();
  opened.editor.toolbox.choose("point");
  const click = (x: number, y: number) => {
    for (const kind of ["down", "up"] as const) opened.editor.toolbox.current.input(press(kind, x, y), SIZES);
  };
  return { ...opened, click };
}

describe("the machine of the tool", () => {
  it("places the point where the button is let go, inside the image only", () => {
    const at = (x: number, y: number) => {
      const pressed = point.step(point.IDLE, press("down", 10, 10), IMAGE).state;
      const dragged = point.step(pressed, press("move", 20, 20), IMAGE).state;
      return point.step(dragged, press("up", x, y), IMAGE);
    };
    expect(at(30.25, 40.5)).toEqual({ state: point.IDLE, commit: imagePoint(30.25, 40.5) });
    expect(at(199.9, 99.9).commit).toBeDefined();
    for (const [x, y] of [
      [200, 50],
      [50, 100],
      [-0.1, 5],
    ])
      // prettier-ignore
      expect(at(x, y)).toEqual({ state: point.IDLE, outside: true });
  });
});

describe("a click", () => {
  it("is a cell of the chosen class, sent as one operation, and undone as one", () => {
    const { editor, sent, click } = openWithTool();
    editor.store.labelClass = editor.store.opened.project.classes[1];
    click(300, 40);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ action: "draw", tool: "point" });
    expect(sent[0].effects[0].after).toMatchObject({
      kind: "cell",
      box: [300, 40, 300, 40],
      label_class: 6,
      mask: null,
    });
    const { cells, selected, overview } = editor.store;
    expect(cells.isPoint(selected)).toBe(true);
    expect(overview.counts).toMatchObject({ points: 1 });
    void editor.undoRedo.undo();
    expect(editor.store.overview.counts.points).toBe(0);
  });
  it("on an own point selects it and draws no second one", () => {
    const { editor, sent, click } = openWithTool();
    click(300, 40);
    const placed = editor.store.selected;
    click(330, 40);
    click(301, 41);
    expect(sent).toHaveLength(2);
    expect(editor.store.selected).toBe(placed);
  });
  it("leaves the size of the last box as it was", () => {
    const { editor, click } = openWithTool();
    const before = editor.store.lastSize;
    click(300, 40);
    expect(editor.store.lastSize).toEqual(before);
  });
});

describe("a point", () => {
  const withPoint = () => {
    const cells = new Cells(IMAGE);
    cells.load(
      cells.addLayer(uuid(900), true, "working"),
      packOf([{ id: 1, op: 11, box: [50, 50, 50, 50] }]),
    );
    return cells;
  };
  it("is hit around it, before the box that it lies in", () => {
    const cells = withPoint();
    const box = cells.put(0, uuid(2), state([40, 40, 60, 60]), uuid(12));
    expect(cells.pick(imagePoint(52, 51), 4)).toEqual([0, box]);
    expect(cells.pick(imagePoint(58, 58), 4)).toEqual([box]);
  });
  it("moves within the image and stays on a pixel", () => {
    expect(moved(pointBox({ x: 50, y: 50 }), 10, -20, IMAGE)).toEqual(pointBox({ x: 60, y: 30 }));
    const rim = moved(pointBox({ x: 50, y: 50 }), 500, 500, IMAGE);
    expect(insideImage(rim, IMAGE, 0)).toEqual(rim);
    expect(moved(pointBox({ x: 199.9, y: 5 }), 0, 0, IMAGE)).toEqual(pointBox({ x: 199.9, y: 5 }));
  });
  it("becomes a box with its first mask", () => {
    const mask = { x: 46, y: 47, width: 8, height: 6, bits: "" };
    expect(withMask(state([50, 50, 50, 50], { mask })).box).toEqual([46, 47, 54, 53]);
  });
  it("that prompted a proposal takes its mask when the proposal is accepted", () => {
    const cells = withPoint();
    const mask: [number, number, number, number, Uint8Array] = [48, 48, 4, 2, Uint8Array.of(0xff)];
    cells.load(
      cells.addLayer(uuid(901), false, "prediction"),
      packOf([{ id: 101, op: 21, box: [48, 48, 52, 50], derived: 1, mask }]),
    );
    const { effects } = accept(cells, cells.rowOf(uuid(101)));
    expect(effects[0].annotation).toBe(uuid(1));
    expect(effects[0].after?.box).toEqual([48, 48, 52, 50]);
  });
  it("is counted row by row as at once, also after it has a mask", () => {
    const cells = withPoint();
    const overview = new Overview(cells);
    expect(overview.counts).toEqual(cells.counts());
    expect(overview.counts).toMatchObject({ cells: 1, points: 1, masks: 0 });
    const mask = { x: 48, y: 48, width: 4, height: 2, bits: "/w==" };
    cells.put(0, uuid(1), state([48, 48, 52, 50], { mask }), uuid(13));
    expect(overview.counts).toEqual(cells.counts());
    expect(overview.counts).toMatchObject({ cells: 1, points: 0, masks: 1 });
  });
  it("is kept out of the picture by its filter", () => {
    const { editor, click } = openWithTool();
    click(300, 40);
    const placed = editor.store.selected;
    editor.picture.filter({ ...PLAIN, points: false });
    expect(editor.store.cells.isShown(placed)).toBe(false);
    editor.picture.filter(PLAIN);
    expect(editor.store.cells.isShown(placed)).toBe(true);
  });
  it("is called a point in the history, and its drawing the placing of a point", () => {
    const { editor } = openWithTool();
    const ui = { editor } as unknown as Ui;
    expect(stateWords(ui, state([5, 5, 5, 5]))).toBe("without class, a point");
    expect(stateWords(ui, state([5, 5, 9, 9]))).toBe("without class");
    expect(summaryOf({ action: "draw", tool: "point", changes: [] })).toEqual({ name: "draw_point", n: 0 });
  });
});
