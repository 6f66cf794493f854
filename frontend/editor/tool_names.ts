/** The names of the tools: in the store, in what is recorded of a person's work, and in a study's arms
 *  (Arm.TOOLS in labeling/studies/models.py). In the order of the buttons; tools/index.ts has one entry for each. */
export const TOOL_NAMES = [
  "select",
  "box",
  "point",
  "smart",
  "polygon",
  "brush",
  "wand",
  "stamp",
  "extremes",
  "lasso",
  "split",
  "measure",
  "region",
  "ignore",
] as const;

export type ToolName = (typeof TOOL_NAMES)[number];
