/** Why a command has no effect now, in a sentence. Asked before every command, so that nothing that somebody presses is
 *  silently without effect (tests/availability.test.ts has the table). */
import { mark, t } from "../locale/locale";
import type { Command } from "../ui/keymap";
import { LAYER_WORDS } from "../ui/words";
import type { Store } from "./store";
import { TOOLS, type ToolName } from "../tools";

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
export function unavailable(store: Store, command: Command): string | null {
  if (command === "image.next" || command === "image.previous") return unavailableImage(store, command);
  if (ALWAYS.has(command)) return null;
  if (command.startsWith("tool.")) return unavailableTool(store, command.slice("tool.".length) as ToolName);
  if (!store.canWrite) return readOnly(store);
  const answer = store.editing ? WHILE_EDITING[command] : undefined;
  if (answer) return t(answer);
  if (TO_A_CELL.has(command)) return unavailableForCell(store, command);
  return null;
}

function unavailableImage(store: Store, command: "image.next" | "image.previous"): string | null {
  const { next, previous } = store.opened.image;
  if (command === "image.next") return next === null ? t("This is the last image of the project.") : null;
  return previous === null ? t("This is the first image of the project.") : null;
}

function unavailableTool(store: Store, tool: ToolName): string | null {
  if (!store.offers(tool)) return t("This study does not offer this tool here.");
  if (!store.canWrite && !TOOLS[tool].changesNothing) return readOnly(store);
  return null;
}

function unavailableForCell(store: Store, command: Command): string | null {
  const attribute = command.startsWith("attribute.");
  if (attribute && !store.opened.project.attributes?.[Number(command.at(-1)) - 1])
    return t("This project has no attribute with this key.");
  if (store.multiSelected.length && TO_SEVERAL.has(command)) return unavailableForMany(store, command);
  if (store.selected >= 0) return unavailableForSelected(store, command, store.selected);
  return store.multiSelected.length ? t("Select one cell for this.") : nothingSelected(command);
}

function unavailableForSelected(store: Store, command: Command, row: number): string | null {
  const { cells } = store;
  if (cells.kindOf(row) === "region" && !TO_A_REGION.has(command))
    return t("A region has no verdict, class or mask. Del deletes it.");
  const whose = foreign(store, row);
  if (whose) return whose;
  if (cells.isProposal(row)) return unavailableForProposal(store, command, row);
  if (cells.statusOf(row) === "rejected" && !isVerdict(command) && command !== "cell.delete")
    return t("This cell is rejected. A accepts it after all.");
  return unoffered(store, command);
}

function unavailableForMany(store: Store, command: Command): string | null {
  if (command === "cell.delete" || store.multiSelected.some((row) => store.isOwnCell(row))) return null;
  return t("Attributes are given to cells: accept these proposals first.");
}

function unavailableForProposal(store: Store, command: Command, row: number): string | null {
  if (command === "cell.delete") return t("A proposal is not deleted but rejected: X.");
  const isOpen = store.cells.isUndecided(row);
  if (isVerdict(command)) return null;
  if (!isOpen) return t("This proposal is rejected. A accepts it after all.");
  if (command === "cell.snap")
    return t("Only a box of a cell is fitted. Accept this proposal, or edit its mask: E.");
  return unoffered(store, command);
}

/** A study's arm has its own tools. */
function unoffered(store: Store, command: Command): string | null {
  const isMissing =
    (command === "cell.edit" && !store.offers("brush")) ||
    (command === "cell.snap" && !store.offers("smart")) ||
    (command === "cell.copy" && !store.offers("stamp"));
  return isMissing ? t("This study does not offer this tool here.") : null;
}

const isVerdict = (command: Command): boolean =>
  command === "review.accept" || command === "review.reject" || command === "cell.cannot_tell";

function nothingSelected(command: Command): string {
  if (isVerdict(command)) return t("Select a cell or a proposal first. Tab goes to the next open proposal.");
  return t("Select a cell first: V and a click.");
}

/** Whose a cell is that this person may only look at; null for cells of the own layer and for proposals. */
export function foreign(store: Store, row: number): string | null {
  const { cells } = store;
  if (row < 0 || cells.isMine(row) || cells.isProposal(row)) return null;
  const layer = store.opened.layers[cells.layer[row]];
  if (layer?.annotator)
    return t("This is {name}'s reading; you can look at it but not change it.", {
      name: layer.annotator.name,
    });
  return t("This cell belongs to another layer ({layer}); you can look at it but not change it.", {
    layer: layer ? t(LAYER_WORDS[layer.kind]) : "",
  });
}

/** Why nothing is written on this image. */
export function readOnly(store: Store): string {
  const { project } = store.opened;
  if (project.archived_at)
    return t("This project is archived: you can look, and nothing is changed until it is restored.");
  if (project.role === "viewer")
    return t("Your role in this project is viewer: you can look at the cells but not change them.");
  return t("You can look at this image but not change it.");
}

/** Why a class key does nothing to what is selected; null: it does. */
export function unavailableClass(store: Store): string | null {
  if (!store.canWrite) return readOnly(store);
  const { cells, selected: row } = store;
  if (row < 0) return null;
  const whose = foreign(store, row);
  if (whose) return whose;
  const isRejected = cells.isProposal(row) ? !cells.isUndecided(row) : cells.statusOf(row) === "rejected";
  return isRejected ? t("This cell is rejected and has no class. A accepts it after all.") : null;
}
