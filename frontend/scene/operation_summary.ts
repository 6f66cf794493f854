/** What an operation did, summarised once when it is done: undo and redo name it later. */
import type { Action, AnnotationState, OpinionContent } from "./contract";

/** What an operation changed: an annotation's state, or (`opinion`) what its author says of it. */
export type Change = {
  annotation: string;
  opinion?: boolean;
  before: AnnotationState | OpinionContent | null;
  after: AnnotationState | OpinionContent | null;
  seen: string | null;
};
export type Done = {
  op_id: string;
  action: Action;
  tool?: string;
  undoes: string | null;
  changes: Change[];
};

export type OperationName =
  | "draw"
  | "draw_point"
  | "draw_region"
  | "move"
  | "move_region"
  | "resize"
  | "resize_region"
  | "outline"
  | "split"
  | "merge"
  | "classify"
  | "attribute"
  | "link"
  | "delete"
  | "delete_region"
  | "accept"
  | "reject"
  | "edit"
  | "cannot_tell"
  | "opinion"
  | "restore"
  | "change";
/** `n`: how many cells it is about. */
export type OperationSummary = { readonly name: OperationName; readonly n: number };

type OperationFacts = Pick<Done, "action" | "tool" | "changes">;

export function summaryOf(done: OperationFacts): OperationSummary {
  return { name: nameOf(done), n: done.changes.length };
}

/** The name of an act by its action; where one action is several acts, what it was done with or to decides. */
const NAMES: Record<Action, OperationName | ((done: OperationFacts) => OperationName)> = {
  draw: ({ tool }) => (tool === "point" ? "draw_point" : "draw"),
  accept: "accept",
  reject: "reject",
  edit: "edit",
  cannot_tell: "cannot_tell",
  opinion: "opinion",
  undo: "change",
  redo: "change",
  overrule: "change",
  restore: "restore",
  region: "draw_region",
  move: (done) => (isRegion(done) ? "move_region" : "move"),
  resize: (done) => (isRegion(done) ? "resize_region" : "resize"),
  delete: (done) => (isRegion(done) ? "delete_region" : "delete"),
  reshape: ({ tool }) => (tool === "split" || tool === "merge" ? tool : "outline"),
  classify: classifyName,
  bulk: bulkName,
};

function nameOf(done: OperationFacts): OperationName {
  const name = NAMES[done.action];
  return typeof name === "function" ? name(done) : name;
}

function classifyName({ tool }: OperationFacts): OperationName {
  if (tool === "attribute") return "attribute";
  return tool === "parent" ? "link" : "classify";
}

function bulkName({ tool, changes }: OperationFacts): OperationName {
  if (tool === "attribute") return "attribute";
  if (changes.every((change) => change.after === null)) return "delete";
  const decides = changes.some((change) => derivedFrom(change.before) !== derivedFrom(change.after));
  return decides ? "accept" : "classify";
}

type Content = Done["changes"][number]["after"];
const derivedFrom = (content: Content): string | null =>
  content && "derived_from" in content ? content.derived_from : null;

function isRegion({ changes }: OperationFacts): boolean {
  const state = changes[0]?.before ?? changes[0]?.after;
  return state !== null && state !== undefined && "kind" in state && state.kind === "region";
}
