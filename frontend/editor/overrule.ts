/** A reviewer settles a dispute: by their own opinion where they have given one, else as the cell is decided. */
import { t } from "../locale/locale";
import type { EffectIn, Opinion, OpinionContent } from "../scene/contract";
import { change, redecide, type Draft } from "../scene/edits";
import { contentOf, STATUS_OF } from "../scene/opinions";
import type { Store } from "./store";

const REVIEWERS: readonly string[] = ["owner", "manager", "reviewer"];

/** The opinions that still count, on the selected cell or on what decides the selected proposal. */
function standing({ cells, decidedRow }: Store): Opinion[] {
  if (decidedRow < 0) return [];
  return cells.opinions.on(cells.idOf(decidedRow)).filter((opinion) => !opinion.settled_by);
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
  const { cells, decidedRow, opened } = store;
  const annotation = cells.idOf(decidedRow);
  const own = contentOf(opinions.find((opinion) => opinion.author.id === opened.person.id));
  return {
    action: "overrule",
    tool: "keys",
    effects: [own ? decidedBy(store, own) : change(cells, decidedRow, {})],
    settles: opinions.map((opinion) => ({ annotation, author: opinion.author.id })),
  };
}

/** The cell as an opinion has it: its verdict, its reason, and its class where it names one for an accepted cell. */
function decidedBy({ cells, decidedRow }: Store, { verdict, label_class, reason }: OpinionContent): EffectIn {
  const status = STATUS_OF[verdict];
  const isClassGiven = verdict === "accepted" && label_class !== null;
  const given = isClassGiven ? { status, reason, label_class } : { status, reason };
  const [effect, ...others] = redecide(cells, decidedRow, status).effects;
  // An overrule draws and deletes no cell (labeling/annotations/overrules.py).
  if (others.length || !effect.after) return change(cells, decidedRow, given);
  return { ...effect, after: { ...effect.after, ...given } };
}
