/** How tissue and cells are shown; kept on this computer, never part of the log. */
import { PLAIN_OUTLINES } from "../render/gl";
import type { Status } from "../scene/contract";

export const STAINS = ["none", "hematoxylin", "eosin", "dab"] as const;
export type Stain = (typeof STAINS)[number];

export type Display = {
  readonly brightness: number;
  readonly contrast: number;
  readonly stain: Stain;
  /** Of the cells, 0..1. */
  readonly opacity: number;
  readonly fill: boolean;
  /** Width of an outline's core, CSS pixels at any zoom. */
  readonly outline: number;
  readonly minimap: boolean;
  readonly hiddenClasses: readonly number[];
  readonly hiddenStatuses: readonly Status[];
  readonly hiddenAuthors: readonly number[];
  /** A break is suggested now and then. */
  readonly breaks: boolean;
  /** Proposals with less doubt than this are not drawn. */
  readonly leastDoubt: number;
  readonly proposals: boolean;
  /** Cells that are points are drawn. */
  readonly points: boolean;
};

export const PLAIN: Display = {
  brightness: 1,
  contrast: 1,
  stain: "none",
  opacity: 1,
  fill: false,
  outline: PLAIN_OUTLINES.width,
  minimap: true,
  hiddenClasses: [],
  hiddenStatuses: [],
  hiddenAuthors: [],
  breaks: true,
  leastDoubt: 0,
  proposals: true,
  points: true,
};

export class DisplaySettings {
  now: Display;

  constructor(
    kept: Partial<Display> | null,
    private readonly onChange: (display: Display, before: Display) => void,
  ) {
    // What hides cells is not carried over to the next image or day: a filter that somebody forgot looks like no cells.
    const { brightness, contrast, stain, opacity, fill, outline, minimap, breaks } = {
      ...PLAIN,
      ...kept,
    };
    this.now = {
      ...PLAIN,
      brightness,
      contrast,
      stain: STAINS.includes(stain) ? stain : "none",
      opacity,
      fill,
      outline,
      minimap,
      breaks,
    };
  }

  set(part: Partial<Display>): void {
    const before = this.now;
    this.now = { ...before, ...part };
    this.onChange(this.now, before);
  }
  toggle<T extends "hiddenClasses" | "hiddenStatuses" | "hiddenAuthors">(
    which: T,
    value: Display[T][number],
  ): void {
    const list = this.now[which] as readonly unknown[];
    const next = list.includes(value) ? list.filter((v) => v !== value) : [...list, value];
    this.set({ [which]: next });
  }
}
