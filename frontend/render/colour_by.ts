/** What the colour of a cell says: its class, or what somebody chose to see instead. */
import { CANNOT_TELL_STATUS } from "./statuses";
import {
  DOUBT_COLOURS,
  DOUBT_FROM,
  KEYS_FROM,
  OKABE_ITO,
  UNCLASSIFIED,
  UNCLASSIFIED_COLOUR,
  UNKNOWN,
  UNKNOWN_COLOUR,
  paletteIndex,
} from "./palette";
import type { Cells } from "../scene/cells";
import type { ShownClass } from "../scene/contract";

export const COLOUR_BY = ["class", "person", "state", "doubt", "round"] as const;
export type ColourBy = (typeof COLOUR_BY)[number];

export const CELL_STATES = ["proposed", "accepted", "drawn", "cannot_tell", "disputed"] as const;
export type CellState = (typeof CELL_STATES)[number];

/** Where a cell comes from: the number of a round (0: proposed without one), a round that is not the current one, or a
 *  person's hand. */
export type Origin = number | "earlier" | "hand";

/** One line of the legend. `key`: a class's id, a person's id, a state, a step of doubt, an origin; null: unknown. */
export type LegendKey = number | CellState | Origin | null;
export type LegendLine = { readonly key: LegendKey; readonly colour: string; readonly cells: number };

/** `roundOf`: layer -> the round that published it; null: no round has. */
type Known = {
  readonly classes: ShownClass[];
  readonly people: readonly number[];
  readonly roundOf: (layer: number) => number | null;
};

/** The places of colours of the cells of one image. People and rounds get theirs in the order in which they are met. */
export class CellColours {
  private readonly classPlaces: Map<number, number>;
  private readonly people = new Places();
  private readonly origins = new Places();

  constructor(private readonly known: Known) {
    this.classPlaces = paletteIndex(known.classes);
    known.people.forEach((person) => this.people.of(person));
    (["hand", "earlier"] as const).forEach((origin) => this.origins.of(origin));
  }

  /** Place of a cell's colour in the palette. */
  placeOf(cells: Cells, row: number, by: ColourBy): number {
    return this.placeOfKey(this.keyOf(cells, row, by), by);
  }

  /** A person's colour, as their cells have it in the view by person. */
  colourOfPerson(person: number): string {
    return OKABE_ITO[this.people.of(person)];
  }

  /** What the colours of the cells in the picture mean, with how many have each; in the order of their places. */
  legend(cells: Cells, by: ColourBy): LegendLine[] {
    const counts = new Map<LegendKey, number>();
    for (let row = 0; row < cells.count; row++) {
      if (!cells.isShown(row) || cells.kindOf(row) !== "cell" || cells.isDifference(row)) continue;
      const key = this.keyOf(cells, row, by);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const keys = [...counts.keys()].sort((a, b) => this.rankOf(a, by) - this.rankOf(b, by));
    return keys.map((key) => ({ key, colour: this.colourOf(key, by), cells: counts.get(key) ?? 0 }));
  }

  private keyOf(cells: Cells, row: number, by: ColourBy): LegendKey {
    if (by === "person") return personOf(cells, row);
    if (by === "state") return stateOf(cells, row);
    if (by === "doubt") return doubtStep(doubtOf(cells, row));
    if (by === "round") return this.originOf(cells, row);
    return cells.labelClass[row];
  }

  private placeOfKey(key: LegendKey, by: ColourBy): number {
    if (key === null) return UNKNOWN;
    if (by === "person") return KEYS_FROM + this.people.of(key);
    if (by === "state") return KEYS_FROM + CELL_STATES.indexOf(key as CellState);
    if (by === "doubt") return DOUBT_FROM + (key as number);
    if (by === "round") return KEYS_FROM + this.origins.of(key);
    return this.classPlaces.get(key as number) ?? UNCLASSIFIED;
  }

  private colourOf(key: LegendKey, by: ColourBy): string {
    const place = this.placeOfKey(key, by);
    if (place === UNKNOWN) return UNKNOWN_COLOUR;
    if (place >= DOUBT_FROM) return DOUBT_COLOURS[place - DOUBT_FROM];
    if (place >= KEYS_FROM) return OKABE_ITO[place - KEYS_FROM];
    return this.known.classes.find(({ id }) => id === key)?.color ?? UNCLASSIFIED_COLOUR;
  }

  /** Cells without a class, and unknown ones, come last. */
  private rankOf(key: LegendKey, by: ColourBy): number {
    return this.placeOfKey(key, by) || UNKNOWN;
  }

  private originOf(cells: Cells, row: number): Origin {
    const proposal = cells.isProposal(row) ? row : proposalOf(cells, row);
    if (proposal >= 0) return this.known.roundOf(cells.layer[proposal]) ?? "earlier";
    return cells.derivedFrom(row) === null ? "hand" : "earlier";
  }
}

/** Places among the colours that people, states and rounds have, in the order in which they are met. */
class Places {
  private readonly met = new Map<LegendKey, number>();

  of(key: LegendKey): number {
    const place = this.met.get(key) ?? this.met.size;
    this.met.set(key, place);
    return place % OKABE_ITO.length;
  }
}

/** Who drew or last changed a cell; null: a proposal, which is nobody's. */
function personOf(cells: Cells, row: number): number | null {
  return cells.isProposal(row) || !cells.author[row] ? null : cells.author[row];
}

function stateOf(cells: Cells, row: number): CellState {
  if (cells.disputed[row]) return "disputed";
  if (cells.isProposal(row)) return "proposed";
  if (cells.status[row] === CANNOT_TELL_STATUS) return "cannot_tell";
  return cells.derivedFrom(row) === null ? "drawn" : "accepted";
}

/** Of a proposal its own doubt, of a decided cell that of its proposal, 0..1; NaN: unknown. */
function doubtOf(cells: Cells, row: number): number {
  const proposal = cells.isProposal(row) ? row : proposalOf(cells, row);
  return proposal < 0 ? NaN : cells.score[proposal];
}

/** Which of the equal steps from 0 to 1 a doubt lies in; null: it is unknown. */
export function doubtStep(doubt: number): number | null {
  if (Number.isNaN(doubt)) return null;
  const step = Math.floor(doubt * DOUBT_COLOURS.length);
  return Math.min(DOUBT_COLOURS.length - 1, Math.max(0, step));
}

/** The proposal that a cell was made from, where it is still known here; else -1. */
function proposalOf(cells: Cells, row: number): number {
  const proposal = cells.rowOf(cells.derivedFrom(row) ?? "");
  return proposal >= 0 && cells.isProposal(proposal) ? proposal : -1;
}
