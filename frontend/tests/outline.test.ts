/** Outlines are seen on any tissue: core and casing differ so much that one of them stands out from whatever lies
 *  beside them, in every class colour; and the default colours stay apart, also for the colour-blind. */
import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { DOUBT_COLOURS, OKABE_ITO, REGION_COLOUR, UNKNOWN_COLOUR, rgb } from "../render/palette";
import { css, contrast, luminance, outlineOf, type Rgb } from "../render/outline_colour";
import { linesOf, outlineElement } from "../render/svg_outline";

const STEPS = [0, 17, 34, 51, 85, 119, 153, 187, 221, 238, 255];
const COLOURS = STEPS.flatMap((r) => STEPS.flatMap((g) => STEPS.map((b): Rgb => [r, g, b])));
const GREYS = Array.from({ length: 256 }, (_, v): Rgb => [v, v, v]);

/** Machado, Oliveira and Fernandes 2009, complete dichromacy, on linear RGB. */
const VISION: Record<string, readonly (readonly number[])[]> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
const XYZ = [
  [0.4124564, 0.3575761, 0.1804375],
  [0.2126729, 0.7151522, 0.072175],
  [0.0193339, 0.119192, 0.9503041],
];
const D65 = [0.95047, 1, 1.08883];
const times = (matrix: readonly (readonly number[])[], v: readonly number[]): number[] =>
  matrix.map((row) => row.reduce((sum, a, i) => sum + a * v[i], 0));
const linear = (colour: Rgb): number[] =>
  colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));

function lab(linearRgb: readonly number[]): number[] {
  const f = times(
    XYZ,
    linearRgb.map((v) => Math.min(1, Math.max(0, v))),
  )
    .map((v, i) => v / D65[i])
    .map((v) => (v > 0.008856 ? Math.cbrt(v) : 7.787 * v + 16 / 116));
  return [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])];
}

type FakeElement = { name: string; attributes: Record<string, string>; children: FakeElement[] };

function fakeElement(name: string): FakeElement & { setAttribute: unknown; append: unknown } {
  const attributes: Record<string, string> = {};
  const children: FakeElement[] = [];
  const setAttribute = (key: string, value: string) => (attributes[key] = value);
  return { name, attributes, children, setAttribute, append: (child: FakeElement) => children.push(child) };
}

describe("outlines", () => {
  it("have a core and a casing of contrast 9, whatever the class's colour", () => {
    for (const colour of COLOURS) {
      const { core, casing } = outlineOf(colour);
      expect(contrast(core, casing), `${colour.join()}`).toBeGreaterThanOrEqual(9);
    }
  });
  it("stand out by 3 from tissue of any luminance", () => {
    for (const colour of COLOURS) {
      const { core, casing } = outlineOf(colour);
      const seen = GREYS.map((tissue) => Math.max(contrast(core, tissue), contrast(casing, tissue)));
      expect(Math.min(...seen), colour.join()).toBeGreaterThanOrEqual(3);
    }
  });
  it("keep the hue of a colour, and a colour that is light or dark enough as it is", () => {
    expect(outlineOf(rgb("#f0e442"))).toEqual({ core: rgb("#f0e442"), casing: [0, 0, 0] });
    expect(outlineOf(rgb(REGION_COLOUR))).toEqual({ core: rgb(REGION_COLOUR), casing: [255, 255, 255] });
    const [r, g, b] = outlineOf(rgb("#0072b2")).core;
    expect(r).toBe(0);
    expect(b / g).toBeCloseTo(0xb2 / 0x72, 0);
    expect(luminance(outlineOf([0, 0, 255]).core)).toBeLessThan(0.07);
  });
  it.each(Object.entries(VISION))("of different default classes are told apart: %s", (_name, matrix) => {
    const seen = OKABE_ITO.map((colour) => lab(times(matrix, linear(outlineOf(rgb(colour)).core))));
    for (const [i, a] of seen.entries())
      for (const b of seen.slice(i + 1)) {
        const difference = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
        expect(difference, OKABE_ITO[i]).toBeGreaterThanOrEqual(10);
      }
  });
  it.each(Object.entries(VISION))("of what else colours may say are told apart: %s", (_name, matrix) => {
    for (const set of [DOUBT_COLOURS, OKABE_ITO].map((colours) => [...colours, UNKNOWN_COLOUR])) {
      const seen = set.map((colour) => lab(times(matrix, linear(outlineOf(rgb(colour)).core))));
      for (const [i, a] of seen.entries())
        for (const b of seen.slice(i + 1)) {
          const difference = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
          expect(difference, set[i]).toBeGreaterThanOrEqual(10);
        }
    }
  });
  it("are the lighter the more doubt there is, so that the order is seen without any hue", () => {
    const light = DOUBT_COLOURS.map((colour) => luminance(outlineOf(rgb(colour)).core));
    for (const [i, value] of light.slice(1).entries()) expect(value).toBeGreaterThan(light[i] + 0.03);
  });
  it("are drawn above crops as a casing below a core, so that the casing is seen on both sides of it", () => {
    for (const colour of COLOURS) {
      const colours = outlineOf(colour);
      const [lower, upper] = linesOf(colours);
      expect([lower.stroke, upper.stroke]).toEqual([css(colours.casing), css(colours.core)]);
      expect((lower.width - upper.width) / 2).toBeGreaterThanOrEqual(1);
    }
  });
  it("above crops are two paths along the same edges, in the colours of the class", () => {
    vi.stubGlobal("document", { createElementNS: (_space: string, name: string) => fakeElement(name) });
    const cell = { box: [2, 3, 6, 7], mask: null, corner: [0, 0], side: 16 } as const;
    const svg = outlineElement(
      { ...cell, box: [...cell.box], corner: [...cell.corner] },
      "#0072b2",
    ) as unknown as FakeElement;
    const { core, casing } = outlineOf(rgb("#0072b2"));
    expect(svg.children.map(({ attributes }) => attributes.d)).toEqual(Array(2).fill("M2 3H6V7H2Z"));
    expect(svg.children.map(({ attributes }) => attributes.stroke)).toEqual([css(casing), css(core)]);
    expect(svg.attributes.viewBox).toBe("0 0 16 16");
    vi.unstubAllGlobals();
  });
  it("are in the table that the measurement on real tissue reads", () => {
    const table = JSON.parse(readFileSync("tests/outline_colours.json", "utf8")) as unknown;
    const cells = [...new Set([...OKABE_ITO, ...DOUBT_COLOURS, UNKNOWN_COLOUR])];
    const colours = [...cells, REGION_COLOUR, "#ff0000", "#00ff00", "#0000ff", "#808080"];
    expect(table).toEqual(colours.map((colour) => ({ colour, ...outlineOf(rgb(colour)) })));
  });
});
