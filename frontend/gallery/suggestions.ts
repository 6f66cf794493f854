/** What the verdicts so far suggest for the cells of a gallery. They are asked for again after each screen. */
import type { Schemas } from "../scene/contract";
import type { Api } from "../sync/api";
import type { Mark } from "./marks";

export const LIKENESS_ORDERS = ["likeness", "duplicates", "errors", "map"] as const;
/** A suggestion is taken by key from this chance on. */
export const SURE = 0.9;
const NO_CELL = -1;
const AT_ONCE = 100; // cells of one question

export type Suggestion = { readonly label: number; readonly chance: number };

export const isLikenessOrder = (order: string): boolean =>
  (LIKENESS_ORDERS as readonly string[]).includes(order);

/** What a suggestion would mark its cell as; null where it is not sure enough. */
export function markOfSuggestion({ label, chance }: Suggestion): Mark | null {
  if (chance < SURE || label === 0) return null;
  return label === NO_CELL ? { kind: "reject" } : { kind: "class", labelClass: label };
}

export class Suggestions {
  private readonly known = new Map<string, Suggestion>();
  private readonly fresh = new Set<string>(); // asked for since the last verdict
  private wanted: readonly string[] = [];
  private isAsking = false;
  private verdicts = 0; // times that they changed

  constructor(
    private readonly api: Api,
    private readonly project: number,
    private readonly arrived: () => void,
  ) {}

  of(cell: string): Suggestion | undefined {
    return this.known.get(cell);
  }
  get isWaiting(): boolean {
    return this.isAsking;
  }

  /** What an answer says of all its cells. */
  take({ cells, suggested, chances }: Schemas["LikenessAnswer"]): void {
    for (const [at, cell] of cells.entries()) {
      if (at >= suggested.length) break;
      this.fresh.add(cell);
      if (suggested[at] === 0) this.known.delete(cell);
      else this.known.set(cell, { label: suggested[at], chance: chances[at] });
    }
  }

  /** Verdicts have been given: what is shown is asked for again, and stays until the answer is there. */
  outdate(): void {
    this.verdicts++;
    this.fresh.clear();
    void this.ask();
  }

  /** These cells are near the view. */
  want(cells: readonly string[]): void {
    this.wanted = cells;
    void this.ask();
  }

  /** One question after the other. One that is not answered is asked again with the next screen. */
  private async ask(): Promise<void> {
    if (this.isAsking) return;
    const cells = this.wanted.filter((cell) => !this.fresh.has(cell)).slice(0, AT_ONCE);
    if (!cells.length) return;
    this.isAsking = true;
    const { verdicts } = this;
    for (const cell of cells) this.fresh.add(cell);
    try {
      const named = cells.map((cell) => `of=${cell}`).join("&");
      const path = `projects/${this.project}/gallery/likeness/?order=likeness&${named}`;
      this.take(await this.api.get<Schemas["LikenessAnswer"]>(path));
    } catch {
      this.wanted = []; // without suggestions the gallery goes on
    } finally {
      this.isAsking = false;
    }
    if (this.verdicts !== verdicts) this.fresh.clear(); // the answer knows nothing of the newest ones
    this.arrived();
    void this.ask();
  }
}
