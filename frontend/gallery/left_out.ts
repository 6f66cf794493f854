/** Why cells of a screen were not decided, in words. */
import { t, tn } from "../locale/locale";

/** In the order of the reasons of the API. */
const WHY: Record<string, () => string> = {
  small: () => t("too small on the screen"),
  short: () => t("not in view long enough"),
  decided: () => t("decided by somebody else"),
  gone: () => t("no longer proposed"),
  closed: () => t("the image is finished, or read by others"),
};

export function leftOut(whys: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const why of whys) counts.set(why, (counts.get(why) ?? 0) + 1);
  const named = [...counts].map(([why, n]) => `${n} ${WHY[why]?.() ?? why}`).join(", ");
  return tn(whys.length, "{n} left out: {why}.", "{n} left out: {why}.", { why: named });
}
