/** The tools of an open image, and which of them is the current one. */
import type { Features } from "./interfaces";
import type { Tool, ToolDefinition } from "./tool";
import { TOOL_NAMES, type ToolName } from "./tool_names";
import type { Store } from "./store";

/** Every tool there is, handed in by whoever opens an image (tools/index.ts): the editor knows none of them. */
export type ToolSet = {
  readonly definitions: Readonly<Record<ToolName, ToolDefinition>>;
  /** The brush of a mask that is being edited, which no button chooses. */
  readonly maskBrush: (features: Features) => Tool;
};

export class Toolbox {
  readonly tools: Readonly<Record<ToolName, Tool>>;
  private readonly store: Store;
  private readonly maskBrush: Tool;

  /** `onLeave`: called before another tool is chosen, so that what belongs to the old one ends. */
  constructor(
    private readonly set: ToolSet,
    features: Features,
    private readonly onLeave: () => void,
  ) {
    this.store = features.store;
    this.tools = createTools(set, features);
    this.maskBrush = set.maskBrush(features);
  }

  /** The chosen tool, also while a mask is edited. */
  get chosen(): Tool {
    return this.tools[this.store.tool];
  }
  /** The tool that input goes to: the chosen one, or the brush of the mask that is being edited. */
  get current(): Tool {
    return this.store.editing ? this.maskBrush : this.chosen;
  }
  get usesRightButton(): boolean {
    const { editing, tool } = this.store;
    return !editing && this.set.definitions[tool].rightButton === true;
  }

  choose(name: ToolName): void {
    const { store } = this;
    const isAllowed = store.canWrite || this.set.definitions[name].changesNothing === true;
    if (!store.offers(name) || !isAllowed) return;
    this.onLeave();
    this.chosen.exit?.();
    store.tool = name;
    this.chosen.enter?.();
    store.recorder.record("tool", name);
  }
  /** Put the next box like the selected one: the stamp takes its size. */
  copySize(): void {
    const { store } = this;
    if (store.selected < 0) return;
    const { x0, y0, x1, y1 } = store.cells.boxOf(store.selected);
    store.lastSize = { width: x1 - x0, height: y1 - y0 };
    this.choose("stamp");
  }
}

function createTools({ definitions }: ToolSet, features: Features): Record<ToolName, Tool> {
  const made = TOOL_NAMES.map((name) => [name, definitions[name].create(features)] as const);
  return Object.fromEntries(made) as Record<ToolName, Tool>;
}
