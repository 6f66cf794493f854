/** What the panels say: numbers with units, states in plain words. Pure. */
import type { Reason, Status } from "../scene/contract";
import type { QueueState } from "../sync/queue";

export const clock = (at: Date): string => at.toTimeString().slice(0, 8);

const changes = (n: number): string => `${n} ${n === 1 ? "change" : "changes"}`;

export type SaveWords = { tone: "ok" | "busy" | "warn" | "bad"; text: string };

export function saveWords(state: QueueState, conflicts: number, durable: boolean): SaveWords {
  if (conflicts) return { tone: "bad", text: `Conflict: ${conflicts} ${conflicts === 1 ? "cell" : "cells"} changed by somebody else` };
  const kept = durable ? "kept on this computer" : "only in this tab: do not close it";
  switch (state.kind) {
    case "saved":
      return { tone: "ok", text: state.at ? `Saved ${clock(state.at)}` : "Nothing to save" };
    case "saving":
      return { tone: "busy", text: `Saving ${state.count}…` };
    case "offline":
      return { tone: "warn", text: state.count ? `Offline: ${changes(state.count)} ${kept}` : "Offline" };
    case "signed_out":
      return { tone: "warn", text: state.count ? `Signed out: ${changes(state.count)} ${kept}` : "Signed out" };
    case "refused":
      return { tone: "bad", text: `Not saved: ${state.detail} (${changes(state.count)} ${kept})` };
  }
}

export const REASON_WORDS: Record<Exclude<Reason, "">, string> = {
  not_a_cell: "Not a cell",
  boundary: "Wrong outline",
  duplicate: "Duplicate",
  merged: "Several cells",
  cannot_tell: "Cannot tell",
};

/** Nothing is left out of the picture without the corner saying so. `density`: cells that a picture of their density stands for. */
export const shownWords = (hiddenLayers: number, filtered: { hidden: number; all: number } = { hidden: 0, all: 0 }, density: number | null = null): string => {
  const crowd = density === null ? "" : `density of ${density} cells: zoom in for each`;
  if (filtered.hidden) return `showing ${filtered.all - filtered.hidden} of ${filtered.all}${crowd && `, ${crowd}`}`;
  if (crowd) return crowd;
  return hiddenLayers ? `${hiddenLayers} ${hiddenLayers === 1 ? "layer" : "layers"} not shown` : "showing all";
};

export const STATUS_WORDS: Record<Status, string> = {
  confirmed: "cell",
  rejected: "rejected",
  cannot_tell: "cannot tell",
  exhaustive: "fully annotated region",
  ignore: "ignored region",
};

/** The longest of 1, 2, 5 x 10^n micrometres (or pixels, where the scale is unknown) that fits into `most` CSS pixels. */
export function scaleBar(cssPxPerImagePx: number, umPerPx: number | null, most = 140): { length: number; label: string } {
  const unit = umPerPx === null ? cssPxPerImagePx : cssPxPerImagePx / umPerPx;
  const room = most / unit;
  const power = 10 ** Math.floor(Math.log10(room));
  const nice = [5, 2, 1].map((n) => n * power).find((n) => n <= room) ?? power;
  const name = umPerPx === null ? "px" : nice >= 1000 ? "mm" : "µm";
  const amount = name === "mm" ? nice / 1000 : nice;
  return { length: nice * unit, label: `${Number(amount.toPrecision(6))} ${name}` };
}

/** Zoom as a share of the image's own pixels, and as the objective it looks like (10 x = 1 µm/px on the screen). */
export function zoomWords(cssPxPerImagePx: number, umPerPx: number | null): string {
  const share = `${Math.round(cssPxPerImagePx * 100)} %`;
  if (umPerPx === null) return share;
  const power = (10 * cssPxPerImagePx) / umPerPx;
  return `${power >= 10 ? Math.round(power) : power.toFixed(1)}× · ${share}`;
}
