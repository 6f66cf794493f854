/** What the page knows, as plain values for the browser tests. Nothing of it can change the page. */
import type { Box } from "../geometry/box";
import type { Constraint } from "../editor/edited_mask";
import type { Editor } from "../editor/editor";
import type { BrowserPrompter } from "../prompter/browser";

/** What is open, selected and saved, and from where it is seen. */
export function stateOf({ store, view }: Editor) {
  const { cells, log, selected, opened } = store;
  return {
    tool: store.tool,
    save: store.save.kind,
    waiting: store.outbox.count,
    conflicts: log?.conflicts.length ?? 0,
    seq: log?.seq ?? null,
    selected: selected < 0 ? null : cells.idOf(selected),
    painted: store.painted >= 0 && store.painted === selected,
    labelClass: store.labelClass?.id ?? null,
    camera: { ...view.camera },
    canvas: { ...view.canvas },
    image: { width: opened.image.width, height: opened.image.height },
    session: store.session,
    many: store.multiSelected.map((row) => cells.idOf(row)),
    seen: store.multiSelected.filter((row) => store.seen.has(row)).length,
    toasts: store.toasts.list.map((toast) => toast.text),
  };
}

/** What is in the hand: the mask that is edited, the question to the prompter. */
export function editingOf({ store: { editing, prompter } }: Editor) {
  return {
    editing: editing !== null,
    constraint: editing?.constraint && strokesOf(editing.constraint),
    patch: editing && editing.patch.pixels.reduce((a, b) => a + b, 0),
    prompter: prompter ? answersOf(prompter) : NO_PROMPTER,
  };
}

const strokesOf = ({ strokes, waiting, trouble, certificate }: Constraint) => ({
  strokes: strokes.length,
  waiting,
  trouble,
  certificate,
});

const NO_PROMPTER = { name: null, answered: 0, milliseconds: 0, asked: [], askedBox: null };

const answersOf = ({ name, answered, milliseconds, last }: BrowserPrompter) => ({
  name,
  answered,
  milliseconds,
  asked: last?.clicks.map(({ at }) => [at.x, at.y]) ?? [],
  askedBox: cornersOf(last?.box ?? null),
});

export function othersOf({ liveUpdates: { live } }: Editor) {
  const others = [...(live?.others.values() ?? [])];
  return {
    connected: live?.connected ?? false,
    others: others.map((other) => ({
      name: other.person.name,
      editing: other.editing,
      cursor: other.cursor,
    })),
  };
}

/** x0, y0, x1, y1. */
function cornersOf(box: Box | null): readonly number[] | null {
  return box && [box.x0, box.y0, box.x1, box.y1];
}
