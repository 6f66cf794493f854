/** Choosing a tool. The records are made of the tools' definitions (tools/index.ts). */
import { mark, t } from "../locale/locale";
import { TOOL_NAMES, type ToolName } from "../editor/tool_names";
import { TOOLS } from "../tools";
import { unavailableTool } from "./availability";
import type { CommandRecord, Context } from "./command";

function choose({ editor, pointer }: Context, name: ToolName): void {
  const losesNothing = TOOLS[editor.store.tool].changesNothing === true; // a ruler, a lasso
  const isDropped = pointer.cancel() && !losesNothing;
  if (isDropped) editor.store.toasts.show(t("What you had begun with the other tool was dropped."));
  editor.toolbox.choose(name);
}

function commandOf(name: ToolName): CommandRecord {
  const { sentence, keys } = TOOLS[name];
  return {
    sentence,
    group: mark("Tools"),
    keys,
    scope: "canvas",
    whyNot: (store) => unavailableTool(store, name),
    run: (context) => choose(context, name),
  };
}

export const TOOL_COMMANDS = Object.fromEntries(
  TOOL_NAMES.map((name) => [`tool.${name}`, commandOf(name)]),
) as Record<`tool.${ToolName}`, CommandRecord>;
