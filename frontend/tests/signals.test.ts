/** Whatever the page is drawn from is a signal: each of these changes draws it again, without anybody saying so, and a
 *  change that is one act draws it once. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Editor } from "../editor/editor";
import { Live } from "../sync/live";
import { state, uuid } from "./build";
import { OTHER, openEditor } from "./editor_setup";
import { tail, theirs } from "./log_setup";

beforeAll(() => {
  vi.stubGlobal("document", { hidden: false, cookie: "" });
});

const live = () =>
  new Live(
    "",
    "me",
    () => Promise.resolve(),
    () => ({ cursor: null, view: null, editing: null }),
    () => undefined,
  );

/** How often the page was drawn again while `act` ran; `moved`: only the picture. */
function drawn(editor: Editor, act: () => void): { page: number; moved: number } {
  const seen = { page: 0, moved: 0 };
  const end = editor.watch(
    () => seen.page++,
    () => seen.moved++,
  );
  const before = { ...seen };
  act();
  end();
  return { page: seen.page - before.page, moved: seen.moved - before.moved };
}

const CHANGES: Record<string, (editor: Editor) => void> = {
  "a colleague's change": ({ store }) => store.log?.follow(tail([theirs(6, uuid(1), state([1, 1, 9, 9]))])),
  "a colleague's two changes": ({ store }) =>
    store.log?.follow(
      tail([theirs(6, uuid(1), state([1, 1, 9, 9])), theirs(7, uuid(2), state([1, 1, 9, 9]))]),
    ),
  "a filter": ({ picture }) =>
    picture.filter({
      hiddenClasses: [5], hiddenStatuses: [], hiddenAuthors: [], leastDoubt: 0, proposals: true, points: true,
    }), // prettier-ignore
  "a layer shown": ({ store }) => store.cells.showLayer(1, true),
  "an own cell": ({ drawing }) => drawing.draw({ x0: 5, y0: 5, x1: 9, y1: 9 }, null),
};

describe("signals", () => {
  it.each(Object.entries(CHANGES))("%s draws the page", (_name, act) => {
    const { editor } = openEditor();
    expect(drawn(editor, () => act(editor)).page).toBeGreaterThan(0);
  });
  it.each(["a colleague's two changes", "a filter", "a layer shown"])("%s draws it once", (name) => {
    const { editor } = openEditor();
    expect(drawn(editor, () => CHANGES[name](editor)).page).toBe(1);
  });
  it("a mask that is edited draws the page for its mode and the picture for its pixels", () => {
    const { editor } = openEditor();
    editor.selection.select(editor.store.cells.rowOf(uuid(1)));
    editor.maskEdit.begin();
    expect(drawn(editor, () => editor.maskEdit.swap())).toEqual({ page: 1, moved: 0 });
    const patch = { x: 0, y: 0, width: 1, height: 1, pixels: Uint8Array.of(1) };
    expect(drawn(editor, () => editor.maskEdit.paint(patch, patch))).toEqual({ page: 0, moved: 1 });
    expect(drawn(editor, () => editor.maskEdit.undo()).moved).toBe(0); // the same pixels again
    editor.maskEdit.paint(patch, { ...patch, width: 0 });
    expect(drawn(editor, () => editor.maskEdit.undo()).moved).toBe(1);
  });
  it("who else is here draws the page, also when the feed is opened later", () => {
    const { editor } = openEditor();
    const feed = live();
    expect(drawn(editor, () => (editor.liveUpdates.live = feed)).page).toBe(1);
    const message = JSON.stringify({ session: "a", person: OTHER, cursor: [3, 4] });
    expect(drawn(editor, () => feed.take(message)).page).toBe(1);
  });
  it("a selection ends when its cell does", () => {
    const { editor } = openEditor();
    editor.selection.select(editor.store.cells.rowOf(uuid(1)));
    editor.store.log?.follow(tail([theirs(6, uuid(1), null)]));
    expect(editor.store.selected).toBe(-1);
  });
  it("a toast goes when its act is undone", () => {
    const { editor } = openEditor();
    editor.selection.select(editor.store.cells.rowOf(uuid(1)));
    editor.remove();
    expect(editor.store.toasts.list.some((toast) => toast.undoes.length > 0)).toBe(true);
    editor.undo();
    expect(editor.store.toasts.list.some((toast) => toast.undoes.length > 0)).toBe(false);
  });
});
