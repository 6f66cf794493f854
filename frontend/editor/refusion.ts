/** Constraint strokes: what the pen paints is fixed, the rest of the mask is fused again, exactly, by the interactive
 *  worker. Strokes that the worker has not answered stand as plain pixels, so nothing painted is ever lost. */
import { boxOf, grown, pack, patchOver, unpack, type Patch } from "../geometry/mask";
import { wireMask } from "../scene/edits";
import type { Answered, Stroke } from "../sync/api";
import { Asker } from "../sync/ask";
import { ApiError } from "../sync/api";
import type { Constraint, EditedMask, Painted } from "./edited_mask";
import { workerTrouble, type Store } from "./store";

export class Refusion {
  private readonly asker = new Asker();
  /** Enter came before the answer. */
  private keepIt = false;
  /** The mask before the stroke that grows. */
  private before: Patch | null = null;

  /** `keep`: Enter came before the answer, which is here now. */
  constructor(
    private readonly store: Store,
    private readonly keep: () => void,
  ) {}

  /** Between painting pixels and fixing them. */
  toggle(): void {
    const { editing } = this.store;
    if (!editing) return;
    this.asker.drop();
    this.keepIt = false;
    editing.constraint = editing.constraint
      ? null
      : {
          start: pack(editing.patch),
          strokes: [],
          growing: null,
          certificate: null,
          waiting: false,
          trouble: "",
        };
    if (editing.constraint) void this.ask(editing); // no stroke yet: the worker gets ready, and says when it cannot
  }

  /** The stroke under the pen; `done` when it is lifted. */
  paint(patch: Patch, foreground: boolean, done: boolean): void {
    const { editing } = this.store;
    const constraint = editing?.constraint;
    if (!editing || !constraint) return;
    if (!constraint.growing) this.before = editing.patch;
    const before = this.before ?? editing.patch;
    const stroke: Painted = { patch: { ...patch, pixels: patch.pixels.slice() }, foreground };
    if (done) {
      editing.undo.push({ patch: before, constraint: { ...constraint, growing: null, waiting: false } });
      editing.patch = applied(editing.patch, stroke, this.store.opened.image);
      this.before = null;
      editing.constraint = { ...constraint, strokes: [...constraint.strokes, stroke], growing: null };
    } else editing.constraint = { ...constraint, growing: stroke };
    editing.painted = true;
    void this.ask(editing);
  }

  /** A stroke that was not finished: Escape, a lost pointer. */
  dropGrowing(): void {
    const { editing } = this.store;
    if (!editing?.constraint?.growing) return;
    this.asker.drop();
    if (this.before) editing.patch = this.before;
    this.before = null;
    editing.constraint = { ...editing.constraint, growing: null, waiting: false };
  }

  undone(): void {
    this.asker.drop();
    this.keepIt = false;
    const editing = this.store.editing;
    if (editing?.constraint) editing.constraint = { ...editing.constraint, waiting: false, growing: null };
  }

  /** True when the edit is kept as soon as the answer is there. */
  keepLater(editing: EditedMask): boolean {
    this.keepIt = editing.constraint?.waiting === true && editing.constraint.strokes.length > 0;
    return this.keepIt;
  }

  private async ask(editing: EditedMask): Promise<void> {
    const asked = editing.constraint;
    if (!asked) return;
    const strokes = wireStrokes(asked);
    editing.constraint = { ...asked, waiting: true };
    try {
      const answer = await this.askWorker(asked, strokes);
      const now = this.stillWanted(editing);
      if (!answer || answer.superseded || !now || !isNewest(asked, now)) return;
      if (strokes.length) editing.patch = patchOf(answer, editing, this.store.opened.image);
      const waiting = now.growing !== asked.growing;
      editing.constraint = { ...now, certificate: answer.certificate ?? null, waiting, trouble: "" };
    } catch (error) {
      const now = this.stillWanted(editing);
      if (!now) return;
      editing.constraint = { ...now, waiting: false, trouble: workerTrouble(error) };
      if (isGone(error) && !strokesOf(asked).length)
        editing.constraint = { ...editing.constraint, certificate: null };
    }
    this.keepWhenDone(editing);
  }
  private askWorker(asked: Constraint, strokes: Stroke[]): Promise<Answered | null> {
    const { store } = this;
    const mask = asked.start && wireMask(asked.start);
    return this.asker.ask((number) =>
      store.waited(
        store.api.refusion(store.opened.image.id, { session: store.session, number, mask, strokes }),
      ),
    );
  }
  /** The strokes as they are now; null: the edit has ended, or the strokes paint again. */
  private stillWanted(editing: EditedMask): Constraint | null {
    return this.store.editing === editing ? editing.constraint : null;
  }
  /** Enter came before the answer: keep it now. */
  private keepWhenDone(editing: EditedMask): void {
    if (!this.keepIt || editing.constraint?.waiting) return;
    this.keepIt = false;
    this.keep();
  }
}

/** All strokes, the one under the pen included. */
const strokesOf = ({ strokes, growing }: Constraint): readonly Painted[] =>
  growing ? [...strokes, growing] : strokes;

function wireStrokes(constraint: Constraint): Stroke[] {
  return strokesOf(constraint).flatMap(({ patch, foreground }) => {
    const mask = pack(patch);
    return mask ? [{ ...wireMask(mask), foreground }] : [];
  });
}

/** Whether no stroke was finished, and none dropped, since `asked` was sent. */
function isNewest(asked: Constraint, now: Constraint): boolean {
  const isSameStroke = now.growing === asked.growing || now.growing !== null;
  return now.strokes.length === asked.strokes.length && isSameStroke;
}

const isGone = (error: unknown): boolean => error instanceof ApiError && error.code === "wrong_state";

function patchOf(answer: Answered, editing: EditedMask, image: { width: number; height: number }): Patch {
  if (!answer.mask)
    return patchOver(
      editing.patch.pixels.length ? boxOfPatch(editing.patch) : { x0: 0, y0: 0, x1: 1, y1: 1 },
      image,
    );
  return unpack(answer.mask);
}

const boxOfPatch = (p: Patch) => ({ x0: p.x, y0: p.y, x1: p.x + p.width, y1: p.y + p.height });

/** The patch with the stroke's pixels set or cleared. */
export function applied(
  patch: Patch,
  { patch: stroke, foreground }: Painted,
  image: { width: number; height: number },
): Patch {
  const mask = pack(stroke);
  if (!mask) return patch;
  const wide = foreground ? grown(patch, boxOf(mask), image) : patch;
  const next: Patch = { ...wide, pixels: wide.pixels.slice() };
  for (let i = 0; i < stroke.pixels.length; i++) {
    if (!stroke.pixels[i]) continue;
    const x = stroke.x + (i % stroke.width) - next.x;
    const y = stroke.y + Math.floor(i / stroke.width) - next.y;
    if (x >= 0 && y >= 0 && x < next.width && y < next.height)
      next.pixels[y * next.width + x] = foreground ? 1 : 0;
  }
  return next;
}
