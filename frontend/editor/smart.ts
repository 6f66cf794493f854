/** Smart clicks: answered in this browser where it can, by the server's interactive worker where it cannot. */
import { area, overlap, sameBox } from "../geometry/box";
import { boxOf, type Mask } from "../geometry/mask";
import { t } from "../locale/locale";
import { isTemporary, type Answered } from "../sync/api";
import type { Prompt } from "../tools/smart";
import type { Editor } from "./editor";

/** When nobody at the server answers, the net that is still being loaded is worth so much waiting. */
const LAST_PATIENCE_MS = 20_000;
/** Of the IoU of a box with the proposal it is snapped to: a box drawn with room around a small cell has this much. */
const LEAST_SHARE = 0.3;

/** `session`: of the newest question in one session the server answers only the newest. */
export async function answer(
  editor: Editor,
  prompt: Prompt,
  number: number,
  session = editor.session,
): Promise<Answered> {
  const here = await editor.prompter?.mask(prompt);
  if (here) return here;
  const { box, clicks } = prompt;
  const points = clicks.map(({ at, inside }) => [at.x, at.y, inside ? 1 : 0]);
  try {
    return await editor.api.smart(editor.opened.image.id, {
      session,
      number,
      box: box && [box.x0, box.y0, box.x1, box.y1],
      points,
    });
  } catch (error) {
    const late = isTemporary(error) ? await editor.prompter?.mask(prompt, LAST_PATIENCE_MS) : null;
    if (late) return late;
    throw error;
  }
}

/** Move the edges of the selected own box to the cell in it: to its mask, to the mask that is proposed for it, or to what
 *  the prompter finds in the box. */
export async function snap(editor: Editor): Promise<void> {
  const { cells, selected: row } = editor;
  if (!editor.isOwnCell(row) || !editor.offers("smart")) return; // in a study it is help that not every arm has
  const was = cells.boxOf(row);
  const op = cells.lastOp(row);
  editor.begin();
  const mask = cells.maskOf(row) ?? proposedFor(editor, row) ?? (await foundIn(editor, row));
  if (!mask) {
    editor.toast(t("No cell is found in this box."));
    return;
  }
  if (sameBox(boxOf(mask), was)) editor.toast(t("This box fits its cell already."));
  if (cells.lastOp(row) !== op) editor.toast(t("Not fitted: this cell has been changed meanwhile."));
  if (cells.lastOp(row) !== op || sameBox(boxOf(mask), was)) return;
  editor.reshapedBox(row, boxOf(mask), "resize");
  editor.notify();
}

/** The open proposal that was made from this box, or the one that it overlaps best, if that is enough to
 *  mean it. */
function proposedFor(editor: Editor, row: number): Mask | null {
  const { cells } = editor;
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

async function foundIn(editor: Editor, row: number): Promise<Mask | null> {
  try {
    return (await editor.askSmart({ box: editor.cells.boxOf(row), clicks: [] }))?.mask ?? null;
  } catch (error) {
    editor.toast(editor.sentence(error));
    return null;
  }
}

/** The smart tool was chosen: the net is fetched now; where this browser cannot run it, the server's worker gets ready. */
export async function getReady(editor: Editor): Promise<void> {
  if (await editor.prompter?.load()) return;
  try {
    await editor.smartAsker.ask((number) =>
      editor.api.smart(editor.opened.image.id, {
        session: editor.session,
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
