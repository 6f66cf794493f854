/** The pointer on the pane of one side: it pans, zooms and paints. */
import { wheelFactor } from "../canvas/pinch";
import { screenPoint, type Point } from "../geometry/frames";
import type { Touch } from "./outline_edit";

const MIDDLE_BUTTON = 4; // in PointerEvent.buttons

export type Hover = { readonly at: Point<"screen">; readonly alt: boolean };
export type PaneInput = {
  /** Whether the first button paints. The middle one pans in any case. */
  readonly paints: () => boolean;
  readonly paint: (kind: Touch["kind"], hover: Hover) => void;
  readonly lost: () => void;
  readonly pan: (dx: number, dy: number) => void;
  readonly zoom: (at: Point<"screen">, factor: number) => void;
  /** null: the pointer has left. */
  readonly hover: (hover: Hover | null) => void;
};

export function listenTo(surface: HTMLElement, input: PaneInput): void {
  const hoverOf = (e: MouseEvent): Hover => {
    const { left, top } = surface.getBoundingClientRect();
    return { at: screenPoint(e.clientX - left, e.clientY - top), alt: e.altKey };
  };
  surface.addEventListener("pointerdown", (e) => {
    surface.setPointerCapture(e.pointerId);
    if (e.button === 0 && input.paints()) input.paint("down", hoverOf(e));
  });
  surface.addEventListener("pointermove", (e) => {
    input.hover(hoverOf(e));
    if (!surface.hasPointerCapture(e.pointerId)) return;
    if (input.paints() && !(e.buttons & MIDDLE_BUTTON)) input.paint("move", hoverOf(e));
    else input.pan(e.movementX, e.movementY);
  });
  surface.addEventListener("pointerup", (e) => {
    if (e.button === 0 && input.paints()) input.paint("up", hoverOf(e));
  });
  surface.addEventListener("pointercancel", () => input.lost());
  surface.addEventListener("pointerleave", () => input.hover(null));
  const wheel = (e: WheelEvent) => {
    e.preventDefault();
    input.zoom(hoverOf(e).at, wheelFactor(e.deltaY, e.deltaMode === WheelEvent.DOM_DELTA_LINE, e.ctrlKey));
  };
  surface.addEventListener("wheel", wheel, { passive: false });
}
