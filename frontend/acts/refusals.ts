/** Why a command has no effect now, in a sentence. Asked before every command, so that nothing that somebody presses is
 *  silently without effect (tests/refusals.test.ts has the table). */
import { mark, t } from "../locale/locale";
import type { Command } from "../ui/keymap";
import { LAYER_WORDS } from "../ui/words";
import type { ToolName, Workspace } from "../workspace";

/** Commands that look, or that answer for themselves whatever is selected. */
const ALWAYS: ReadonlySet<Command> = new Set<Command>([
  "cancel",
  "view.peek",
  "view.pan",
  "view.boxes",
  "view.larger",
  "view.smaller",
  "view.fit",
  "help.palette",
  "help.remap",
  "help.keys",
  "review.next",
  "review.previous",
  "save.now",
  "move.left",
  "move.right",
  "move.up",
  "move.down",
]);

/** What is done to the selected cell or proposal. */
const TO_A_CELL: ReadonlySet<Command> = new Set<Command>([
  "cell.delete",
  "cell.cannot_tell",
  "cell.edit",
  "cell.snap",
  "cell.copy",
  "attribute.1",
  "attribute.2",
  "attribute.3",
  "attribute.4",
  "review.accept",
  "review.reject",
]);
const TOGETHER: ReadonlySet<Command> = new Set<Command>([
  "cell.delete",
  "attribute.1",
  "attribute.2",
  "attribute.3",
  "attribute.4",
]);

/** What is done to a region as well as to a cell. */
const TO_A_REGION: ReadonlySet<Command> = new Set<Command>(["cell.delete", "cell.copy"]);
/** What is said of these keys while a mask is edited. */
const WHILE_EDITING: Partial<Record<Command, string>> = {
  "review.accept": mark("Enter keeps the edited mask; Esc leaves it as it was."),
  "cell.edit": mark("You are editing this mask: Enter keeps it, Esc leaves it as it was."),
};

/** The sentence, or null: the command goes on. */
export function refusal(desk: Workspace, command: Command): string | null {
  if (command === "image.next" || command === "image.previous") return refusedImage(desk, command);
  if (ALWAYS.has(command)) return null;
  if (command.startsWith("tool.")) return refusedTool(desk, command.slice("tool.".length) as ToolName);
  if (!desk.canWrite) return readOnly(desk);
  const answer = desk.editing ? WHILE_EDITING[command] : undefined;
  if (answer) return t(answer);
  if (TO_A_CELL.has(command)) return refusedCell(desk, command);
  return null;
}

function refusedImage(desk: Workspace, command: "image.next" | "image.previous"): string | null {
  const { next, previous } = desk.opened.image;
  if (command === "image.next") return next === null ? t("This is the last image of the project.") : null;
  return previous === null ? t("This is the first image of the project.") : null;
}

function refusedTool(desk: Workspace, tool: ToolName): string | null {
  if (!desk.offers(tool)) return t("This study does not offer this tool here.");
  if (!desk.canWrite && !desk.isForLooking(tool)) return readOnly(desk);
  return null;
}

function refusedCell(desk: Workspace, command: Command): string | null {
  const attribute = command.startsWith("attribute.");
  if (attribute && !desk.attributes.declared[Number(command.at(-1)) - 1])
    return t("This project has no attribute with this key.");
  if (desk.many.length && TOGETHER.has(command)) return refusedMany(desk, command);
  if (desk.selected >= 0) return refusedSelected(desk, command, desk.selected);
  return desk.many.length ? t("Select one cell for this.") : nothingSelected(command);
}

function refusedSelected(desk: Workspace, command: Command, row: number): string | null {
  const { cells } = desk;
  if (cells.kindOf(row) === "region" && !TO_A_REGION.has(command))
    return t("A region has no verdict, class or mask. Del deletes it.");
  const whose = foreign(desk, row);
  if (whose) return whose;
  if (cells.isProposal(row)) return refusedProposal(desk, command, row);
  if (cells.statusOf(row) === "rejected" && !isVerdict(command) && command !== "cell.delete")
    return t("This cell is rejected. A accepts it after all.");
  return unoffered(desk, command);
}

function refusedMany(desk: Workspace, command: Command): string | null {
  if (command === "cell.delete" || desk.many.some((row) => desk.isOwnCell(row))) return null;
  return t("Attributes are given to cells: accept these proposals first.");
}

function refusedProposal(desk: Workspace, command: Command, row: number): string | null {
  if (command === "cell.delete") return t("A proposal is not deleted but rejected: X.");
  const isOpen = desk.cells.isUndecided(row);
  if (isVerdict(command)) return null;
  if (!isOpen) return t("This proposal is rejected. A accepts it after all.");
  if (command === "cell.snap")
    return t("Only a box of a cell is fitted. Accept this proposal, or edit its mask: E.");
  return unoffered(desk, command);
}

/** A study's arm has its own tools. */
function unoffered(desk: Workspace, command: Command): string | null {
  const isMissing =
    (command === "cell.edit" && !desk.offers("brush")) ||
    (command === "cell.snap" && !desk.offers("smart")) ||
    (command === "cell.copy" && !desk.offers("stamp"));
  return isMissing ? t("This study does not offer this tool here.") : null;
}

const isVerdict = (command: Command): boolean =>
  command === "review.accept" || command === "review.reject" || command === "cell.cannot_tell";

function nothingSelected(command: Command): string {
  if (isVerdict(command)) return t("Select a cell or a proposal first. Tab goes to the next open proposal.");
  return t("Select a cell first: V and a click.");
}

/** Whose a cell is that this person may only look at; null for cells of the own layer and for proposals. */
export function foreign(desk: Workspace, row: number): string | null {
  const { cells } = desk;
  if (row < 0 || cells.isMine(row) || cells.isProposal(row)) return null;
  const layer = desk.opened.layers[cells.layer[row]];
  if (layer?.annotator)
    return t("This is {name}'s reading; you can look at it but not change it.", {
      name: layer.annotator.name,
    });
  return t("This cell belongs to another layer ({layer}); you can look at it but not change it.", {
    layer: layer ? t(LAYER_WORDS[layer.kind]) : "",
  });
}

/** Why nothing is written on this image. */
export function readOnly(desk: Workspace): string {
  const { project } = desk.opened;
  if (project.archived_at)
    return t("This project is archived: you can look, and nothing is changed until it is restored.");
  if (project.role === "viewer")
    return t("Your role in this project is viewer: you can look at the cells but not change them.");
  return t("You can look at this image but not change it.");
}

/** Why a class key does nothing to what is selected; null: it does. */
export function refusedClass(desk: Workspace): string | null {
  if (!desk.canWrite) return readOnly(desk);
  const { cells, selected: row } = desk;
  if (row < 0) return null;
  const whose = foreign(desk, row);
  if (whose) return whose;
  const isRejected = cells.isProposal(row) ? !cells.isUndecided(row) : cells.statusOf(row) === "rejected";
  return isRejected ? t("This cell is rejected and has no class. A accepts it after all.") : null;
}
