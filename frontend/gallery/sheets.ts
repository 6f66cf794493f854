/** The pictures of a gallery's cells, sheet by sheet: one request for 64 cells, never one for each. */
import type { Schemas } from "../scene/contract";
import type { Api } from "../sync/api";

export const SHEET = 64;
const MOST_KEPT = 60; // sheets
const PIXELS = 128; // of a crop
const RETRY = 2000; // ms after the first failure, doubled with each further one
const LONGEST_RETRY = 60_000;

export type Crop = Schemas["CropAnswer"];
export type Sheet = Schemas["SheetAnswer"] & { readonly url: string };

export class Sheets {
  private readonly kept = new Map<number, Sheet>();
  private readonly asked = new Set<number>();
  private readonly failures = new Map<number, number>(); // sheet -> how often it did not arrive

  constructor(
    private readonly api: Api,
    private readonly project: number,
    private readonly cells: readonly string[],
    private readonly side: number,
    private readonly arrived: () => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** The crop of a cell and its sheet; null while it is on its way, and for a cell that is gone. */
  cropOf(index: number): { crop: Crop; sheet: Sheet } | null {
    const sheet = this.kept.get(Math.floor(index / SHEET));
    const crop = sheet?.crops.find(({ cell }) => cell === this.cells[index]);
    return sheet && crop ? { crop, sheet } : null;
  }
  /** Whether the pictures of these cells are there. */
  hasAll(first: number, end: number): boolean {
    for (let sheet = Math.floor(first / SHEET); sheet * SHEET < end; sheet++)
      if (!this.kept.has(sheet)) return false;
    return true;
  }
  get isWaiting(): boolean {
    return this.asked.size > 0;
  }

  want(first: number, end: number): void {
    for (let sheet = Math.floor(first / SHEET); sheet * SHEET < end; sheet++) void this.fetch(sheet);
  }

  private async fetch(number: number): Promise<void> {
    if (this.kept.has(number) || this.asked.has(number)) return;
    const cells = this.cells.slice(number * SHEET, (number + 1) * SHEET);
    if (!cells.length) return;
    this.asked.add(number);
    try {
      const named = cells.map((cell) => `cell=${cell}`).join("&");
      const path = `projects/${this.project}/gallery/sheet/?${named}&side=${this.side}&pixels=${PIXELS}`;
      const answer = await this.api.get<Schemas["SheetAnswer"]>(path);
      this.kept.set(number, { ...answer, url: `data:image/jpeg;base64,${answer.picture}` });
      const [oldest] = this.kept.keys();
      if (this.kept.size > MOST_KEPT) this.kept.delete(oldest);
      this.failures.delete(number);
      this.mayAsk(number);
    } catch (error) {
      const before = this.failures.get(number) ?? 0;
      this.failures.set(number, before + 1);
      setTimeout(() => this.mayAsk(number), Math.min(RETRY * 2 ** before, LONGEST_RETRY));
      this.failed(error);
    }
  }

  /** A sheet that has arrived, or whose wait after a failure is over. */
  private mayAsk(number: number): void {
    this.asked.delete(number);
    this.arrived();
  }
}
