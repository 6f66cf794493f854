/** What the panels say: numbers with units, states in plain words. Pure. */
import { mark, t, tn } from "../locale/locale";
import type { Turn } from "../geometry/turn";
import type { ColourBy } from "../render/colour_by";
import type { Layer, Publication, Reason, Status, ViewIn } from "../scene/contract";
import type { SaveState } from "../sync/outbox";

export const clock = (at: Date): string => at.toTimeString().slice(0, 8);

/** A time of the log as people read it: today's by the clock, others with their day. `now` is given by tests. */
export function moment(iso: string, now: Date = new Date()): string {
  const at = new Date(iso);
  const [day, today] = [at, now].map((d) => [d.getFullYear(), d.getMonth(), d.getDate()].join());
  if (day === today) return clock(at).slice(0, 5);
  const two = (n: number) => String(n).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${clock(at).slice(0, 5)}`;
}

const changes = (n: number): string => tn(n, "{n} change", "{n} changes");

export type SaveWords = { tone: "ok" | "busy" | "warn" | "bad"; text: string };

export function saveWords(state: SaveState, conflicts: number, durable: boolean): SaveWords {
  if (conflicts)
    return {
      tone: "bad",
      text: tn(
        conflicts,
        "Conflict: {n} cell changed by somebody else",
        "Conflict: {n} cells changed by somebody else",
      ),
    };
  const kept = durable ? t("kept on this computer") : t("only in this tab: do not close it");
  switch (state.kind) {
    case "saved":
      return {
        tone: "ok",
        text: state.at ? t("Saved {time}", { time: clock(state.at) }) : t("All changes saved"),
      };
    case "saving":
      return { tone: "busy", text: t("Saving {n}…", { n: state.count }) };
    case "offline":
      return {
        tone: "warn",
        text: state.count
          ? t("Offline: {changes} {kept}", { changes: changes(state.count), kept })
          : t("Offline"),
      };
    case "signed_out":
      return {
        tone: "warn",
        text: state.count
          ? t("Signed out: {changes} {kept}", { changes: changes(state.count), kept })
          : t("Signed out"),
      };
    case "rejected":
      return {
        tone: "bad",
        text: t("Not saved: {detail} ({changes} {kept})", {
          detail: state.detail,
          changes: changes(state.count),
          kept,
        }),
      };
  }
}

export const REASON_WORDS: Record<Exclude<Reason, "">, string> = {
  not_a_cell: mark("Not a cell"),
  boundary: mark("Wrong outline"),
  duplicate: mark("Duplicate"),
  merged: mark("Several cells"),
  cannot_tell: mark("Cannot tell"),
};

/** Nothing is left out of the picture without the corner saying so. `density`: cells that a picture of their
 *  density stands for. */
export const shownWords = (
  hiddenLayers: number,
  filtered: { hidden: number; all: number } = { hidden: 0, all: 0 },
  density: number | null = null,
): string => {
  const crowd = density === null ? "" : t("density of {n} cells: zoom in for each", { n: density });
  if (filtered.hidden)
    return (
      t("showing {n} of {all}", { n: filtered.all - filtered.hidden, all: filtered.all }) +
      (crowd && `, ${crowd}`)
    );
  if (crowd) return crowd;
  return hiddenLayers
    ? tn(hiddenLayers, "{n} layer not shown", "{n} layers not shown")
    : t("all cells shown");
};

export const STATUS_WORDS: Record<Status, string> = {
  confirmed: mark("cell"),
  rejected: mark("rejected"),
  cannot_tell: mark("cannot tell"),
  exhaustive: mark("fully annotated region"),
  ignore: mark("ignored region"),
};

export const COLOUR_BY_WORDS: Record<ColourBy, string> = {
  class: mark("class"),
  person: mark("person"),
  state: mark("state"),
  doubt: mark("doubt"),
  round: mark("round"),
};

export const LAYER_WORDS: Record<Layer["kind"], string> = {
  working: mark("working layer"),
  prediction: mark("proposals"),
  consensus: mark("consensus"),
  import: mark("import"),
};

/** The longest of 1, 2, 5 x 10^n micrometres (or pixels, where the scale is unknown) that fits into `most` CSS
 *  pixels. */
export function scaleBar(
  cssPxPerImagePx: number,
  umPerPx: number | null,
  most = 140,
): { length: number; label: string } {
  const unit = umPerPx === null ? cssPxPerImagePx : cssPxPerImagePx / umPerPx;
  const room = most / unit;
  const power = 10 ** Math.floor(Math.log10(room));
  const nice = [5, 2, 1].map((n) => n * power).find((n) => n <= room) ?? power;
  const metric = nice >= 1000 ? "mm" : "µm";
  const name = umPerPx === null ? "px" : metric;
  const amount = name === "mm" ? nice / 1000 : nice;
  return { length: nice * unit, label: `${Number(amount.toPrecision(6))} ${name}` };
}

/** At the magnification 1 a pixel of the screen shows so many micrometres, by the convention of slide viewers. */
const UM_PER_PX_AT_1 = 10;
/** CSS pixels for an image pixel at which an image of this scale is seen at this magnification. */
export const scaleOfPower = (power: number, umPerPx: number): number => (power * umPerPx) / UM_PER_PX_AT_1;

/** How the picture is turned; "": as it was scanned. */
export function turnWords({ quarters, isMirrored }: Turn): string {
  const words = [];
  if (isMirrored) words.push(t("mirrored"));
  if (quarters) words.push(t("rotated by {degrees}°", { degrees: 90 * quarters }));
  return words.join(", ");
}

/** As an objective: 10 where a pixel of the screen shows 1 µm. */
const powerOfScale = (scale: number, umPerPx: number): number => (UM_PER_PX_AT_1 * scale) / umPerPx;

const toDigits = (value: number): number => Number(value.toPrecision(4));

/** What an operation keeps of how the picture was shown. */
export const viewOf = (shown: {
  readonly scale: number;
  readonly umPerPx: number | null;
  readonly outlines: boolean;
  /** The image in sight beside this one or over it; null: none. */
  readonly second: number | null;
}): ViewIn => ({
  scale: toDigits(shown.scale),
  magnification: shown.umPerPx === null ? null : toDigits(powerOfScale(shown.scale, shown.umPerPx)),
  outlines: shown.outlines,
  second_image: shown.second,
});

/** How somebody saw the picture when they acted. */
export function viewWords({ scale, magnification, outlines, second_image }: ViewIn): string {
  const zoom = magnification ? powerWords(magnification) : shareWords(scale);
  const words = [t("seen at {zoom}", { zoom })];
  if (!outlines) words.push(t("outlines hidden"));
  if (second_image) words.push(t("a second image in sight"));
  return words.join(", ");
}

const powerWords = (power: number): string => `${power >= 10 ? Math.round(power) : power.toFixed(1)}×`;
const shareWords = (scale: number): string => `${Math.round(scale * 100)} %`;

/** Zoom as a share of the image's own pixels, and as the objective it looks like (10 x = 1 µm/px on the screen). */
export function zoomWords(cssPxPerImagePx: number, umPerPx: number | null): string {
  const share = shareWords(cssPxPerImagePx);
  if (umPerPx === null) return share;
  return `${powerWords(powerOfScale(cssPxPerImagePx, umPerPx))} · ${share}`;
}

/** What the Review tab says without a proposal: that no round has run, or which one proposed nothing, and why. */
export function emptyReview(published: Publication | null): string[] {
  if (!published)
    return [
      t(
        "No proposals on this image yet. They appear here after a round on the project's boxes, or after Propose now.",
      ),
    ];
  const nothing = published.round_number
    ? t("Round {n} proposed nothing here.", { n: published.round_number })
    : t("The models proposed nothing here.");
  const remedy = t("Annotate a region of this image and start another round.");
  return [nothing, ...published.why, remedy];
}
