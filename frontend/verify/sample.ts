/** The sample of a lot as somebody judges it, cell after cell. Pure: no page, no clock, no server. */
import type { Schemas } from "../scene/contract";

export type SampleCell = Schemas["ShownCell"];
export type Verdict = Schemas["VerdictBody"]["verdict"];
export type Judgement = {
  readonly position: number;
  readonly verdict: Verdict;
  readonly milliseconds: number;
};

/** Physical keys, so that they lie where they lie on every layout. */
export const KEYS: Readonly<Record<string, Verdict>> = { KeyA: "right", KeyX: "wrong", KeyU: "unsure" };
/** More cells are fetched when so few are left. */
export const FETCH_BELOW = 5;

export class Sample {
  private readonly waiting: SampleCell[] = [];
  private highest = 0;
  private last: SampleCell | null = null;

  get current(): SampleCell | null {
    return this.waiting[0] ?? null;
  }
  get isShort(): boolean {
    return this.waiting.length < FETCH_BELOW;
  }
  /** The position after which further cells are asked for. */
  get after(): number {
    return this.highest;
  }

  add(cells: readonly SampleCell[]): void {
    for (const cell of cells) {
      if (cell.position <= this.highest) continue; // asked for twice
      this.waiting.push(cell);
      this.highest = cell.position;
    }
  }
  /** The current cell is judged; the next one is shown. */
  judge(verdict: Verdict, milliseconds: number): Judgement | null {
    const cell = this.waiting.shift();
    if (!cell) return null;
    this.last = cell;
    return { position: cell.position, verdict, milliseconds };
  }
  /** Show the last judged cell again. Only the last one may be judged anew. */
  back(): boolean {
    if (!this.last) return false;
    this.waiting.unshift(this.last);
    this.last = null;
    return true;
  }
}
