/** Drafts with a mask of their own or with several effects: one act of a person is one operation, undone as one. */
import { area, centre, contains, type Box } from "../geometry/box";
import { boxOf, pack, patchOver, unpack, type Mask } from "../geometry/mask";
import { cut, united } from "../geometry/pieces";
import type { Size } from "../geometry/frames";
import type { Vertex } from "../geometry/polygon";
import type { Attributes, Cells } from "./cells";
import type { EffectIn, AnnotationState } from "./contract";
import { accept, change, create, NEW_CELL, reject, wire, wireMask, type Draft } from "./edits";

/** So many effects one operation may have (labeling/annotations/services.py MOST_EFFECTS). */
export const MOST_EFFECTS = 2000;

export const drawMask = (
  mask: Mask,
  tool: string,
  labelClass: number | null,
  box: Box = boxOf(mask),
): Draft => ({
  action: "draw",
  tool,
  effects: [create({ ...NEW_CELL, box: wire(box), mask: wireMask(mask), label_class: labelClass })],
});

/** Cut a cell (or a proposal, which is accepted by that) along a path: the largest piece stays the cell, the others
 *  become cells of the same class. null when the path does not cross its mask. */
export function split(cells: Cells, row: number, path: readonly Vertex[]): Draft | null {
  const mask = cells.maskOf(row);
  if (!mask) return null;
  const [kept, ...others] = cut(unpack(mask), path).map((piece) => pack(piece) as Mask);
  if (!others.length) return null;
  const { label_class } = cells.stateOf(row) as AnnotationState;
  const first: EffectIn = cells.isMine(row)
    ? change(cells, row, { mask: wireMask(kept), box: wire(boxOf(kept)) })
    : accept(cells, row, kept).effects[0];
  const rest = others.map((m) =>
    create({ ...NEW_CELL, box: wire(boxOf(m)), mask: wireMask(m), label_class }),
  );
  return { action: "reshape", tool: "split", effects: [first, ...rest] };
}

/** Make one cell of several own ones: the largest gets all their pixels. A cell without a mask gives its box, when no
 *  cell has a mask the boxes alone are joined. Those that came from a proposal stay as a decision on it ("merged" into
 *  another), so that it does not come back; the others are deleted. null for fewer than two. */
export function merge(cells: Cells, rows: readonly number[], image: Size): Draft | null {
  const own = rows.filter(
    (row) =>
      cells.live[row] &&
      cells.isMine(row) &&
      cells.kindOf(row) === "cell" &&
      cells.statusOf(row) !== "rejected",
  );
  if (own.length < 2) return null;
  const size = (row: number) => {
    const box = cells.extent(row);
    return (box.x1 - box.x0) * (box.y1 - box.y0);
  };
  const [first, ...others] = [...own].sort((a, b) => size(b) - size(a));
  const boxes = own.map((row) => cells.boxOf(row));
  const box: Box = {
    x0: Math.min(...boxes.map((b) => b.x0)),
    y0: Math.min(...boxes.map((b) => b.y0)),
    x1: Math.max(...boxes.map((b) => b.x1)),
    y1: Math.max(...boxes.map((b) => b.y1)),
  };
  const hasMask = own.some((row) => cells.hasMask(row));
  const patches = own.map((row) => {
    const mask = cells.maskOf(row);
    if (mask) return unpack(mask);
    const whole = patchOver(cells.boxOf(row), image);
    whole.pixels.fill(1);
    return whole;
  });
  const mask = hasMask ? pack(united(patches, image)) : null;
  const effects = [change(cells, first, { mask: mask && wireMask(mask), box: wire(box) })];
  for (const row of others)
    effects.push(
      change(
        cells,
        row,
        cells.derivedFrom(row) ? { status: "rejected", reason: "duplicate", mask: null } : null,
      ),
    );
  return { action: "reshape", tool: "merge", effects };
}

const bulk = (tool: string, effects: EffectIn[]): Draft[] => {
  const drafts: Draft[] = [];
  for (let i = 0; i < effects.length; i += MOST_EFFECTS)
    drafts.push({ action: "bulk", tool, effects: effects.slice(i, i + MOST_EFFECTS) });
  return drafts;
};

const ownCells = (cells: Cells, rows: readonly number[]) =>
  rows.filter((row) => cells.live[row] && cells.isMine(row));

export const removeAll = (cells: Cells, rows: readonly number[]): Draft[] =>
  bulk(
    "lasso",
    ownCells(cells, rows).map((row) => change(cells, row, null)),
  );

export const classifyAll = (cells: Cells, rows: readonly number[], labelClass: number): Draft[] =>
  bulk(
    "lasso",
    ownCells(cells, rows)
      .filter((row) => cells.kindOf(row) === "cell" && cells.labelClass[row] !== labelClass)
      .map((row) => change(cells, row, { label_class: labelClass })),
  );

/** Accept several proposals. Who calls this vouches that each was painted for somebody to see (scene/seen.ts).
 *  Of two proposals for one person's cell only the first is accepted: a cell has one mask. */
export function acceptAll(cells: Cells, rows: readonly number[], tool: "lasso" | "viewport"): Draft[] {
  const touched = new Set<string>();
  const effects: EffectIn[] = [];
  for (const row of rows) {
    if (!cells.isUndecided(row)) continue;
    const [effect] = accept(cells, row).effects;
    if (touched.has(effect.annotation)) continue;
    touched.add(effect.annotation);
    effects.push(effect);
  }
  return bulk(tool, effects);
}

/** Reject several proposals, under the same condition. */
export const rejectAll = (cells: Cells, rows: readonly number[], tool: "lasso" | "viewport"): Draft[] =>
  bulk(
    tool,
    rows.filter((row) => cells.isUndecided(row)).flatMap((row) => reject(cells, row).effects),
  );

/** The same with another value of one attribute; null: without it. */
export const withAttribute = (
  attributes: Attributes,
  name: string,
  value: string | null,
): Record<string, string> =>
  Object.fromEntries([
    ...Object.entries(attributes).filter(([other]) => other !== name),
    ...(value === null ? [] : [[name, value]]),
  ] as [string, string][]);

/** One attribute of own cells: another value, or none (null). */
export const attributeAll = (
  cells: Cells,
  rows: readonly number[],
  name: string,
  value: string | null,
): Draft[] =>
  bulk(
    "attribute",
    ownCells(cells, rows)
      .filter((row) => (cells.attributesOf(row)[name] ?? null) !== value)
      .map((row) => change(cells, row, { attributes: withAttribute(cells.attributesOf(row), name, value) })),
  ).map((draft) => (draft.effects.length === 1 ? { ...draft, action: "classify" as const } : draft));

/** The largest of the cells becomes the parent of those whose middle lies in it; null when none does. */
export function nest(cells: Cells, rows: readonly number[]): Draft | null {
  const size = (row: number) => area(cells.extent(row));
  const [whole, ...others] = ownCells(cells, rows)
    .filter((row) => cells.kindOf(row) === "cell")
    .sort((a, b) => size(b) - size(a));
  const parent = whole === undefined ? "" : cells.idOf(whole);
  const inside = others.filter(
    (row) => contains(cells.extent(whole), centre(cells.extent(row))) && cells.parentOf(row) !== whole,
  );
  if (!inside.length) return null;
  return { action: "classify", tool: "parent", effects: inside.map((row) => change(cells, row, { parent })) };
}
