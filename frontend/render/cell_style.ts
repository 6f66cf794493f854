/** The style of an annotation: colour = class, line style = state. One texel of the look-up table per row. */
import { luminance, outlineOf, type Rgb } from "./outline_colour";
import { CANNOT_TELL_STATUS, IGNORE_STATUS } from "./statuses";
import type { Cells } from "../scene/cells";
import type { ShownClass } from "../scene/contract";

/** Okabe and Ito's colours, safe for the colour-blind; black is left out (invisible on dark nuclei). */
export const OKABE_ITO = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#56b4e9",
  "#d55e00",
  "#f0e442",
] as const;

/** Of cells without a class. */
export const UNCLASSIFIED_COLOUR = OKABE_ITO[6];

/** Regions are no class: the one dark colour that no class has. Line and hatching show their kind. */
export const REGION_COLOUR = "#20262c";

export const Line = { none: 0, solid: 1, dashed: 2, dotted: 3 } as const;
export const Flag = { selected: 1, hovered: 2, filled: 4, region: 8, solid: 16 } as const;

export const PALETTE_SIZE = 256;
const UNCLASSIFIED = 0;
/** People's colours, for the view that shows whose a cell is: so many, then they begin again. */
const PEOPLE_FROM = 241;
export const PEOPLE_COLOURS = OKABE_ITO;
const EXHAUSTIVE = 250;
const IGNORED = 251;

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
  /** Colour by person instead of by class. */
  readonly byPerson?: boolean;
};

/** Class id -> place in the palette. */
export function paletteIndex(classes: ShownClass[]): Map<number, number> {
  return new Map(classes.map((c, i) => [c.id, 1 + (i % 240)]));
}

/** Four bytes a place, as the shaders read them. `areas`: the colours as they are, for what is painted whole.
 *  `outlines`: the colours of outlines' cores, and 255 where the casing is white, 0 where it is black. */
export type Palette = { readonly areas: Uint8Array; readonly outlines: Uint8Array };

export function palette(classes: ShownClass[]): Palette {
  const areas = new Uint8Array(4 * PALETTE_SIZE);
  const outlines = new Uint8Array(4 * PALETTE_SIZE);
  const set = (index: number, colour: string) => {
    const { core, casing } = outlineOf(rgb(colour));
    areas.set([...rgb(colour), 255], 4 * index);
    outlines.set([...core, luminance(casing) > 0.5 ? 255 : 0], 4 * index);
  };
  set(UNCLASSIFIED, UNCLASSIFIED_COLOUR);
  classes.forEach((c, i) => set(1 + (i % 240), c.color));
  PEOPLE_COLOURS.forEach((colour, i) => set(PEOPLE_FROM + i, colour));
  set(EXHAUSTIVE, REGION_COLOUR);
  set(IGNORED, REGION_COLOUR);
  return { areas, outlines };
}

/** Each person's place among the people's colours, in the order in which they are met. */
export class People {
  private readonly places = new Map<number, number>();

  constructor(known: readonly number[] = []) {
    known.forEach((id) => this.placeOf(id));
  }
  placeOf(person: number): number {
    const place = this.places.get(person) ?? this.places.size;
    this.places.set(person, place);
    return place % PEOPLE_COLOURS.length;
  }
  colourOf(person: number): string {
    return PEOPLE_COLOURS[this.placeOf(person)];
  }
}

export function rgb(colour: string): Rgb {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour)?.[1] ?? "f0e442";
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)) as unknown as Rgb;
}

const NOTHING: CellStyle = { colour: UNCLASSIFIED, maskLine: Line.none, boxLine: Line.none, flags: 0 };

export function styleOf(
  cells: Cells,
  row: number,
  places: Map<number, number>,
  focus: Focus,
  people: People = new People(),
): CellStyle {
  if (!cells.isShown(row)) return NOTHING;
  const classColour = places.get(cells.labelClass[row]) ?? UNCLASSIFIED;
  if (cells.isDifference(row))
    return { ...NOTHING, colour: classColour, maskLine: Line.solid, flags: Flag.solid };
  if (cells.kindOf(row) === "region") return styleOfRegion(cells, row, focus);
  const colour = focus.byPerson ? personsColour(cells, row, people, classColour) : classColour;
  if (row === focus.editing) return { ...NOTHING, colour, boxLine: Line.dotted };
  const line = lineOf(cells, row);
  const hasMask = cells.hasMask(row);
  const boxLine = hasMask && !isBoxShownToo(cells, row, focus) ? Line.none : line;
  return { colour, maskLine: hasMask ? line : Line.none, boxLine, flags: flagsOf(row, focus) };
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

/** Whose the cell is; proposals are nobody's and have the colour of their class. */
function personsColour(cells: Cells, row: number, people: People, classColour: number): number {
  const isAPersons = !cells.isProposal(row) && cells.author[row] > 0;
  return isAPersons ? PEOPLE_FROM + people.placeOf(cells.author[row]) : classColour;
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
