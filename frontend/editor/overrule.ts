/** A reviewer settles a dispute: by their own opinion where they have given one, else as the cell is decided. */
import { t } from "../locale/locale";
import type { Opinion, Status } from "../scene/contract";
import { change, type Draft } from "../scene/edits";
import type { Store } from "./store";

const STATUS_OF = { accepted: "confirmed", rejected: "rejected", unsure: "cannot_tell" } as const;
const REVIEWERS: readonly string[] = ["owner", "manager", "reviewer"];

/** The opinions on the selected cell that still count. */
function standing(store: Store): Opinion[] {
  const { cells, selected } = store;
  if (!store.isMineAndLive(selected)) return [];
  return cells.opinions.on(cells.idOf(selected)).filter((opinion) => !opinion.settled_by);
}

export function unavailableOverrule(store: Store): string | null {
  if (!REVIEWERS.includes(store.opened.project.role))
    return t("Reviewers, managers and owners settle disputes. A, X and K record your opinion.");
  return standing(store).length ? null : t("Nobody disputes the selected cell.");
}

/** The act that settles all opinions on the selected cell; null: there is none. */
export function overruling(store: Store): Draft | null {
  const opinions = standing(store);
  if (!opinions.length) return null;
  const { cells, selected, opened } = store;
  const annotation = cells.idOf(selected);
  const own = opinions.find((opinion) => opinion.author.id === opened.person.id);
  const verdict = own?.verdict;
  const status: Status = verdict ? STATUS_OF[verdict] : cells.statusOf(selected);
  return {
    action: "overrule",
    tool: "keys",
    effects: [change(cells, selected, { status })],
    settles: opinions.map((opinion) => ({ annotation, author: opinion.author.id })),
  };
}
