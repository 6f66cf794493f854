/** The item in the workspace, comments, and overruling, without a page. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { overruling, unavailableOverrule } from "../editor/overrule";
import { readOnly } from "../editor/permission";
import type { Opinion, Thread, Work } from "../scene/contract";
import { imagePoint } from "../geometry/frames";
import { ApiError } from "../sync/api";
import { uuid } from "./build";
import { ME, openEditor, OTHER } from "./editor_setup";

beforeAll(() => {
  vi.stubGlobal("document", { hidden: false, cookie: "" });
});

const WORK: Work = {
  item: 3,
  state: "in_work",
  reading: "open",
  comment: "",
  place: { number: 2, of: 9 },
  reviewer: null,
  actions: ["finish", "skip", "release"],
};

/** An editor with an item, and an API that answers `post` by `answers`. */
function withWork(work: Partial<Work>, answers: (path: string) => unknown) {
  const { editor, sent } = openEditor();
  const asked: string[] = [];
  Object.assign(editor.store.api, {
    post: (path: string) => {
      asked.push(path);
      const answer = answers(path);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    get: () => Promise.resolve({ threads: [] }),
  });
  editor.finish.work = { ...WORK, ...work };
  const lastToast = () => editor.store.toasts.list.at(-1)?.text ?? "";
  return { editor, sent, asked, lastToast };
}

describe("finishing an image", () => {
  it("saves first, then finishes, and offers what is left", async () => {
    const { editor, asked } = withWork({}, () => ({ state: "in_review", left: 7 }));
    const flush = vi.spyOn(editor.store.outbox, "flush");
    await editor.finish.finish();
    expect(flush).toHaveBeenCalledOnce();
    expect(asked).toEqual(["items/3/finish/"]);
    expect([editor.finish.ended, editor.finish.left, editor.finish.work?.state]).toEqual([
      "finished",
      7,
      "in_review",
    ]);
    expect(editor.store.canWrite).toBe(true);
  });

  it("does not finish while something is not saved", async () => {
    const { editor, asked, lastToast } = withWork({}, () => ({ state: "in_review", left: 7 }));
    Object.assign(editor.store.outbox, { count: 1 });
    await editor.finish.finish();
    expect(asked).toEqual([]);
    expect(lastToast()).toContain("not saved");
    expect(editor.finish.ended).toBeNull();
  });

  it("does not finish while a conflict is open: the own version would be frozen out", async () => {
    const { editor, asked, lastToast } = withWork({}, () => ({ state: "in_review", left: 7 }));
    const theirs = { annotation: uuid(1), version: 2, last_op: uuid(12), state: null };
    if (editor.store.log)
      editor.store.log.conflicts = [{ annotation: uuid(1), action: "move", theirs, by: "Dr B" }];
    await editor.finish.finish();
    expect(asked).toEqual([]);
    expect(lastToast()).toContain("conflict");
    expect(editor.finish.ended).toBeNull();
  });

  it("is read only once the image is done, and says why", async () => {
    const { editor } = withWork({ actions: ["accept", "send_back"] }, () => ({ state: "done", left: 0 }));
    await editor.finish.finish();
    expect(editor.finish.ended).toBe("accepted");
    expect(editor.store.canWrite).toBe(false);
    expect(readOnly(editor.store)).toContain("This image is done");
  });

  it("says what the server declines", async () => {
    const sentence = "this image is not yours at the moment";
    const { editor, lastToast } = withWork({}, () => new ApiError(409, "not_your_reading", sentence));
    await editor.finish.finish();
    expect(lastToast()).toBe(sentence);
    expect(editor.finish.busy).toBe(false);
  });

  it("opens the next image, and says when nothing is left", async () => {
    const items: ({ image: { id: number } } | null)[] = [{ image: { id: 12 } }, null];
    const { editor, asked, lastToast } = withWork({}, () => ({ item: items.shift() ?? null }));
    const went: number[] = [];
    await editor.finish.next((image) => went.push(image));
    await editor.finish.next((image) => went.push(image));
    expect(went).toEqual([12]);
    expect(asked).toEqual(["projects/1/items/next/", "projects/1/items/next/"]);
    expect(lastToast()).toContain("Nothing is left for you");
  });

  it("goes on with reviews after a review", async () => {
    const { editor, asked } = withWork({ actions: ["accept"] }, () => ({
      state: "done",
      left: 0,
      item: null,
    }));
    await editor.finish.finish();
    await editor.finish.next(() => undefined);
    expect(asked.at(-1)).toBe("projects/1/items/review/");
  });
});

describe("work that arrives after the image is done", () => {
  it("leaves the picture, and the person is told where it is", () => {
    const { editor, sent } = openEditor();
    editor.selection.select(editor.store.cells.rowOf(uuid(1)));
    editor.remove();
    const operation = sent[0];
    const annotation = operation.effects[0].annotation;
    const now = { annotation, version: 1, last_op: uuid(11), state: null };
    const detail = "this image is done and frozen; what you did is kept apart";
    editor.store.log?.settle(
      {
        op_id: operation.op_id,
        verdict: "kept",
        seq: null,
        error: { code: "done", detail, field: "" },
        current: [now],
      },
      { layer: uuid(900), image: 1, operation },
    );
    expect(editor.store.toasts.list.at(-1)?.text).toContain("kept apart");
    expect(editor.store.history.has(operation.op_id)).toBe(false);
  });
});

describe("comments", () => {
  const thread = (more: Partial<Thread>): Thread => ({
    id: 1,
    image: 1,
    layer: null,
    annotation: null,
    x: null,
    y: null,
    resolved_at: null,
    resolved_by: null,
    comments: [],
    ...more,
  });

  it("are about the selected cell, else the place under the pointer, else the image", () => {
    const { editor } = openEditor();
    const { comments, store } = editor;
    comments.write();
    expect(comments.draft).toEqual({ layer: null, annotation: null, x: null, y: null });
    store.cursor = imagePoint(40, 50);
    comments.write();
    expect(comments.draft).toMatchObject({ annotation: null, x: 40, y: 50 });
    editor.selection.select(store.cells.rowOf(uuid(1)));
    comments.write();
    expect(comments.draft).toMatchObject({ layer: uuid(900), annotation: uuid(1) });
  });

  it("say when their cell was deleted, and show its place", () => {
    const { editor } = openEditor();
    const { comments, view } = editor;
    expect(comments.about(thread({ layer: uuid(900), annotation: uuid(1), x: 20, y: 20 }))).toBe(
      "about a cell",
    );
    const gone = thread({ layer: uuid(900), annotation: uuid(77), x: 300, y: 200 });
    expect(comments.about(gone)).toBe("about a cell that was deleted");
    comments.show(gone);
    const { scale, left, top } = view.camera;
    expect([(300 - left) * scale, (200 - top) * scale]).toEqual([
      view.canvas.width / 2,
      view.canvas.height / 2,
    ]);
  });

  it("keep what is being written while another thread is answered or resolved", async () => {
    const { editor } = withWork({}, () => ({}));
    const { comments } = editor;
    comments.write();
    expect(await comments.reply(thread({}), "yes")).toBe(true);
    expect(await comments.resolve(thread({}))).toBe(true);
    expect(comments.draft).not.toBeNull();
    expect(await comments.send()).toBe(true);
    expect(comments.draft).toBeNull();
  });

  it("keep what was written when the server declines it", async () => {
    const { editor, lastToast } = withWork(
      {},
      () => new ApiError(422, "invalid", "a comment has 1 to 4000 characters"),
    );
    editor.comments.write();
    editor.comments.text = "x";
    expect(await editor.comments.send()).toBe(false);
    expect(editor.comments.draft).not.toBeNull();
    expect(editor.comments.text).toBe("x");
    expect(lastToast()).toContain("4000");
  });
});

describe("overruling", () => {
  const opinion = (author: typeof ME, verdict: Opinion["verdict"]): Opinion => ({
    author,
    verdict,
    label_class: null,
    reason: "",
    given_at: "2026-01-01T00:00:00Z",
    last_op: uuid(500 + author.id),
  });
  function disputed(...opinions: Opinion[]) {
    const { editor, sent } = openEditor();
    const { cells } = editor.store;
    for (const one of opinions) cells.giveOpinion(uuid(2), one);
    editor.selection.select(cells.rowOf(uuid(2)));
    return { editor, sent, row: cells.rowOf(uuid(2)) };
  }

  it("keeps the decision and settles the opinions of others", () => {
    const { editor, sent, row } = disputed(opinion(OTHER, "rejected"));
    expect(editor.store.cells.disputed[row]).toBe(1);
    editor.overrule();
    expect(sent[0]).toMatchObject({
      action: "overrule",
      settles: [{ annotation: uuid(2), author: OTHER.id }],
    });
    expect(sent[0].effects[0].after?.status).toBe("confirmed");
    expect(editor.store.cells.disputed[row]).toBe(0);
  });

  it("decides by the reviewer's own opinion where there is one", () => {
    const { editor, sent } = disputed(opinion(ME, "rejected"));
    editor.overrule();
    expect(sent[0].effects[0].after?.status).toBe("rejected");
  });

  it("gives the class that the reviewer's opinion names", () => {
    const { editor, sent } = disputed({ ...opinion(ME, "accepted"), label_class: 6 });
    editor.overrule();
    expect(sent[0].effects[0].after).toMatchObject({ status: "confirmed", label_class: 6 });
  });

  it("gives the reason that the reviewer's opinion names", () => {
    const { editor, sent } = disputed({ ...opinion(ME, "rejected"), reason: "boundary" });
    editor.overrule();
    expect(sent[0].effects[0].after).toMatchObject({ status: "rejected", reason: "boundary" });
  });

  it("accepts a rejected proposal with the mask that was proposed", () => {
    const { editor, sent } = openEditor();
    const { cells } = editor.store;
    cells.giveOpinion(uuid(3), opinion(ME, "accepted"));
    editor.selection.select(cells.rowOf(uuid(103)));
    expect(unavailableOverrule(editor.store)).toBeNull();
    editor.overrule();
    expect(sent[0].effects).toHaveLength(1);
    expect(sent[0].effects[0]).toMatchObject({ annotation: uuid(3), after: { status: "confirmed" } });
    expect(sent[0].effects[0].after?.mask).toMatchObject({ x: 150, y: 100 });
  });

  it.each(["stale", "invalid", "kept"] as const)("settles nothing when the server finds it %s", (verdict) => {
    const { editor, sent, row } = disputed(opinion(OTHER, "rejected"));
    editor.overrule();
    const [operation] = sent;
    const state = editor.store.cells.stateOf(row);
    const current = [{ annotation: uuid(2), version: 2, last_op: uuid(13), state }];
    const error = verdict === "stale" ? null : { code: "invalid", detail: "no", field: "" };
    editor.store.log?.settle(
      { op_id: operation.op_id, verdict, seq: null, error, current },
      { layer: uuid(900), image: 1, operation },
    );
    expect(editor.store.cells.disputed[row]).toBe(1);
  });

  it("leaves what an earlier overrule has settled to it, also when it is undone", () => {
    const { editor, row } = disputed(
      opinion(OTHER, "rejected"),
      opinion({ id: 9, name: "Dr C" }, "rejected"),
    );
    const { cells } = editor.store;
    const draft = overruling(editor.store);
    if (draft) editor.store.commit(draft);
    editor.overrule();
    expect(cells.opinions.on(uuid(2)).every((one) => one.settled_by)).toBe(true);
    if (draft) editor.store.commit(draft); // a colleague's, who has not seen the first one
    editor.undoRedo.undo();
    expect(cells.disputed[row]).toBe(0);
  });

  it("is for disputes and for reviewers", () => {
    const { editor } = disputed();
    expect(overruling(editor.store)).toBeNull();
    expect(unavailableOverrule(editor.store)).toBe("Nobody disputes the selected cell.");
    const viewer = openEditor({ viewer: true }).editor;
    expect(unavailableOverrule(viewer.store)).toContain("Reviewers");
  });
});
