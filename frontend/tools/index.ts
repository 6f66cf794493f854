/** Every tool. A new one is one file, an entry here, its name in editor/tool_names.ts (which has the order of the
 *  buttons), and its words in locale/. Studies offer the tools that Arm.TOOLS (labeling/studies/models.py) names. */
import type { ToolSet } from "../editor/toolbox";
import type { ToolName } from "../editor/tool_names";
import type { ToolDefinition } from "../editor/tool";
import * as box from "./box";
import * as brush from "./brush";
import * as extremes from "./extremes";
import * as ignore from "./ignore";
import * as lasso from "./lasso";
import { MaskBrush } from "./mask_brush";
import * as measure from "./measure";
import * as point from "./point";
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
  point: point.definition,
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
} satisfies Record<ToolName, ToolDefinition>;

/** What an editor is opened with. */
export const TOOL_SET: ToolSet = {
  definitions: TOOLS,
  maskBrush: (features) => new MaskBrush(features),
};
