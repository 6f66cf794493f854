/** Smart clicks: answered in this browser where it can, by the server's interactive worker where it cannot. */
import { area, overlap, sameBox } from "../geometry/box";
import { boxOf, type Mask } from "../geometry/mask";
import { t } from "../locale/locale";
import type { Prompt } from "../scene/prompt";
import { isTemporary, type Answered } from "../sync/api";
import { Asker } from "../sync/ask";
import type { CellDrawing, SmartPrompting } from "./interfaces";
import { workerTrouble, type Store } from "./store";

/** When nobody at the server answers, the net that is still being loaded is worth so much waiting. */
const LAST_PATIENCE_MS = 20_000;
/** Of the IoU of a box with the proposal it is snapped to: a box drawn with room around a small cell has this much. */
const LEAST_SHARE = 0.3;

/** `session`: of the newest question in one session the server answers only the newest. */
export async function answer(
  store: Store,
  prompt: Prompt,
  number: number,
  session = store.session,
): Promise<Answered> {
  const here = await store.prompter?.mask(prompt);
  if (here) return here;
  const { box, clicks } = prompt;
  const points = clicks.map(({ at, inside }): [number, number, 0 | 1] => [at.x, at.y, inside ? 1 : 0]);
  try {
    return await store.api.smart(store.opened.image.id, {
      session,
      number,
      box: box && [box.x0, box.y0, box.x1, box.y1],
      points,
    });
  } catch (error) {
    const late = isTemporary(error) ? await store.prompter?.mask(prompt, LAST_PATIENCE_MS) : null;
    if (late) return late;
    throw error;
  }
}

export class Smart implements SmartPrompting {
  readonly asker = new Asker();

  constructor(
    private readonly store: Store,
    private readonly drawing: CellDrawing,
  ) {}

  /** Null: something newer was asked before this was sent. */
  ask(prompt: Prompt): Promise<Answered | null> {
    return this.asker.ask((number) => this.store.waited(answer(this.store, prompt, number)));
  }

  /** The smart tool was chosen: the net is fetched now; where this browser cannot run it, the server's worker gets
   *  ready. */
  async getReady(): Promise<void> {
    const { store } = this;
    if (await store.prompter?.load()) return;
    const { session } = store;
    try {
      await this.asker.ask((number) =>
        store.api.smart(store.opened.image.id, { session, number, box: null, points: [], ready: true }),
      );
    } catch {
      // The first click says what is wrong, when somebody needs it.
    }
  }

  /** Move the edges of the selected own box to the cell in it: to its mask, to the mask that is proposed for it, or to
   *  what the prompter finds in the box. */
  async snap(): Promise<void> {
    const { store } = this;
    const { cells, selected: row } = store;
    if (!store.isOwnCell(row) || !store.offers("smart")) return; // in a study it is help that not every arm has
    const before = cells.boxOf(row);
    const op = cells.lastOp(row);
    store.begin();
    const mask = cells.maskOf(row) ?? proposedFor(store, row) ?? (await this.foundIn(row));
    if (!mask) {
      store.toasts.show(t("No cell is found in this box."));
      return;
    }
    const fits = sameBox(boxOf(mask), before);
    const isChanged = cells.lastOp(row) !== op;
    if (fits) store.toasts.show(t("This box fits its cell already."));
    if (isChanged) store.toasts.show(t("Not fitted: this cell has been changed meanwhile."));
    if (!fits && !isChanged) this.drawing.reshapeBox(row, boxOf(mask), "resize");
  }
  private async foundIn(row: number): Promise<Mask | null> {
    try {
      const found = await this.ask({ box: this.store.cells.boxOf(row), clicks: [] });
      return found?.mask ?? null;
    } catch (error) {
      this.store.toasts.show(workerTrouble(error));
      return null;
    }
  }
}

/** The open proposal that was made from this box, or the one that it overlaps best, if that is enough to
 *  mean it. */
function proposedFor(store: Store, row: number): Mask | null {
  const { cells } = store;
  const box = cells.boxOf(row);
  const found = cells.near(box).filter((other) => cells.isUndecided(other) && cells.maskOf(other));
  const prompted = found.find((other) => cells.promptOf(other) === row);
  if (prompted !== undefined) return cells.maskOf(prompted);
  const share = (other: number) => {
    const of = cells.extent(other);
    const both = area({
      x0: Math.max(box.x0, of.x0),
      y0: Math.max(box.y0, of.y0),
      x1: Math.min(box.x1, of.x1),
      y1: Math.min(box.y1, of.y1),
    });
    return overlap(box, of) ? both / (area(box) + area(of) - both) : 0;
  };
  const best = found.sort((a, b) => share(b) - share(a)).at(0);
  return best !== undefined && share(best) >= LEAST_SHARE ? cells.maskOf(best) : null;
}
