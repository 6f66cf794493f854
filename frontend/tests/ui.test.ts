import { afterEach, describe, expect, it, vi } from "vitest";
import { styleOf, Line, Flag } from "../render/cell_style";
import { CellColours } from "../render/colour_by";
import { palette, paletteIndex, rgb } from "../render/palette";
import { COMMANDS, type Command } from "../commands";
import { chordOf, keyLabel, Keymap, type Pressed } from "../commands/keymap";
import { DISPLAY, keep, KEYS, stored, withNewNames } from "../ui/stored";
import { emptyReview, saveWords, scaleBar, zoomWords } from "../editor/words";
import { scene, state, uuid } from "./build";

const NO_CERTIFICATE = {
  objective: null,
  flow: null,
  cut: null,
  closed: null,
  milliseconds: null,
  ambiguous_share: null,
  components: null,
  free_pixels: null,
};

const press = (key: string, more: Partial<Pressed> = {}): Pressed => ({
  key,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  altKey: false,
  ...more,
});

describe("keys", () => {
  const map = new Keymap();
  it("has no key twice in one scope", () => {
    const seen = new Map<string, Command>();
    for (const command of Object.keys(COMMANDS) as Command[])
      for (const key of map.keysOf(command)) {
        const place = `${COMMANDS[command].scope} ${key}`;
        expect(seen.get(place), place).toBeUndefined();
        seen.set(place, command);
      }
  });
  it("tells G from Shift+G, with caps lock too", () => {
    expect(map.commandOf(press("g"), ["canvas"])).toBe("tool.region");
    expect(map.commandOf(press("G", { shiftKey: true }), ["canvas"])).toBe("tool.ignore");
    expect(map.commandOf(press("G"), ["canvas"])).toBe("tool.region");
  });
  it("finds signs that need Shift or AltGr on some keyboards", () => {
    expect(map.commandOf(press("?", { shiftKey: true }), ["canvas"])).toBe("help.keys");
    expect(map.commandOf(press("]", { ctrlKey: true, altKey: true }), ["canvas"])).toBe("image.next");
  });
  it("leaves the browser's own chords alone", () => {
    for (const key of ["r", "f", "d", "a", "x", "h"])
      expect(map.commandOf(press(key, { ctrlKey: true }), ["canvas", "review"])).toBeNull();
  });
  it("judges only in review, and not while a mask is edited", () => {
    expect(map.commandOf(press("a"), ["canvas"])).toBeNull();
    expect(map.commandOf(press("a"), ["canvas", "review"])).toBe("review.accept");
    expect(map.commandOf(press("a"), ["canvas", "edit"])).toBeNull();
    expect(map.commandOf(press("Enter"), ["canvas"])).toBeNull();
  });
  it("keeps keys on while Alt is held for subtracting", () => {
    expect(map.commandOf(press("h", { altKey: true }), ["canvas"])).toBe("view.peek");
  });
  it("is remapped, unless another command of the scope has the key", () => {
    const own = new Keymap();
    expect(own.remap("view.boxes", ["h"])).toEqual(["view.peek"]);
    expect(own.keysOf("view.boxes")).toEqual(["Shift+b"]);
    expect(own.remap("view.boxes", ["u"])).toEqual([]);
    expect(own.commandOf(press("u"), ["canvas"])).toBe("view.boxes");
    expect(own.commandOf(press("B", { shiftKey: true }), ["canvas"])).toBeNull();
    expect(own.hidden("edit.commit", ["u"])).toEqual(["view.boxes"]);
    expect(own.isChanged("view.boxes")).toBe(true);
    expect(own.reset("view.boxes")).toEqual([]);
    expect(own.keysOf("view.boxes")).toEqual(["Shift+b"]);
  });
  it("repeats undo, never a verdict", () => {
    expect(map.repeats("history.undo")).toBe(true);
    for (const verdict of ["review.accept", "review.reject", "cell.cannot_tell", "cell.delete"] as const)
      expect(map.repeats(verdict)).toBe(false);
  });
  it("is written as people read it", () => {
    expect(["Mod+Shift+z", " ", "+", "Escape"].map((k) => keyLabel(k === " " ? "Space" : k))).toEqual([
      "Ctrl+Shift+Z",
      "Space",
      "+",
      "Esc",
    ]);
    expect(chordOf(press("z", { metaKey: true, shiftKey: true }))).toBe("Mod+Shift+z");
  });
});

describe("words", () => {
  it("never say that no round has run on an image that was predicted", () => {
    expect(emptyReview(null)[0]).toContain("No proposals on this image yet");
    const published = {
      id: "p1",
      round: 7,
      round_number: 2,
      job: null,
      published_at: "",
      models: {},
      certificate: NO_CERTIFICATE,
      proposals: 0,
      why: ["The detector found nothing here."],
    };
    expect(emptyReview(published)).toEqual([
      "Round 2 proposed nothing here.",
      "The detector found nothing here.",
      "Annotate a region of this image and start another round.",
    ]);
  });
  it("always says where the work is", () => {
    const say = (s: Parameters<typeof saveWords>[0], conflicts = 0, durable = true) =>
      saveWords(s, conflicts, durable).text;
    expect(say({ kind: "saved", at: new Date(2026, 0, 1, 14, 3, 22) })).toBe("Saved 14:03:22");
    expect(say({ kind: "saving", count: 3 })).toBe("Saving 3…");
    expect(say({ kind: "offline", count: 12, retryAt: 0 })).toBe("Offline: 12 changes kept on this computer");
    expect(say({ kind: "offline", count: 1, retryAt: 0 }, 0, false)).toBe(
      "Offline: 1 change only in this tab: do not close it",
    );
    expect(say({ kind: "saved", at: null }, 2)).toMatch(/^Conflict: 2 cells/);
  });
  it("draws a scale bar of a round length that fits", () => {
    expect(scaleBar(1.336, 0.25)).toMatchObject({ label: "20 µm" });
    expect(scaleBar(0.01, 0.25).label).toBe("2 mm");
    expect(scaleBar(2, null)).toEqual({ length: 100, label: "50 px" });
    for (let scale = 0.003; scale < 64; scale *= 1.7) {
      const bar = scaleBar(scale, 0.5);
      expect(bar.length).toBeLessThanOrEqual(140);
      expect(bar.length).toBeGreaterThan(40);
    }
  });
  it("names the objective only when the scale is known", () => {
    expect(zoomWords(1, 0.25)).toBe("40× · 100 %");
    expect(zoomWords(0.5, null)).toBe("50 %");
  });
});

describe("look", () => {
  const classes = [
    { id: 5, name: "a", color: "#0072b2", key: 1 },
    { id: 6, name: "b", color: "#e69f00", key: 2 },
  ];
  const places = paletteIndex(classes);
  const colours = new CellColours({ classes, people: [], roundOf: () => null });
  const nothing = { selected: -1, hovered: -1, boxes: false, editing: -1 };
  it("colour is the class, line the state", () => {
    const cells = scene();
    const [own, proposal] = [cells.rowOf(uuid(1)), cells.rowOf(uuid(102))];
    expect(styleOf(cells, own, colours, nothing)).toMatchObject({
      colour: places.get(5),
      boxLine: Line.solid,
      maskLine: Line.none,
    });
    expect(styleOf(cells, proposal, colours, nothing)).toMatchObject({
      colour: places.get(6),
      boxLine: Line.none,
      maskLine: Line.dashed,
    });
    cells.put(0, uuid(2), state([15, 15, 25, 25], { status: "cannot_tell" }), uuid(60));
    expect(styleOf(cells, cells.rowOf(uuid(2)), colours, nothing).boxLine).toBe(Line.dotted);
    expect([...palette(classes).areas.subarray(4, 7)]).toEqual(rgb("#0072b2"));
  });
  it("draws nothing of what is deleted, rejected or decided", () => {
    const cells = scene();
    const rejection = cells.put(
      0,
      uuid(50),
      state([1, 1, 2, 2], { status: "rejected", derived_from: uuid(102) }),
      uuid(60),
    );
    cells.put(0, uuid(1), null, uuid(61));
    for (const row of [rejection, cells.rowOf(uuid(102)), cells.rowOf(uuid(1))])
      expect(styleOf(cells, row, colours, nothing)).toMatchObject({
        boxLine: Line.none,
        maskLine: Line.none,
      });
  });
  it("lifts what is selected and never fills it, even under the pointer", () => {
    const cells = scene();
    const row = cells.rowOf(uuid(102));
    const selected = { ...nothing, selected: row, hovered: row, fill: true };
    expect(styleOf(cells, row, colours, selected).flags).toBe(Flag.selected);
    expect(styleOf(cells, row, colours, { ...nothing, hovered: row }).flags).toBe(Flag.hovered | Flag.filled);
  });
});

describe("what this computer keeps", () => {
  afterEach(() => vi.unstubAllGlobals());

  const storage = (name: string, value: string) => {
    const kept = new Map([[name, value]]);
    vi.stubGlobal("localStorage", {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => kept.set(name, value),
    });
  };

  it("is read under the name that the release before wrote, until it is written anew", () => {
    storage("boxwise-look", '{"opacity":0.5}');
    expect(stored(DISPLAY)).toEqual({ opacity: 0.5 });
    keep(DISPLAY, { opacity: 0.7 });
    expect(stored(DISPLAY)).toEqual({ opacity: 0.7 });
  });
  it("keeps the keys of commands that have another name now", () => {
    storage("boxwise-keys", '{"edit.constrain":["u"],"view.fit":["9"]}');
    const map = new Keymap(withNewNames(stored<Record<string, string[]>>(KEYS) ?? {}));
    expect(map.keysOf("edit.refusion")).toEqual(["u"]);
    expect(map.keysOf("view.fit")).toEqual(["9"]);
  });
});
