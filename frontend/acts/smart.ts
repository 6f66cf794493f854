/** Smart clicks: answered in this browser where it can, by the server's interactive worker where it cannot. */
import { area, overlap, sameBox } from "../geometry/box";
import { boxOf, type Mask } from "../geometry/mask";
import { t } from "../locale/locale";
import { isTemporary, type Answered } from "../sync/api";
import type { Prompt } from "../tools/smart";
import type { Workspace } from "../workspace";

/** When nobody at the server answers, the net that is still being loaded is worth so much waiting. */
const LAST_PATIENCE_MS = 20_000;
/** Of the IoU of a box with the proposal it is snapped to: a box drawn with room around a small cell has this much. */
const LEAST_SHARE = 0.3;

/** `session`: of the newest question in one session the server answers only the newest. */
export async function answer(
  desk: Workspace,
  prompt: Prompt,
  number: number,
  session = desk.session,
): Promise<Answered> {
  const here = await desk.prompter?.mask(prompt);
  if (here) return here;
  const { box, clicks } = prompt;
  const points = clicks.map(({ at, inside }) => [at.x, at.y, inside ? 1 : 0]);
  try {
    return await desk.api.smart(desk.opened.image.id, {
      session,
      number,
      box: box && [box.x0, box.y0, box.x1, box.y1],
      points,
    });
  } catch (error) {
    const late = isTemporary(error) ? await desk.prompter?.mask(prompt, LAST_PATIENCE_MS) : null;
    if (late) return late;
    throw error;
  }
}

/** Move the edges of the selected own box to the cell in it: to its mask, to the mask that is proposed for it, or to what
 *  the prompter finds in the box. */
export async function snap(desk: Workspace): Promise<void> {
  const { cells, selected: row } = desk;
  if (!desk.isOwnCell(row) || !desk.offers("smart")) return; // in a study it is help that not every arm has
  const was = cells.boxOf(row);
  const op = cells.lastOp(row);
  desk.begin();
  const mask = cells.maskOf(row) ?? proposedFor(desk, row) ?? (await foundIn(desk, row));
  if (!mask) {
    desk.toast(t("No cell is found in this box."));
    return;
  }
  if (sameBox(boxOf(mask), was)) desk.toast(t("This box fits its cell already."));
  if (cells.lastOp(row) !== op) desk.toast(t("Not fitted: this cell has been changed meanwhile."));
  if (cells.lastOp(row) !== op || sameBox(boxOf(mask), was)) return;
  desk.reshapedBox(row, boxOf(mask), "resize");
  desk.notify();
}

/** The open proposal that was made from this box, or the one that it overlaps best, if that is enough to
 *  mean it. */
function proposedFor(desk: Workspace, row: number): Mask | null {
  const { cells } = desk;
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

async function foundIn(desk: Workspace, row: number): Promise<Mask | null> {
  try {
    return (await desk.askSmart({ box: desk.cells.boxOf(row), clicks: [] }))?.mask ?? null;
  } catch (error) {
    desk.toast(desk.sentence(error));
    return null;
  }
}

/** The tool is taken in hand: the net is fetched now; where this browser cannot run it, the server's worker gets ready. */
export async function getReady(desk: Workspace): Promise<void> {
  if (await desk.prompter?.load()) return;
  try {
    await desk.smartAsker.ask((number) =>
      desk.api.smart(desk.opened.image.id, {
        session: desk.session,
        number,
        box: null,
        points: [],
        ready: true,
      }),
    );
  } catch {
    // The first click says what is wrong, when somebody needs it.
  }
}
