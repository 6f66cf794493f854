/** A box that says: nothing inside it counts. The machine is that of the box tool. */
import { mark } from "../locale/locale";
import { BoxTool } from "./box";
import type { ToolDefinition } from "../editor/tool";

export const definition: ToolDefinition = {
  label: mark("Ignore"),
  sentence: mark("Region to ignore"),
  keys: ["Shift+g"],
  icon: "M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4M9 9l6 6M15 9l-6 6",
  create: (editor) => new BoxTool(editor, "ignore"),
};
