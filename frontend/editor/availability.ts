/** Why a command has no effect now, in a sentence. Asked before every command, so that nothing that somebody presses is
 *  silently without effect (tests/availability.test.ts has the table). */
import { mark, t } from "../locale/locale";
import type { Command } from "../ui/keymap";
import { LAYER_WORDS } from "../ui/words";
import type { Editor } from "./editor";
import type { ToolName } from "../tools";

/** Commands that change nothing, or that explain themselves whatever is selected. */
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
const TO_SEVERAL: ReadonlySet<Command> = new Set<Command>([
  "cell.delete",
  "attribute.1",
  "attribute.2",
  "attribute.3",
  "attribute.4",
]);

/** What is done to a region as well as to a cell. */
const TO_A_REGION: ReadonlySet<Command> = new Set<Command>(["cell.delete", "cell.copy"]);
/** What these keys are answered with while a mask is edited. */
const WHILE_EDITING: Partial<Record<Command, string>> = {
  "review.accept": mark("Enter keeps the edited mask; Esc leaves it as it was."),
  "cell.edit": mark("You are editing this mask: Enter keeps it, Esc leaves it as it was."),
};

/** The sentence, or null: the command goes on. */
export function unavailable(editor: Editor, command: Command): string | null {
  if (command === "image.next" || command === "image.previous") return unavailableImage(editor, command);
  if (ALWAYS.has(command)) return null;
  if (command.startsWith("tool.")) return unavailableTool(editor, command.slice("tool.".length) as ToolName);
  if (!editor.canWrite) return readOnly(editor);
  const answer = editor.editing ? WHILE_EDITING[command] : undefined;
  if (answer) return t(answer);
  if (TO_A_CELL.has(command)) return unavailableForCell(editor, command);
  return null;
}

function unavailableImage(editor: Editor, command: "image.next" | "image.previous"): string | null {
  const { next, previous } = editor.opened.image;
  if (command === "image.next") return next === null ? t("This is the last image of the project.") : null;
  return previous === null ? t("This is the first image of the project.") : null;
}

function unavailableTool(editor: Editor, tool: ToolName): string | null {
  if (!editor.offers(tool)) return t("This study does not offer this tool here.");
  if (!editor.canWrite && !editor.isForLooking(tool)) return readOnly(editor);
  return null;
}

function unavailableForCell(editor: Editor, command: Command): string | null {
  const attribute = command.startsWith("attribute.");
  if (attribute && !editor.attributes.declared[Number(command.at(-1)) - 1])
    return t("This project has no attribute with this key.");
  if (editor.multiSelected.length && TO_SEVERAL.has(command)) return unavailableForMany(editor, command);
  if (editor.selected >= 0) return unavailableForSelected(editor, command, editor.selected);
  return editor.multiSelected.length ? t("Select one cell for this.") : nothingSelected(command);
}

function unavailableForSelected(editor: Editor, command: Command, row: number): string | null {
  const { cells } = editor;
  if (cells.kindOf(row) === "region" && !TO_A_REGION.has(command))
    return t("A region has no verdict, class or mask. Del deletes it.");
  const whose = foreign(editor, row);
  if (whose) return whose;
  if (cells.isProposal(row)) return unavailableForProposal(editor, command, row);
  if (cells.statusOf(row) === "rejected" && !isVerdict(command) && command !== "cell.delete")
    return t("This cell is rejected. A accepts it after all.");
  return unoffered(editor, command);
}

function unavailableForMany(editor: Editor, command: Command): string | null {
  if (command === "cell.delete" || editor.multiSelected.some((row) => editor.isOwnCell(row))) return null;
  return t("Attributes are given to cells: accept these proposals first.");
}

function unavailableForProposal(editor: Editor, command: Command, row: number): string | null {
  if (command === "cell.delete") return t("A proposal is not deleted but rejected: X.");
  const isOpen = editor.cells.isUndecided(row);
  if (isVerdict(command)) return null;
  if (!isOpen) return t("This proposal is rejected. A accepts it after all.");
  if (command === "cell.snap")
    return t("Only a box of a cell is fitted. Accept this proposal, or edit its mask: E.");
  return unoffered(editor, command);
}

/** A study's arm has its own tools. */
function unoffered(editor: Editor, command: Command): string | null {
  const isMissing =
    (command === "cell.edit" && !editor.offers("brush")) ||
    (command === "cell.snap" && !editor.offers("smart")) ||
    (command === "cell.copy" && !editor.offers("stamp"));
  return isMissing ? t("This study does not offer this tool here.") : null;
}

const isVerdict = (command: Command): boolean =>
  command === "review.accept" || command === "review.reject" || command === "cell.cannot_tell";

function nothingSelected(command: Command): string {
  if (isVerdict(command)) return t("Select a cell or a proposal first. Tab goes to the next open proposal.");
  return t("Select a cell first: V and a click.");
}

/** Whose a cell is that this person may only look at; null for cells of the own layer and for proposals. */
export function foreign(editor: Editor, row: number): string | null {
  const { cells } = editor;
  if (row < 0 || cells.isMine(row) || cells.isProposal(row)) return null;
  const layer = editor.opened.layers[cells.layer[row]];
  if (layer?.annotator)
    return t("This is {name}'s reading; you can look at it but not change it.", {
      name: layer.annotator.name,
    });
  return t("This cell belongs to another layer ({layer}); you can look at it but not change it.", {
    layer: layer ? t(LAYER_WORDS[layer.kind]) : "",
  });
}

/** Why nothing is written on this image. */
export function readOnly(editor: Editor): string {
  const { project } = editor.opened;
  if (project.archived_at)
    return t("This project is archived: you can look, and nothing is changed until it is restored.");
  if (project.role === "viewer")
    return t("Your role in this project is viewer: you can look at the cells but not change them.");
  return t("You can look at this image but not change it.");
}

/** Why a class key does nothing to what is selected; null: it does. */
export function unavailableClass(editor: Editor): string | null {
  if (!editor.canWrite) return readOnly(editor);
  const { cells, selected: row } = editor;
  if (row < 0) return null;
  const whose = foreign(editor, row);
  if (whose) return whose;
  const isRejected = cells.isProposal(row) ? !cells.isUndecided(row) : cells.statusOf(row) === "rejected";
  return isRejected ? t("This cell is rejected and has no class. A accepts it after all.") : null;
}
