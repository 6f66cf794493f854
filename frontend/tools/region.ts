/** A box that says: inside it every cell is annotated. The machine is that of the box tool. */
import { mark } from "../locale/locale";
import { BoxTool } from "./box";
import type { ToolDefinition } from "../editor/tool";

export const definition: ToolDefinition = {
  label: mark("Region"),
  sentence: mark("Region where every cell is annotated"),
  keys: ["g"],
  icon: "M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4M9 12l2 2 4-4",
  create: (editor) => new BoxTool(editor, "exhaustive"),
};
