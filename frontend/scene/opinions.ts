/** What others say of decided cells: one opinion a cell and person. Kept by the annotation's id, so that an opinion is
 *  there again when its cell comes back. */
import type { Opinion, OpinionVerdict, OpinionContent, Status } from "./contract";

const VERDICT_OF: Partial<Record<Status, OpinionVerdict>> = {
  confirmed: "accepted",
  rejected: "rejected",
  cannot_tell: "unsure",
};

/** The status that a verdict gives a cell. */
export const STATUS_OF = { accepted: "confirmed", rejected: "rejected", unsure: "cannot_tell" } as const;

/** The verdict that a cell's status says; undefined for regions. */
export const verdictOf = (status: Status): OpinionVerdict | undefined => VERDICT_OF[status];

/** Whether an opinion contradicts a decision, as the server sees it (labeling/annotations/opinions.py, differs). */
export function differs(
  content: Pick<OpinionContent, "verdict" | "label_class">,
  status: Status,
  labelClass: number | null,
): boolean {
  if (content.verdict !== verdictOf(status)) return true;
  return content.verdict === "accepted" && content.label_class !== null && content.label_class !== labelClass;
}

export class Opinions {
  private readonly of = new Map<string, Map<number, Opinion>>();

  put(annotation: string, opinion: Opinion): void {
    const known = this.of.get(annotation) ?? new Map<number, Opinion>();
    known.set(opinion.author.id, opinion);
    this.of.set(annotation, known);
  }

  /** The opinions that stand, in the order in which they were given. */
  on(annotation: string): Opinion[] {
    const known = [...(this.of.get(annotation)?.values() ?? [])].filter((opinion) => opinion.verdict !== "");
    return known.sort((a, b) => a.given_at.localeCompare(b.given_at));
  }

  by(annotation: string, person: number): Opinion | undefined {
    return this.of.get(annotation)?.get(person);
  }

  dispute(annotation: string, status: Status, labelClass: number | null): boolean {
    if (!this.of.has(annotation)) return false;
    const standing = this.on(annotation).filter((opinion) => !opinion.settled_by);
    const contents = standing.map(contentOf).filter((content) => content !== null);
    return contents.some((content) => differs(content, status, labelClass));
  }
}

/** What an opinion says; null for none and for a withdrawn one. */
export function contentOf(opinion: Opinion | undefined): OpinionContent | null {
  if (!opinion || opinion.verdict === "") return null;
  return { verdict: opinion.verdict, label_class: opinion.label_class, reason: opinion.reason };
}
