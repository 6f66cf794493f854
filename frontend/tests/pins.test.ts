/** Threads on the picture: each pin stands where its cell is, and where it was once the cell is deleted. */
import { expect, it } from "vitest";
import { COMMANDS } from "../commands";
import { REASONS, type Thread } from "../scene/contract";
import { openEditor } from "./editor_setup";
import { uuid } from "./build";

it("each reason of a rejection has a key of its own, which gives it to the cell before", () => {
  const { editor, sent } = openEditor();
  const keys = REASONS.map((_, i) => COMMANDS[`review.reason_${i + 1}` as "review.reason_1"].keys[0]);
  expect(new Set(keys).size).toBe(REASONS.length);
  editor.review.rejected = uuid(4);
  COMMANDS["review.reason_3"].run({ editor } as never);
  expect(sent.at(-1)).toMatchObject({
    action: "reject",
    effects: [{ annotation: uuid(4), after: { reason: REASONS[2] } }],
  });
});

it("without a rejection the key says so", () => {
  const { editor, sent } = openEditor();
  COMMANDS["review.reason_1"].run({ editor } as never);
  expect(sent).toEqual([]);
  expect(editor.store.toasts.list.at(-1)?.text).toMatch(/Reject a cell first/);
});

it("a resolved thread and one about the whole image have no pin", () => {
  const { editor } = openEditor();
  const comments = [{ id: 1, text: "?", made_at: "", author: { id: 1, name: "A" } }];
  const thread = (id: number, x: number | null, resolved_at: string | null) =>
    ({ id, x, y: x, annotation: null, resolved_at, comments }) as unknown as Thread;
  editor.comments.threads = [thread(1, 5, null), thread(2, null, null), thread(3, 5, "2026-01-01")];
  expect(editor.comments.open.filter(({ x }) => x !== null).map(({ id }) => id)).toEqual([1]);
});
