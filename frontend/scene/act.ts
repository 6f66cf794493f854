/** What kind of act an operation was, told once when it is done: undo and redo name it later. */
import type { Done } from "./history";

export type ActName =
  | "draw"
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
  | "change";
/** `n`: how many cells it is about. */
export type Act = { readonly name: ActName; readonly n: number };

export function actOf(done: Pick<Done, "action" | "tool" | "changes">): Act {
  return { name: nameOf(done), n: done.changes.length };
}

function nameOf(done: Pick<Done, "action" | "tool" | "changes">): ActName {
  const { action, tool } = done;
  switch (action) {
    case "region":
      return "draw_region";
    case "move":
      return isRegion(done) ? "move_region" : "move";
    case "resize":
      return isRegion(done) ? "resize_region" : "resize";
    case "delete":
      return isRegion(done) ? "delete_region" : "delete";
    case "reshape":
      return tool === "split" ? "split" : tool === "merge" ? "merge" : "outline";
    case "classify":
      return tool === "attribute" ? "attribute" : tool === "parent" ? "link" : "classify";
    case "bulk":
      return bulkName(done);
    case "undo":
    case "redo":
      return "change";
    case "draw":
    case "accept":
    case "reject":
    case "edit":
    case "cannot_tell":
    case "opinion":
      return action;
  }
}

function bulkName({ tool, changes }: Pick<Done, "tool" | "changes">): ActName {
  if (tool === "attribute") return "attribute";
  if (changes.every((change) => change.after === null)) return "delete";
  const decides = changes.some((change) => derivedFrom(change.before) !== derivedFrom(change.after));
  return decides ? "accept" : "classify";
}

type Content = Done["changes"][number]["after"];
const derivedFrom = (content: Content): string | null =>
  content && "derived_from" in content ? content.derived_from : null;

function isRegion({ changes }: Pick<Done, "changes">): boolean {
  const state = changes[0]?.before ?? changes[0]?.after;
  return state !== null && state !== undefined && "kind" in state && state.kind === "region";
}
