/** Every tool keeps the one interface (editor/tool.ts), and is offered by one line in tools/index.ts. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { imagePoint } from "../geometry/frames";
import { TOOL_NAMES } from "../editor/tool_names";
import { TOOLS } from "../tools";
import type { Cursor, Press } from "../editor/tool";
import { openEditor } from "./editor_setup";

beforeAll(() => {
  vi.stubGlobal("document", { hidden: false, cookie: "" });
});

const SIZES = { reach: 2, slip: 2, spacing: 1 };
const press = (kind: Press["kind"], x: number): Press => ({
  kind,
  at: imagePoint(x, 200),
  shift: false,
  alt: false,
});
const CURSOR: Cursor = { image: imagePoint(9, 9), screen: { x: 9, y: 9, frame: "screen" }, alt: false };

describe.each(TOOL_NAMES)("the tool %s", (name) => {
  it("is idle before a press, after a cancel, and when it becomes the current one", () => {
    const { editor } = openEditor();
    editor.store.pixels.around = () => null; // the wand without pixels gives up
    editor.toolbox.choose(name);
    const tool = editor.toolbox.current;
    expect(tool.busy()).toBe(false);
    const idle = tool.sketch(null);
    for (const step of [press("down", 200), press("move", 230)]) tool.input(step, SIZES);
    tool.cancel();
    expect(tool.busy()).toBe(false);
    expect(tool.sketch(null)).toEqual(idle);
    expect(editor.store.dragged).toBe(-1);
  });
  it("sends nothing for a drag that was cancelled", () => {
    const { editor, sent } = openEditor();
    editor.store.pixels.around = () => null;
    editor.toolbox.choose(name);
    const tool = editor.toolbox.current;
    for (const step of [press("down", 200), press("move", 230)]) tool.input(step, SIZES);
    tool.cancel();
    tool.input(press("up", 230), SIZES);
    expect(sent).toEqual([]);
  });
  it("takes a point back only while it is busy", () => {
    const { editor } = openEditor();
    editor.toolbox.choose(name);
    editor.toolbox.current.back?.();
    expect(editor.toolbox.current.busy()).toBe(false);
  });
});

describe("the tools", () => {
  it("have a key, a label, a sentence and an icon each, and share no key", () => {
    const keys = TOOL_NAMES.flatMap((name) => TOOLS[name].keys);
    expect(new Set(keys).size).toBe(keys.length);
    for (const name of TOOL_NAMES) {
      const { label, sentence, icon } = TOOLS[name];
      expect([label, sentence, icon].every((text) => text.length > 0)).toBe(true);
      expect(TOOLS[name].keys).not.toEqual([]);
    }
  });
  it("show what is drawn next at the pointer where a tool follows it", () => {
    for (const name of TOOL_NAMES) {
      const { editor } = openEditor();
      editor.toolbox.choose(name);
      const tool = editor.toolbox.current;
      if (!tool.followsPointer) expect(tool.sketch(CURSOR), name).toEqual(tool.sketch(null));
    }
  });
  it("are chosen only where a person may write, unless they change nothing", () => {
    for (const name of TOOL_NAMES) {
      const { editor } = openEditor({ viewer: true });
      editor.store.tool = "lasso";
      editor.toolbox.choose(name);
      expect(editor.store.tool, name).toBe(TOOLS[name].changesNothing ? name : "lasso");
    }
  });
});
