/** Why a command has no effect now, in a sentence. Asked before every command, so that nothing that somebody presses is
 *  silently without effect (tests/availability.test.ts goes through all commands in all states). */
import { foreign, readOnly } from "../editor/permission";
import type { Store } from "../editor/store";
import { mark, t } from "../locale/locale";
import { TOOLS } from "../tools";
import type { ToolName } from "../editor/tool_names";

/** What a command is done to. Without any of these: to one own cell that is not rejected, or an open proposal. */
export type Target = {
  /** It decides: proposals, rejected cells and other people's decisions included. */
  readonly isVerdict?: true;
  readonly alsoRegions?: true;
  readonly alsoRejected?: true;
  /** Why it is not done to several cells; null: it is. Absent: it is done to one cell. */
  readonly several?: (store: Store) => string | null;
  /** Why it is not done to a proposal. */
  readonly onProposal?: string;
  /** Why it is not done to a proposal that is open. */
  readonly onOpenProposal?: string;
  /** The tool that a study's arm must offer. */
  readonly needs?: ToolName;
  /** The answer while a mask is edited. */
  readonly whileEditing?: string;
};

export const VERDICT: Target = { isVerdict: true };
export const DELETE: Target = {
  alsoRegions: true,
  alsoRejected: true,
  several: () => null,
  onProposal: mark("A proposal is not deleted but rejected: X."),
};
const ATTRIBUTE: Target = {
  several: (store) =>
    store.multiSelected.some((row) => store.isOwnCell(row))
      ? null
      : t("Attributes are given to cells: accept these proposals first."),
};

/** For what only needs that this person may write. */
export const writing = (store: Store): string | null => (store.canWrite ? null : readOnly(store));

export function unavailableTool(store: Store, tool: ToolName): string | null {
  if (!store.offers(tool)) return t("This study does not offer this tool here.");
  if (!store.canWrite && !TOOLS[tool].changesNothing) return readOnly(store);
  return null;
}

export function unavailableAttribute(store: Store, place: number): string | null {
  if (!store.canWrite) return readOnly(store);
  if (!store.opened.project.attributes?.[place]) return t("This project has no attribute with this key.");
  return unavailableForCell(store, ATTRIBUTE);
}

export function unavailableForCell(store: Store, target: Target): string | null {
  if (!store.canWrite) return readOnly(store);
  if (store.editing && target.whileEditing) return t(target.whileEditing);
  if (store.multiSelected.length && target.several) return target.several(store);
  if (store.selected >= 0) return forSelected(store, target, store.selected);
  if (store.multiSelected.length) return t("Select one cell for this.");
  if (target.isVerdict) return t("Select a cell or a proposal first. Tab goes to the next open proposal.");
  return t("Select a cell first: V and a click.");
}

function forSelected(store: Store, target: Target, row: number): string | null {
  const { cells } = store;
  if (cells.kindOf(row) === "region" && !target.alsoRegions)
    return t("A region has no verdict, class or mask. Del deletes it.");
  const whose = foreign(store, row);
  if (whose) return whose;
  if (cells.isProposal(row)) return forProposal(store, target, row);
  if (cells.statusOf(row) === "rejected" && !target.isVerdict && !target.alsoRejected)
    return t("This cell is rejected. A accepts it after all.");
  return unoffered(store, target);
}

function forProposal(store: Store, target: Target, row: number): string | null {
  if (target.onProposal) return t(target.onProposal);
  if (target.isVerdict) return null;
  if (!store.cells.isUndecided(row)) return t("This proposal is rejected. A accepts it after all.");
  return target.onOpenProposal ? t(target.onOpenProposal) : unoffered(store, target);
}

/** A study's arm has its own tools. */
function unoffered(store: Store, { needs }: Target): string | null {
  return needs && !store.offers(needs) ? t("This study does not offer this tool here.") : null;
}
