/** What is derived from all cells and asked for at every drawing: counts, the rows of the list, regions to ignore.
 *  Brought up to date row by row as cells change, so that no frame goes through all of them. */
import type { Box } from "../geometry/box";
import type { Cells, Counts } from "./cells";

const COUNTED = [
  "cells",
  "masks",
  "points",
  "cannotTell",
  "rejected",
  "disputed",
  "regions",
  "proposals",
  "undecided",
] as const satisfies readonly (keyof Counts)[];
const BIT = Object.fromEntries(COUNTED.map((name, i) => [name, 1 << i])) as Record<keyof Counts, number>;
const NOT_COUNTED = -1;
const LISTED = 1 << 9;
const FILTERABLE = 1 << 10;
const FILTERED = 1 << 11;
const IGNORED = 1 << 12;
const COMPLETE = 1 << 13;

export class Overview {
  readonly counts: Readonly<Counts> = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Counts;
  /** Rows that a filter keeps out of the picture, and all that would be in it. */
  readonly filtered = { hidden: 0, all: 0 };
  /** What each row contributes, as bits. */
  private bits = new Uint16Array(1024);
  private rows: number[] = [];
  private rowsAreStale = false;
  private readonly ignored = new Set<number>();
  private readonly complete = new Set<number>();
  /** The class that each row is counted with, and how many cells in the picture each class has; 0: without one. */
  private countedClass = new Int32Array(1024).fill(NOT_COUNTED);
  private readonly byClass = new Map<number, number>();

  constructor(private readonly cells: Cells) {
    for (let row = 0; row < cells.count; row++) this.update(row);
    cells.watch((row) => this.update(row));
  }

  /** The cells and regions in the picture, of all layers that are shown. */
  listedRows(): readonly number[] {
    if (this.rowsAreStale) {
      this.rows = [];
      for (let row = 0; row < this.cells.count; row++) if (this.bits[row] & LISTED) this.rows.push(row);
      this.rowsAreStale = false;
    }
    return this.rows;
  }
  /** Cells in the picture of a class; 0: without one. */
  countOfClass(labelClass: number): number {
    return this.byClass.get(labelClass) ?? 0;
  }
  /** Boxes of the regions to ignore. */
  ignoredRegions(): Box[] {
    return [...this.ignored].map((row) => this.cells.boxOf(row));
  }

  /** Rows of the regions in which every cell is annotated. */
  completeRegions(): number[] {
    return [...this.complete];
  }

  private update(row: number): void {
    if (row >= this.bits.length) this.bits = grown(this.bits, row + 1);
    const before = this.bits[row];
    const now = this.contribution(row);
    this.countClass(row, (now & LISTED) !== 0);
    if (before === now) return;
    this.bits[row] = now;
    for (const name of COUNTED) (this.counts as Counts)[name] += step(before, now, BIT[name]);
    this.filtered.all += step(before, now, FILTERABLE);
    this.filtered.hidden += step(before, now, FILTERED);
    setMember(this.ignored, row, (now & IGNORED) !== 0);
    setMember(this.complete, row, (now & COMPLETE) !== 0);
    this.list(row, step(before, now, LISTED));
  }

  /** The class of a cell may change while nothing else of it does. */
  private countClass(row: number, isListed: boolean): void {
    if (row >= this.countedClass.length) {
      const longer = new Int32Array(2 * row).fill(NOT_COUNTED);
      longer.set(this.countedClass);
      this.countedClass = longer;
    }
    const { cells } = this;
    const now = isListed && cells.kindOf(row) === "cell" ? cells.labelClass[row] : NOT_COUNTED;
    const before = this.countedClass[row];
    if (now === before) return;
    this.countedClass[row] = now;
    if (before !== NOT_COUNTED) this.byClass.set(before, this.countOfClass(before) - 1);
    if (now !== NOT_COUNTED) this.byClass.set(now, this.countOfClass(now) + 1);
  }

  /** A new row comes last; any other change is looked up when the list is asked for. */
  private list(row: number, change: number): void {
    if (change === 0 || this.rowsAreStale) return;
    const last = this.rows.at(-1) ?? -1;
    if (change > 0 && row > last) this.rows.push(row);
    else this.rowsAreStale = true;
  }

  private contribution(row: number): number {
    const { cells } = this;
    if (!cells.live[row]) return 0;
    let bits = countedBits(cells, row);
    if (cells.isListed(row)) bits |= LISTED;
    if (cells.wouldShow(row)) bits |= cells.isShown(row) ? FILTERABLE : FILTERABLE | FILTERED;
    const status = cells.statusOf(row);
    if (status === "ignore") bits |= IGNORED;
    if (status === "exhaustive") bits |= COMPLETE;
    return bits;
  }
}

/** As Cells.counts() counts a live row. */
function countedBits(cells: Cells, row: number): number {
  if (cells.isProposal(row)) return cells.decisionOf(row) < 0 ? BIT.proposals | BIT.undecided : BIT.proposals;
  const isMine = cells.isMine(row);
  const disputed = isMine && cells.disputed[row] ? BIT.disputed : 0;
  if (isMine && cells.statusOf(row) === "rejected") return disputed | BIT.rejected;
  return cells.isListed(row) ? disputed | shownBits(cells, row) : disputed;
}

function shownBits(cells: Cells, row: number): number {
  if (cells.kindOf(row) === "region") return BIT.regions;
  const status = cells.statusOf(row);
  if (status === "cannot_tell") return BIT.cells | BIT.cannotTell;
  if (status !== "confirmed") return BIT.cells;
  if (cells.hasMask(row)) return BIT.cells | BIT.masks;
  return cells.isPoint(row) ? BIT.cells | BIT.points : BIT.cells;
}

/** 1: the bit was set, -1: it was cleared, 0: it is as before. */
const step = (before: number, now: number, bit: number): number =>
  Number((now & bit) !== 0) - Number((before & bit) !== 0);

function setMember(rows: Set<number>, row: number, isMember: boolean): void {
  if (isMember) rows.add(row);
  else rows.delete(row);
}

function grown(bits: Uint16Array, least: number): Uint16Array<ArrayBuffer> {
  const next = new Uint16Array(Math.max(least, 2 * bits.length));
  next.set(bits);
  return next;
}
