/** The style of an annotation: colour = class or what was chosen instead, line style = state. One texel of the look-up
 *  table a row. */
import type { CellColours, ColourBy } from "./colour_by";
import { EXHAUSTIVE, IGNORED, UNCLASSIFIED } from "./palette";
import { CANNOT_TELL_STATUS, IGNORE_STATUS } from "./statuses";
import type { Cells } from "../scene/cells";

export const Line = { none: 0, solid: 1, dashed: 2, dotted: 3 } as const;
export const Flag = { selected: 1, hovered: 2, filled: 4, region: 8, solid: 16 } as const;

export type CellStyle = {
  readonly colour: number;
  readonly maskLine: number;
  readonly boxLine: number;
  readonly flags: number;
};
export type Focus = {
  readonly selected: number;
  readonly hovered: number;
  readonly boxes: boolean;
  readonly editing: number;
  readonly fill?: boolean;
  /** What colours say; by itself the class. */
  readonly colourBy?: ColourBy;
};

const NOTHING: CellStyle = { colour: UNCLASSIFIED, maskLine: Line.none, boxLine: Line.none, flags: 0 };

export function styleOf(cells: Cells, row: number, colours: CellColours, focus: Focus): CellStyle {
  if (!cells.isShown(row)) return NOTHING;
  if (cells.isDifference(row)) return styleOfDifference(cells, row, colours);
  if (cells.kindOf(row) === "region") return styleOfRegion(cells, row, focus);
  const colour = colours.placeOf(cells, row, focus.colourBy ?? "class");
  if (row === focus.editing) return { ...NOTHING, colour, boxLine: Line.dotted };
  const line = lineOf(cells, row);
  const hasMask = cells.hasMask(row);
  const boxLine = hasMask && !isBoxShownToo(cells, row, focus) ? Line.none : line;
  return { colour, maskLine: hasMask ? line : Line.none, boxLine, flags: flagsOf(row, focus) };
}

function styleOfDifference(cells: Cells, row: number, colours: CellColours): CellStyle {
  const colour = colours.placeOf(cells, row, "class");
  return { ...NOTHING, colour, maskLine: Line.solid, flags: Flag.solid };
}

function styleOfRegion(cells: Cells, row: number, focus: Focus): CellStyle {
  const isIgnored = cells.status[row] === IGNORE_STATUS;
  const selected = row === focus.selected ? Flag.selected : 0;
  return {
    colour: isIgnored ? IGNORED : EXHAUSTIVE,
    maskLine: Line.none,
    boxLine: isIgnored ? Line.dotted : Line.solid,
    flags: selected | Flag.region,
  };
}

function lineOf(cells: Cells, row: number): number {
  if (cells.isProposal(row)) return Line.dashed;
  const isInDoubt = cells.status[row] === CANNOT_TELL_STATUS || cells.disputed[row] === 1;
  return isInDoubt ? Line.dotted : Line.solid;
}

/** The cell under judgement is a thicker outline and never filled, so that its border and its inside are seen. */
function flagsOf(row: number, focus: Focus): number {
  if (row === focus.selected) return Flag.selected;
  if (row === focus.hovered) return Flag.hovered | Flag.filled;
  return focus.fill ? Flag.filled : 0;
}

/** A cell with a mask is its outline; its box would only hide tissue. A proposal whose box a person drew shows no
 *  second box. */
const isBoxShownToo = (cells: Cells, row: number, focus: Focus): boolean =>
  focus.boxes || (row === focus.selected && cells.isMine(row));
