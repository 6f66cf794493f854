/** What the colours of cells may say to this person on this image. */
import { COLOUR_BY, type ColourBy } from "../render/colour_by";
import type { Store } from "./store";

/** A reader of a study learns nothing of models; where only the own reading is seen there is nobody else to show. */
export function offeredColours(store: Store): readonly ColourBy[] {
  if (store.opened.study) return ["class", "state"];
  return COLOUR_BY.filter((by) => by !== "person" || hasPeople(store));
}

function hasPeople({ cells, opened }: Store): boolean {
  const isShared = opened.layers[cells.base]?.annotator === null;
  return isShared || (opened.people ?? []).length > 1;
}

/** By the key: from one choice to the next; the legend says which it is. */
export function showNextColours(store: Store): void {
  const offered = offeredColours(store);
  store.colourBy = offered[(offered.indexOf(store.colourBy) + 1) % offered.length];
}
