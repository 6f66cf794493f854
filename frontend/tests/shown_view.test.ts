/** Each operation keeps how the picture was shown when the person acted. */
import { expect, it } from "vitest";
import { viewOf, viewWords } from "../editor/words";
import * as edits from "../scene/edits";
import { openEditor } from "./editor_setup";

it("a verdict is sent with the zoom and whether outlines were shown", () => {
  const { editor, sent } = openEditor();
  const box = { x0: 1, y0: 2, x1: 30, y1: 40 };
  editor.store.commit(edits.draw(box, null));
  editor.store.shownAs = () => viewOf({ scale: 2.123456, umPerPx: 0.25, outlines: false, second: 7 });
  editor.store.commit(edits.draw(box, null));
  expect(sent.map((operation) => operation.view)).toEqual([
    undefined,
    { scale: 2.123, magnification: 84.94, outlines: false, second_image: 7 },
  ]);
});

it.each([
  [{ scale: 1, umPerPx: 0.5, outlines: true, second: null }, "seen at 20×"],
  [{ scale: 0.1, umPerPx: 0.25, outlines: false, second: null }, "seen at 4.0×, outlines hidden"],
  [{ scale: 1.5, umPerPx: null, outlines: true, second: 3 }, "seen at 150 %, a second image in sight"],
])("%o is said as %s", (shown, words) => expect(viewWords(viewOf(shown))).toBe(words));
