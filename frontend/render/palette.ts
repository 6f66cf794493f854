/** The colours that a cell can have, and their places in the table that the shaders read. */
import { luminance, outlineOf, type Rgb } from "./outline_colour";
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

/** From no doubt to full doubt, ever lighter: the dark ones get a white casing, the light ones a black one. */
export const DOUBT_COLOURS = ["#10153f", "#0072b2", "#e69f00", "#f4cf58", "#fffbd0"] as const;

/** Of cells of which what is shown is not known, or that nobody has. */
export const UNKNOWN_COLOUR = "#6e6e6e";

export const PALETTE_SIZE = 256;
const MOST_CLASSES = 224;
export const UNCLASSIFIED = 0;
/** People, states and rounds have Okabe and Ito's colours; where there are more, they begin again. */
export const KEYS_FROM = 230;
export const DOUBT_FROM = 240;
export const UNKNOWN = 248;
export const EXHAUSTIVE = 250;
export const IGNORED = 251;

/** Class id -> place in the palette. */
export function paletteIndex(classes: ShownClass[]): Map<number, number> {
  return new Map(classes.map((c, i) => [c.id, 1 + (i % MOST_CLASSES)]));
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
  classes.forEach((c, i) => set(1 + (i % MOST_CLASSES), c.color));
  OKABE_ITO.forEach((colour, i) => set(KEYS_FROM + i, colour));
  DOUBT_COLOURS.forEach((colour, i) => set(DOUBT_FROM + i, colour));
  set(UNKNOWN, UNKNOWN_COLOUR);
  set(EXHAUSTIVE, REGION_COLOUR);
  set(IGNORED, REGION_COLOUR);
  return { areas, outlines };
}

export function rgb(colour: string): Rgb {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour)?.[1] ?? "f0e442";
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)) as unknown as Rgb;
}
