/** What this person may not change, and why, in a sentence. */
import { t } from "../locale/locale";
import { LAYER_WORDS } from "./words";
import type { Store } from "./store";

/** Whose a cell is that this person may only look at; null for cells of the own layer and for proposals. */
export function foreign(store: Store, row: number): string | null {
  const { cells } = store;
  if (row < 0 || cells.isMine(row) || cells.isProposal(row)) return null;
  const layer = store.opened.layers[cells.layer[row]];
  if (layer?.annotator)
    return t("This is {name}'s reading; you can look at it but not change it.", {
      name: layer.annotator.name,
    });
  return t("This cell belongs to another layer ({layer}); you can look at it but not change it.", {
    layer: layer ? t(LAYER_WORDS[layer.kind]) : "",
  });
}

/** Why nothing is written on this image. */
export function readOnly(store: Store): string {
  const { project } = store.opened;
  if (project.removed_at)
    return t("This project is deleted: owners can look until {day}, and nothing is changed.", {
      day: project.removed_at.slice(0, 10),
    });
  if (project.archived_at)
    return t("This project is archived: you can look, and nothing is changed until it is restored.");
  if (store.opened.work?.state === "done")
    return t("This image is done: nothing on it is changed until an owner or manager opens it again.");
  if (project.role === "viewer")
    return t("Your role in this project is viewer: you can look at the cells but not change them.");
  return t("You can look at this image but not change it.");
}

/** Why a class key does nothing to what is selected; null: it does. */
export function unavailableClass(store: Store): string | null {
  if (!store.canWrite) return readOnly(store);
  const { cells, selected: row } = store;
  if (row < 0) return null;
  const whose = foreign(store, row);
  if (whose) return whose;
  const isRejected = cells.isProposal(row) ? !cells.isUndecided(row) : cells.statusOf(row) === "rejected";
  return isRejected ? t("This cell is rejected and has no class. A accepts it after all.") : null;
}
