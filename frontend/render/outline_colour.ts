/** How a colour is drawn as an outline, so that it is seen on any tissue: a core, and a casing of black or white beside
 *  it.
 *
 *  Where two colours have the contrast 9 (WCAG), every third one has at least 3 with one of them: contrast is a ratio
 *  of luminances, and the one in the middle differs from both by sqrt(9). So the core is made as light as the contrast
 *  9 with black asks for, or as dark as that with white does, whichever is nearer; its hue stays.
 *  frontend/tests/outline.test.ts and tests/labeling/test_outlines_on_tissue.py hold this. */
export type Rgb = readonly [number, number, number];
export type OutlineColours = { readonly core: Rgb; readonly casing: Rgb };

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
/** Luminances (0..1) with the contrast 9 to black and to white, and a little for rounding to 8 bits. */
const LEAST_LIGHT = 0.4 + 0.006;
const MOST_DARK = 1.05 / 9 - 0.05 - 0.002;
/** Between them; by it the classes' default colours stay apart, also for the colour-blind. */
const DARK_BELOW = 0.24;

export function outlineOf(colour: Rgb): OutlineColours {
  const linear = colour.map(toLinear);
  if (luminanceOf(linear) < DARK_BELOW) return { core: eightBit(darkened(linear)), casing: WHITE };
  return { core: eightBit(lightened(linear)), casing: BLACK };
}

/** WCAG 2: from 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [darker, lighter] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}

export const luminance = (colour: Rgb): number => luminanceOf(colour.map(toLinear));

const luminanceOf = ([r, g, b]: readonly number[]): number => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function darkened(linear: readonly number[]): number[] {
  const factor = Math.min(1, MOST_DARK / Math.max(luminanceOf(linear), 1e-9));
  return linear.map((value) => value * factor);
}

/** As light as its hue goes, and on from there towards white. */
function lightened(linear: readonly number[]): number[] {
  const wanted = LEAST_LIGHT / luminanceOf(linear);
  const factor = Math.max(1, Math.min(wanted, 1 / Math.max(...linear)));
  const brighter = linear.map((value) => value * factor);
  const reached = luminanceOf(brighter);
  const white = Math.max(0, (LEAST_LIGHT - reached) / (1 - reached));
  return brighter.map((value) => value + (1 - value) * white);
}

function toLinear(value: number): number {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

const eightBit = (linear: readonly number[]): Rgb => linear.map(toEightBit) as unknown as Rgb;

function toEightBit(linear: number): number {
  const share = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(1, Math.max(0, share)));
}

export const css = ([r, g, b]: Rgb): string => `rgb(${r} ${g} ${b})`;
