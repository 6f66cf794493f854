/** Every tool, in the order of the buttons. A new tool is one file, an import and an
 *  entry here, and its words in locale/. Studies offer the tools that Arm.TOOLS (labeling/studies/models.py) names. */
import type { Editor } from "../editor/editor";
import type { Tool, ToolDefinition } from "./tool";
import * as box from "./box";
import * as brush from "./brush";
import * as extremes from "./extremes";
import * as ignore from "./ignore";
import * as lasso from "./lasso";
import * as measure from "./measure";
import * as polygon from "./polygon";
import * as region from "./region";
import * as select from "./select";
import * as smart from "./smart";
import * as split from "./split";
import * as stamp from "./stamp";
import * as wand from "./wand";

export const TOOLS = {
  select: select.definition,
  box: box.definition,
  smart: smart.definition,
  polygon: polygon.definition,
  brush: brush.definition,
  wand: wand.definition,
  stamp: stamp.definition,
  extremes: extremes.definition,
  lasso: lasso.definition,
  split: split.definition,
  measure: measure.definition,
  region: region.definition,
  ignore: ignore.definition,
} satisfies Record<string, ToolDefinition>;

export type ToolName = keyof typeof TOOLS;
export const TOOL_NAMES = Object.keys(TOOLS) as readonly ToolName[];

export function createTools(editor: Editor): Record<ToolName, Tool> {
  const made = TOOL_NAMES.map((name) => [name, TOOLS[name].create(editor)] as const);
  return Object.fromEntries(made) as Record<ToolName, Tool>;
}
