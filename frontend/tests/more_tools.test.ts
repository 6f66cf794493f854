import { describe, expect, it, vi } from "vitest";
import { applied } from "../editor/refusion";
import { imagePoint, type Point } from "../geometry/frames";
import { pack, patchOver, unpack, type Patch } from "../geometry/mask";
import { alike, cut, united, withoutHoles } from "../geometry/pieces";
import { fill, isInside } from "../geometry/polygon";
import * as bulk from "../scene/bulk";
import { History } from "../scene/history";
import { LEAST_SIDE, Seen, STILL_MS } from "../scene/seen";
import { unmixing } from "../render/stains";
import { Asker } from "../sync/ask";
import { Live } from "../sync/live";
import * as extremes from "../tools/extremes";
import type { Input } from "../editor/input";
import * as measure from "../tools/measure";
import * as path from "../tools/path";
import * as polygon from "../tools/polygon";
import * as smart from "../tools/smart";
import * as stamp from "../tools/stamp";
import * as wand from "../tools/wand";
import { found } from "../ui/command_palette";
import { packOf, scene, uuid } from "./build";
import { Cells } from "../scene/cells";

const IMAGE = { width: 200, height: 100 };
const at = (
  kind: "down" | "move" | "up",
  x: number,
  y: number,
  more: { shift?: boolean; alt?: boolean } = {},
): Input => ({ kind, at: imagePoint(x, y), shift: false, alt: false, ...more });
const area = (patch: Patch) => patch.pixels.reduce((a, b) => a + b, 0);
const square = (x0: number, y0: number, x1: number, y1: number): Point<"image">[] => [
  imagePoint(x0, y0),
  imagePoint(x1, y0),
  imagePoint(x1, y1),
  imagePoint(x0, y1),
];

describe("outlines", () => {
  it("fill the pixels whose centres lie inside", () => {
    const filled = fill(square(10, 10, 20, 15), IMAGE);
    expect(area(filled)).toBe(50);
    expect(area(fill(square(10.6, 10, 20, 15), IMAGE))).toBe(45);
    expect(pack(filled)).toMatchObject({ x: 10, y: 10, width: 10, height: 5 });
  });
  it("fill what was gone round twice, and both lobes of an eight (nonzero winding)", () => {
    const twice = [...square(10, 10, 30, 30), ...square(10, 10, 30, 30)];
    expect(area(fill(twice, IMAGE))).toBe(400);
    const eight = [imagePoint(10, 10), imagePoint(30, 30), imagePoint(30, 10), imagePoint(10, 30)];
    expect(isInside(eight, { x: 12, y: 20 }) && isInside(eight, { x: 28, y: 20 })).toBe(true);
    expect(isInside(eight, { x: 20, y: 12 })).toBe(false);
    expect(area(fill(eight, IMAGE))).toBeGreaterThan(150);
  });
  it("leave the image without an error, and are nothing outside of it", () => {
    expect(area(fill(square(190, 90, 400, 400), IMAGE))).toBe(100);
    expect(pack(fill(square(300, 10, 310, 20), IMAGE))).toBeNull();
  });
  it("have as many corners as a hand can make", () => {
    const circle = Array.from({ length: 5000 }, (_, i) =>
      imagePoint(100 + 40 * Math.cos((i * Math.PI) / 2500), 50 + 40 * Math.sin((i * Math.PI) / 2500)),
    );
    expect(Math.abs(area(fill(circle, IMAGE)) - Math.PI * 1600)).toBeLessThan(40);
  });
});

describe("polygon tool", () => {
  const run = (inputs: Input[]) =>
    inputs.reduce<polygon.Step>(
      (last, input) => {
        const step = polygon.step(last.state, input, 3, 2);
        // The button is let go after the click that closed it.
        return last.commit ? { ...step, commit: last.commit } : step;
      },
      { state: polygon.IDLE },
    );
  const clicks = (...points: [number, number][]) =>
    points.flatMap(([x, y]) => [at("down", x, y), at("up", x, y)]);

  it("closes on the first corner, by a double click, and by Enter", () => {
    const corners: [number, number][] = [
      [10, 10],
      [40, 10],
      [40, 40],
    ];
    expect(run(clicks(...corners, [11, 10])).commit).toHaveLength(3);
    expect(run(clicks(...corners, [40, 40])).commit).toHaveLength(3);
    expect(polygon.finish(run(clicks(...corners)).state).commit).toHaveLength(3);
  });
  it("drops an outline of two corners, and takes the last one back", () => {
    expect(run(clicks([10, 10], [40, 10], [40, 10]))).toEqual({ state: polygon.IDLE });
    const state = polygon.back(run(clicks([10, 10], [40, 10])).state);
    expect(state).toMatchObject({ vertices: [{ x: 10 }] });
    expect(polygon.back(state)).toEqual(polygon.IDLE);
  });
  it("is closed by letting a freehand drag go", () => {
    const drag = [
      at("down", 10, 10),
      ...[20, 30, 40].map((x) => at("move", x, 10)),
      at("move", 40, 40),
      at("up", 12, 40),
    ];
    expect(run(drag).commit).toHaveLength(5);
  });
  it("takes no more corners than it can, and says so", () => {
    let step: polygon.Step = { state: polygon.step(polygon.IDLE, at("down", 0, 0), 1, 0.1).state };
    for (let i = 1; i < polygon.MOST_VERTICES + 5; i++)
      step = polygon.step(step.state, at("move", i, i % 7), 1, 0.1);
    expect(step.full).toBe(true);
    expect(step.state).toMatchObject({ kind: "drawing" });
    expect(polygon.finish(step.state).commit).toHaveLength(polygon.MOST_VERTICES);
  });
  it("leaves nothing of a cancelled one, and does not begin again with a second finger", () => {
    expect(run([...clicks([10, 10], [40, 10]), { kind: "cancel" }])).toEqual({ state: polygon.IDLE });
    expect(run([at("down", 10, 10), at("down", 90, 90)]).state).toMatchObject({ vertices: [{ x: 10 }] });
    const pinched = run([...clicks([10, 10], [40, 10]), at("down", 60, 60), { kind: "cancel" }]).state;
    expect(pinched).toMatchObject({ kind: "drawing", pressed: false });
    expect(polygon.step(pinched, { kind: "cancel" }, 3, 2).state).toEqual(polygon.IDLE);
  });
});

describe("smart tool", () => {
  const run = (inputs: Input[]) =>
    inputs.reduce<smart.Step>((last, input) => smart.step(last.state, input, IMAGE, 3), {
      state: smart.IDLE,
    });
  const click = (x: number, y: number, alt = false) => [at("down", x, y, { alt }), at("up", x, y, { alt })];

  it("asks with every click, the outside ones too", () => {
    const step = run([...click(20, 20), ...click(30, 20, true)]);
    expect(step.ask).toEqual({
      box: null,
      clicks: [
        { at: imagePoint(20, 20), inside: true },
        { at: imagePoint(30, 20), inside: false },
      ],
    });
  });
  it("takes a drag for a box, which clicks then mend", () => {
    const step = run([at("down", 10, 10), at("move", 30, 30), at("up", 30, 40), ...click(28, 28, true)]);
    expect(step.ask).toMatchObject({ box: { x0: 10, y0: 10, x1: 30, y1: 40 }, clicks: [{ inside: false }] });
  });
  it("asks nothing for what is outside of no cell or of the image", () => {
    expect(run(click(20, 20, true))).toEqual({ state: smart.IDLE });
    expect(run(click(900, 20))).toEqual({ state: smart.IDLE });
  });
  it("goes back click by click, to nothing", () => {
    const two = run([...click(20, 20), ...click(30, 20)]).state;
    const one = smart.back(two);
    expect(one.ask?.clicks).toHaveLength(1);
    expect(smart.back(one.state)).toEqual({ state: smart.IDLE });
  });
  it("keeps the prompt when only the press is lost, and drops it with the next cancel", () => {
    const kept = run([...click(20, 20), at("down", 50, 50), { kind: "cancel" }]).state;
    expect(kept.prompt?.clicks).toHaveLength(1);
    expect(smart.step(kept, { kind: "cancel" }, IMAGE, 3).state).toEqual(smart.IDLE);
  });
});

describe("other tools", () => {
  it("extreme points make the box around them", () => {
    const points: [number, number][] = [
      [10, 50],
      [40, 20],
      [70, 55],
      [45, 80],
    ];
    const step = points.reduce<extremes.Step>(
      (last, [x, y]) =>
        extremes.step(extremes.step(last.state, at("down", x, y), IMAGE).state, at("up", x, y), IMAGE),
      { state: extremes.IDLE },
    );
    expect(step).toEqual({ state: extremes.IDLE, commit: { x0: 10, y0: 20, x1: 70, y1: 80 } });
  });
  it("a stamp puts a box of the last size, cut at the border", () => {
    const put = (x: number, y: number) =>
      stamp.step(
        stamp.step(stamp.IDLE, at("down", x, y), { width: 20, height: 10 }, IMAGE).state,
        at("up", x, y),
        { width: 20, height: 10 },
        IMAGE,
      );
    expect(put(50, 50).commit).toEqual({ x0: 40, y0: 45, x1: 60, y1: 55 });
    expect(put(0, 50).commit).toEqual({ x0: 0, y0: 45, x1: 10, y1: 55 });
    expect(put(-30, 50).commit).toBeUndefined();
  });
  it("the wand grows by the hand's way, not by the zoom", () => {
    const pressed = wand.step(wand.IDLE, at("down", 50, 50), 4).state;
    const near = wand.step(pressed, at("move", 55, 50), 4).state;
    expect(near).toMatchObject({ tolerance: 28 });
    expect(wand.step(near, at("up", 60, 50), 4).commit).toMatchObject({ from: { x: 50 }, tolerance: 38 });
    expect(wand.step(near, { kind: "cancel" }, 4)).toEqual({ state: wand.IDLE });
  });
  it("a path is a click when it stays where it began", () => {
    const run = (inputs: Input[]) =>
      inputs.reduce<path.Step>((last, input) => path.step(last.state, input, 1, 4), { state: path.IDLE });
    expect(run([at("down", 10, 10), at("move", 11, 11), at("up", 11, 11)])).toMatchObject({
      click: { x: 10 },
    });
    expect(
      run([at("down", 10, 10, { shift: true }), at("move", 30, 10), at("up", 30, 30)]).commit,
    ).toMatchObject({ shift: true, points: [{ x: 10 }, { x: 30 }, { y: 30 }] });
  });
  it("the ruler reads in micrometres only when the scale is known", () => {
    const line = [at("down", 0, 0), at("move", 30, 40), at("up", 30, 40)].reduce(
      (s, i) => measure.step(s, i),
      measure.IDLE,
    ).line;
    expect(line).toMatchObject([{ x: 0 }, { x: 30, y: 40 }]);
    expect(measure.lengthWords(50, 0.25)).toBe("12.5 µm");
    expect(measure.lengthWords(50, null)).toBe("50.0 px");
  });
});

describe("pieces", () => {
  const bar = (): Patch => ({ x: 10, y: 10, width: 20, height: 6, pixels: new Uint8Array(120).fill(1) });
  it("are cut all the way through, and nothing is lost", () => {
    const pieces = cut(bar(), [imagePoint(17, 5), imagePoint(17, 20)]);
    expect(pieces).toHaveLength(2);
    expect(area(pieces[0]) + area(pieces[1])).toBe(120);
    expect(area(pieces[0])).toBeGreaterThan(area(pieces[1]));
    expect(cut(bar(), [imagePoint(17, 5), imagePoint(17, 12)])).toHaveLength(1);
    expect(cut(bar(), [imagePoint(12, 2), imagePoint(28, 20)])).toHaveLength(2); // aslant: no leak between 4-neighbours
  });
  it("are joined with all their pixels", () => {
    const other: Patch = { x: 25, y: 12, width: 20, height: 6, pixels: new Uint8Array(120).fill(1) };
    expect(area(united([bar(), other], IMAGE))).toBe(120 + 120 - 5 * 4);
  });
  it("of like colour are connected to where the hand pressed, without holes", () => {
    const rgba = new Uint8ClampedArray(4 * 100).fill(200);
    const dark = (x: number, y: number) => rgba.set([60, 40, 90, 255], 4 * (10 * y + x));
    for (let y = 2; y < 7; y++) for (let x = 2; x < 7; x++) if (x !== 4 || y !== 4) dark(x, y);
    dark(9, 9);
    const found = alike(rgba, { x: 30, y: 40, width: 10, height: 10 }, 3, 3, 90);
    expect(area(found)).toBe(25); // the hole is filled, the far pixel is not taken
    expect(pack(found)).toMatchObject({ x: 32, y: 42, width: 5, height: 5 });
    expect(area(withoutHoles({ ...found, pixels: new Uint8Array(100) }))).toBe(0);
  });
});

describe("several cells in one operation", () => {
  const blob = (x: number, y: number, w: number, h: number): [number, number, number, number, Uint8Array] => [
    x,
    y,
    w,
    h,
    new Uint8Array(Math.ceil((w * h) / 8))
      .fill(0xff)
      .map((v, i, all) => (i === all.length - 1 && (w * h) % 8 ? 0xff << (8 - ((w * h) % 8)) : v)),
  ];
  const two = () => {
    const cells = new Cells({ width: 512, height: 512 });
    cells.load(
      cells.addLayer(uuid(900), true, "working"),
      packOf([
        { id: 1, op: 11, box: [10, 10, 30, 20], label: 5, mask: blob(10, 10, 20, 10) },
        { id: 2, op: 12, box: [30, 10, 40, 20], mask: blob(30, 10, 10, 10) },
      ]),
    );
    return cells;
  };
  it("splits into the cell and new ones of its class, and undo restores the one", () => {
    const cells = two();
    const draft = bulk.split(cells, 0, [imagePoint(16, 0), imagePoint(16, 40)]);
    expect(draft).toMatchObject({
      action: "reshape",
      tool: "split",
      effects: [
        { annotation: uuid(1), seen: uuid(11) },
        { seen: null, after: { label_class: 5 } },
      ],
    });
    const boxes = draft?.effects.map((e) => e.after?.box);
    // The larger piece, on the right, stays the cell.
    expect(boxes?.[0]?.[0]).toBeGreaterThan(boxes?.[1]?.[0] as number);
    const history = new History();
    history.record({
      op_id: uuid(50),
      action: "reshape",
      undoes: null,
      changes: (draft?.effects ?? []).map((e) => ({
        annotation: e.annotation,
        before: cells.rowOf(e.annotation) >= 0 ? cells.stateOf(cells.rowOf(e.annotation)) : null,
        after: e.after,
        seen: e.seen,
      })),
    });
    const step = history.undo(() => uuid(50));
    expect(step).toMatchObject({
      draft: { effects: [{ after: { box: [10, 10, 30, 20] } }, { after: null }] },
    });
    expect(bulk.split(cells, 0, [imagePoint(16, 0), imagePoint(16, 14)])).toBeNull();
  });
  it("merges into the largest, and deletes the others", () => {
    const draft = bulk.merge(two(), [1, 0], { width: 512, height: 512 });
    expect(draft).toMatchObject({
      tool: "merge",
      effects: [
        { annotation: uuid(1), after: { box: [10, 10, 40, 20], mask: { width: 30, height: 10 } } },
        { annotation: uuid(2), after: null },
      ],
    });
    expect(bulk.merge(two(), [1], { width: 512, height: 512 })).toBeNull();
  });
  it("keeps the decision on a proposal whose cell is merged away", () => {
    const cells = scene();
    const cell = { ...(cells.stateOf(1) as never as object), derived_from: uuid(102) };
    cells.put(0, uuid(2), cell as never, uuid(60));
    const draft = bulk.merge(cells, [0, 1], { width: 512, height: 512 });
    expect(draft?.effects[1]).toMatchObject({
      annotation: uuid(2),
      after: { status: "rejected", derived_from: uuid(102) },
    });
  });
  it("accepts together one proposal a cell, and only open ones", () => {
    const cells = scene();
    const [draft] = bulk.acceptAll(cells, [2, 3, 0], "lasso");
    expect(draft.action).toBe("bulk");
    expect(draft.effects.map((e) => e.after?.derived_from)).toEqual([uuid(101), uuid(102)]);
    expect(bulk.acceptAll(cells, [0], "lasso")).toEqual([]);
  });
});

describe("seen", () => {
  it("needs a view that stands still, large enough, and the mask in the picture", () => {
    const cells = scene();
    const all = { x0: 0, y0: 0, x1: 512, y1: 512 };
    const seen = new Seen();
    const camera = { scale: 2, left: 0, top: 0 };
    expect(seen.painted(cells, camera, all, true, 1000)).toBe(STILL_MS);
    expect(seen.has(3)).toBe(false);
    expect(seen.painted(cells, { ...camera, left: 1 }, all, true, 1000 + STILL_MS)).toBe(STILL_MS); // it moved
    expect(seen.painted(cells, { ...camera, left: 1 }, all, false, 1000 + 2 * STILL_MS)).toBe(0);
    expect(seen.has(3)).toBe(false); // masks were left out
    seen.painted(cells, { ...camera, left: 1 }, all, true, 1000 + 2 * STILL_MS);
    expect(seen.has(3)).toBe(true);
    seen.forget(3);
    expect(seen.has(3)).toBe(false);
    const tiny = new Seen();
    tiny.painted(cells, { ...camera, scale: LEAST_SIDE / 40 }, all, true, 0);
    tiny.painted(cells, { ...camera, scale: LEAST_SIDE / 40 }, all, true, STILL_MS);
    expect(tiny.has(3)).toBe(false);
  });
});

describe("constraint strokes", () => {
  it("set and clear the pixels they cover, beyond the mask too", () => {
    const mask = patchOver({ x0: 10, y0: 10, x1: 20, y1: 20 }, IMAGE);
    mask.pixels.fill(1);
    const stroke = patchOver({ x0: 18, y0: 12, x1: 24, y1: 14 }, IMAGE);
    stroke.pixels.fill(1);
    expect(area(applied(mask, { patch: stroke, foreground: true }, IMAGE))).toBe(100 + 8);
    expect(area(applied(mask, { patch: stroke, foreground: false }, IMAGE))).toBe(100 - 4);
    expect(area(mask)).toBe(100); // undo keeps the old one
    const kept = pack(applied(mask, { patch: stroke, foreground: true }, IMAGE));
    expect(kept && unpack(kept)).toMatchObject({ x: 10, width: 14 });
  });
});

describe("questions to the worker", () => {
  const later = () => {
    const waiting: ((v: string) => void)[] = [];
    return {
      send: (n: number) => new Promise<string>((resolve) => waiting.push((v) => resolve(`${v}${n}`))),
      waiting,
    };
  };
  it("go one at a time, and of those that wait only the newest", async () => {
    const asker = new Asker();
    const { send, waiting } = later();
    const answers = [asker.ask(send), asker.ask(send), asker.ask(send)];
    expect(waiting).toHaveLength(1);
    waiting[0]("a");
    expect(await answers[0]).toBe("a1");
    expect(await answers[1]).toBeNull();
    await Promise.resolve();
    waiting[1]("b");
    expect(await answers[2]).toBe("b3");
  });
  it("are dropped with what they were about, also when they fail", async () => {
    const asker = new Asker();
    const { send, waiting } = later();
    const first = asker.ask(send);
    const failing = asker.ask(() => Promise.reject(new Error("gone")));
    asker.drop();
    waiting[0]("a");
    expect(await first).toBeNull();
    expect(await failing).toBeNull();
    await expect(asker.ask(() => Promise.reject(new Error("gone")))).rejects.toThrow("gone");
  });
});

describe("live", () => {
  const make = () => {
    const notified: number[] = [];
    const comments = vi.fn();
    const live = new Live(
      "",
      "me",
      () => Promise.resolve(),
      () => ({ cursor: null, view: null, editing: null }),
      (seq) => notified.push(seq),
      comments,
      () => 0,
    );
    return { live, notified, comments };
  };
  it("tells of the log, and who is here, once a person", () => {
    const { live, notified } = make();
    live.take('{"seq":7}');
    live.take('{"session":"a","person":{"id":2,"name":"Dr B"},"cursor":[3,4],"editing":"x"}');
    live.take('{"session":"b","person":{"id":2,"name":"Dr B"},"cursor":null}');
    live.take('{"session":"me","person":{"id":1,"name":"I"}}');
    expect(notified).toEqual([7]);
    expect(live.people()).toEqual([{ id: 2, name: "Dr B" }]);
    expect(live.editorOf("x")?.name).toBe("Dr B");
    live.take('{"session":"a","person":{"id":2,"name":"Dr B"},"gone":true}');
    expect(live.editorOf("x")).toBeNull();
    live.take('{"seq":');
  });
  it("asks for comments when it is told of one, and when it is open again", () => {
    const source = { onopen: () => undefined as void, close: () => undefined };
    vi.stubGlobal("EventSource", function () {
      return source;
    });
    const { live, comments } = make();
    live.open();
    source.onopen();
    expect(comments).not.toHaveBeenCalled(); // the page has just loaded them
    live.take('{"comments":1}');
    expect(comments).toHaveBeenCalledTimes(1);
    source.onopen();
    expect(comments).toHaveBeenCalledTimes(2);
    live.close();
    vi.unstubAllGlobals();
  });
});

describe("stains", () => {
  it("gives a pure stain an amount of one and the other of none", () => {
    const [h] = unmixing([0.65, 0.704, 0.286], [0.072, 0.99, 0.105], [0.268, 0.57, 0.776]);
    const unit = (v: number[]) => v.map((x) => x / Math.hypot(...v));
    const amount = (od: number[]) => h.reduce((sum, w, i) => sum + w * od[i], 0);
    expect(amount(unit([0.65, 0.704, 0.286]))).toBeCloseTo(1);
    expect(amount(unit([0.072, 0.99, 0.105]))).toBeCloseTo(0);
    expect(amount(unit([0.268, 0.57, 0.776]))).toBeCloseTo(0); // brown is not blue
  });
});

describe("palette", () => {
  it("finds commands by any of their words, in any order", () => {
    expect(found("undo")).toContain("history.undo");
    expect(found("box four")).toEqual(["tool.extremes"]);
    expect(found("zzz")).toEqual([]);
    expect(found("")).not.toContain("help.palette");
  });
});
