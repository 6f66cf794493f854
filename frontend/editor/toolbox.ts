/** The tools of an open image, and which of them is the current one. */
import { createTools, TOOLS, type ToolName } from "../tools";
import { MaskBrush } from "../tools/mask_brush";
import type { Tool } from "../tools/tool";
import type { Editor } from "./editor";

export class Toolbox {
  readonly tools: Readonly<Record<ToolName, Tool>>;
  private readonly maskBrush: Tool;

  constructor(private readonly editor: Editor) {
    this.tools = createTools(editor);
    this.maskBrush = new MaskBrush(editor);
  }

  /** The chosen tool, also while a mask is edited. */
  get chosen(): Tool {
    return this.tools[this.editor.store.tool];
  }
  /** The tool that input goes to: the chosen one, or the brush of the mask that is being edited. */
  get current(): Tool {
    return this.editor.store.editing ? this.maskBrush : this.chosen;
  }
  get usesRightButton(): boolean {
    const { editing, tool } = this.editor.store;
    return !editing && TOOLS[tool].rightButton === true;
  }

  choose(name: ToolName): void {
    const { store, maskEdit, multiSelect } = this.editor;
    if (!store.offers(name) || (!store.canWrite && !TOOLS[name].changesNothing)) return;
    maskEdit.cancel();
    multiSelect.endNudge();
    this.chosen.exit?.();
    store.tool = name;
    this.chosen.enter?.();
    store.recorder.record("tool", name);
  }
  /** Put the next box like the selected one: the stamp takes its size. */
  copySize(): void {
    const { store } = this.editor;
    if (store.selected < 0) return;
    const { x0, y0, x1, y1 } = store.cells.boxOf(store.selected);
    store.lastSize = { width: x1 - x0, height: y1 - y0 };
    this.choose("stamp");
  }
}
