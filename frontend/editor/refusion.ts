/** Constraint strokes: what the pen paints is fixed, the rest of the mask is fused again, exactly, by the interactive
 *  worker. Strokes that the worker has not answered stand as plain pixels, so nothing painted is ever lost. */
import { boxOf, grown, pack, patchOver, unpack, type Patch } from "../geometry/mask";
import { wireMask } from "../scene/edits";
import type { Answered, Stroke } from "../sync/api";
import { Asker } from "../sync/ask";
import { ApiError } from "../sync/api";
import type { EditedMask, Painted } from "./edited_mask";
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
    const painted = asked.growing ? [...asked.strokes, asked.growing] : asked.strokes;
    const strokes: Stroke[] = painted.flatMap(({ patch, foreground }) => {
      const mask = pack(patch);
      return mask ? [{ ...wireMask(mask), foreground }] : [];
    });
    editing.constraint = { ...asked, waiting: true };
    const isStill = () => this.store.editing === editing && editing.constraint !== null;
    try {
      const answer = await this.asker.ask((number) =>
        this.store.waited(
          this.store.api.refusion(this.store.opened.image.id, {
            session: this.store.session,
            number,
            mask: asked.start && wireMask(asked.start),
            strokes,
          }),
        ),
      );
      if (!answer || answer.superseded || !isStill() || !editing.constraint) return;
      const isNewest =
        editing.constraint.strokes.length === asked.strokes.length &&
        (editing.constraint.growing === asked.growing || editing.constraint.growing !== null);
      if (!isNewest) return;
      if (strokes.length) editing.patch = patchOf(answer, editing, this.store.opened.image);
      editing.constraint = {
        ...editing.constraint,
        certificate: answer.certificate ?? null,
        waiting: editing.constraint.growing !== asked.growing,
        trouble: "",
      };
    } catch (error) {
      if (!isStill() || !editing.constraint) return;
      const gone = error instanceof ApiError && error.code === "wrong_state";
      editing.constraint = { ...editing.constraint, waiting: false, trouble: workerTrouble(error) };
      if (gone && !asked.strokes.length && !asked.growing)
        editing.constraint = { ...editing.constraint, certificate: null };
    }
    if (this.keepIt && !editing.constraint.waiting) {
      this.keepIt = false;
      this.keep();
    }
  }
}

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
