/** Smart clicks: answered in this browser where it can, by the server's interactive worker where it cannot. */
import { isTemporary, type Answered } from "../sync/api";
import type { Prompt } from "../tools/smart";
import type { Workspace } from "../workspace";

/** When nobody at the server answers, the net that is still being loaded is worth so much waiting. */
const LAST_PATIENCE_MS = 20_000;

export async function answer(desk: Workspace, prompt: Prompt, number: number): Promise<Answered> {
  const here = await desk.prompter?.mask(prompt);
  if (here) return here;
  const { box, clicks } = prompt;
  const points = clicks.map(({ at, inside }) => [at.x, at.y, inside ? 1 : 0]);
  try {
    return await desk.api.smart(desk.opened.image.id, { session: desk.session, number, box: box && [box.x0, box.y0, box.x1, box.y1], points });
  } catch (error) {
    const late = isTemporary(error) ? await desk.prompter?.mask(prompt, LAST_PATIENCE_MS) : null;
    if (late) return late;
    throw error;
  }
}

/** The tool is taken in hand: the net is fetched now; where this browser cannot run it, the server's worker gets ready. */
export async function getReady(desk: Workspace): Promise<void> {
  if (await desk.prompter?.load()) return;
  try {
    await desk.smartAsker.ask((number) => desk.api.smart(desk.opened.image.id, { session: desk.session, number, box: null, points: [], ready: true }));
  } catch {
    // The first click says what is wrong, when somebody needs it.
  }
}
