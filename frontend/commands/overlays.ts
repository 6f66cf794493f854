/** What lies above the picture for a moment, one thing at a time. */
import { observed } from "../scene/observed";

export type Overlay = "sheet" | "palette" | "remap" | "menu" | "playback";
/** On the page, CSS pixels. */
type Place = { readonly x: number; readonly y: number };
type Observable = {
  open: Overlay | null;
  /** Where the menu is. */
  at: Place;
};

export class Overlays extends observed((): Observable => ({ open: null, at: { x: 0, y: 0 } })) {
  /** What can be done here: the menu of the right button, or of a long press. */
  openMenu(at: Place): void {
    this.at = at;
    this.open = "menu";
  }
  /** The same command closes it. */
  toggle(overlay: Overlay): void {
    this.open = this.open === overlay ? null : overlay;
  }
  close(): void {
    this.open = null;
  }
}
