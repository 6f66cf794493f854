/** What the tools that draw a freehand path share: the path's machine and its sketch. */
import type { Features } from "../editor/interfaces";
import type { Point } from "../geometry/frames";
import type { Sketch } from "../render/overlay";
import { IDLE, step, type PathState } from "./path";
import type { Press, Sizes, Tool } from "../editor/tool";
import { rowsAt } from "./picking";

export type Path = { readonly points: readonly Point<"image">[]; readonly shift: boolean };

export abstract class FreehandTool implements Tool {
  private state: PathState = IDLE;

  constructor(
    protected readonly editor: Features,
    private readonly closed: boolean,
  ) {}

  /** Annotations under a click, the likeliest first. */
  protected abstract clicked(rows: readonly number[]): void;
  protected abstract drawn(path: Path, sizes: Sizes): void;

  busy(): boolean {
    return this.state.kind !== "idle";
  }
  cancel(): void {
    this.state = IDLE;
  }
  input(input: Press, sizes: Sizes): void {
    const result = step(this.state, input, sizes.spacing, sizes.slip);
    this.state = result.state;
    if (result.click) this.clicked(rowsAt(this.editor, result.click, sizes));
    if (result.commit) this.drawn(result.commit, sizes);
  }
  sketch(): Partial<Sketch> {
    if (this.state.kind === "idle") return {};
    return { path: { points: this.state.points, corners: false, closed: this.closed } };
  }
}
