/** Acts in words, for what undo and redo say they did: "deletion of a cell". */
import { t, tn } from "../locale/locale";
import type { OperationSummary, OperationName } from "../scene/operation_summary";

const WORDS: Record<OperationName, (n: number) => string> = {
  draw: () => t("drawing of a cell"),
  draw_point: () => t("placing of a point"),
  draw_region: () => t("drawing of a region"),
  move: () => t("move of a cell"),
  move_region: () => t("move of a region"),
  resize: () => t("change of a box"),
  resize_region: () => t("change of a region"),
  outline: () => t("change of an outline"),
  split: () => t("split of a cell"),
  merge: (n) => t("merging of {n} cells", { n }),
  classify: (n) => tn(n, "change of a cell's class", "change of the class of {n} cells"),
  attribute: (n) => tn(n, "change of a cell's attribute", "change of an attribute of {n} cells"),
  link: (n) => tn(n, "link of a cell to the one around it", "links of {n} cells to the one around them"),
  delete: (n) => tn(n, "deletion of a cell", "deletion of {n} cells"),
  delete_region: () => t("deletion of a region"),
  accept: (n) => tn(n, "acceptance of a cell", "acceptance of {n} cells"),
  reject: () => t("rejection of a cell"),
  edit: () => t("acceptance of a cell with an edited mask"),
  cannot_tell: () => t("“cannot tell” for a cell"),
  opinion: (n) => tn(n, "your opinion on a cell", "your opinions on {n} cells"),
  restore: (n) => tn(n, "restoring of a cell", "restoring of {n} cells"),
  change: (n) => tn(n, "change of a cell", "change of {n} cells"),
};

export const wordsOf = ({ name, n }: OperationSummary): string => WORDS[name](n);
