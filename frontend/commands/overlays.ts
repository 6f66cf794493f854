/** What lies above the picture for a moment, one thing at a time. */
import { observed } from "../scene/observed";

export type Overlay = "sheet" | "palette" | "remap";

export class Overlays extends observed((): { open: Overlay | null } => ({ open: null })) {
  /** The same command closes it. */
  toggle(overlay: Overlay): void {
    this.open = this.open === overlay ? null : overlay;
  }
  close(): void {
    this.open = null;
  }
}
