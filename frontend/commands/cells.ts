/** What is done to selected cells. */
import { panBy } from "../geometry/frames";
import { stepFromPage } from "../geometry/turn";
import { mark } from "../locale/locale";
import { DELETE, unavailableAttribute, unavailableForCell, VERDICT, writing } from "./availability";
import type { CommandRecord, Context } from "./command";

/** An arrow key moves a cell by so many image pixels; with Shift. */
const [NUDGE, FAR_NUDGE] = [1, 10];
/** Or the view, by so many CSS pixels. */
const [PAN, FAR_PAN] = [60, 240];

/** Where no own cell is selected the view moves. The direction is the one that is seen. */
function move({ editor, shift }: Context, right: number, down: number): void {
  const { x: dx, y: dy } = stepFromPage({ x: right, y: down }, editor.view.turn);
  const far = shift ? FAR_NUDGE : NUDGE;
  if (editor.multiSelect.nudge(dx * far, dy * far)) return;
  const { camera, canvas } = editor.view;
  const step = shift ? FAR_PAN : PAN;
  editor.view.moveTo(panBy(camera, -dx * step, -dy * step, editor.store.opened.image, canvas));
}

export const CELL_COMMANDS = {
  "cell.delete": {
    sentence: mark("Delete"),
    group: mark("Cells"),
    keys: ["Delete", "Backspace"],
    scope: "canvas",
    inMenu: true,
    whyNot: (store) => unavailableForCell(store, DELETE),
    run: ({ editor }) => editor.remove(),
  },
  "cell.cannot_tell": {
    sentence: mark("Cannot tell"),
    group: mark("Cells"),
    keys: ["k"],
    scope: "canvas",
    inMenu: true,
    whyNot: (store) => unavailableForCell(store, VERDICT),
    run: ({ editor }) => editor.review.cannotTell(),
  },
  "cell.edit": {
    sentence: mark("Edit the mask"),
    group: mark("Cells"),
    keys: ["e"],
    scope: "canvas",
    inMenu: true,
    whyNot: (store) =>
      unavailableForCell(store, {
        needs: "brush",
        whileEditing: mark("You are editing this mask: Enter keeps it, Esc leaves it as it was."),
      }),
    run: ({ editor }) => editor.maskEdit.begin(),
  },
  "cell.snap": {
    sentence: mark("Snap the box to the edges of the cell"),
    group: mark("Cells"),
    keys: ["t"],
    scope: "canvas",
    inMenu: true,
    whyNot: (store) =>
      unavailableForCell(store, {
        needs: "smart",
        onOpenProposal: mark("Only a box of a cell is fitted. Accept this proposal, or edit its mask: E."),
      }),
    run: ({ editor }) => void editor.smart.snap(),
  },
  "attribute.1": {
    sentence: mark("Next value of the first attribute"),
    group: mark("Cells"),
    keys: ["i"],
    scope: "canvas",
    whyNot: (store) => unavailableAttribute(store, 0),
    run: ({ editor }) => editor.attributes.cycle(0),
  },
  "attribute.2": {
    sentence: mark("Next value of the second attribute"),
    group: mark("Cells"),
    keys: ["z"],
    scope: "canvas",
    whyNot: (store) => unavailableAttribute(store, 1),
    run: ({ editor }) => editor.attributes.cycle(1),
  },
  "attribute.3": {
    sentence: mark("Next value of the third attribute"),
    group: mark("Cells"),
    keys: ["y"],
    scope: "canvas",
    whyNot: (store) => unavailableAttribute(store, 2),
    run: ({ editor }) => editor.attributes.cycle(2),
  },
  "attribute.4": {
    sentence: mark("Next value of the fourth attribute"),
    group: mark("Cells"),
    keys: ["n"],
    scope: "canvas",
    whyNot: (store) => unavailableAttribute(store, 3),
    run: ({ editor }) => editor.attributes.cycle(3),
  },
  "cell.copy": {
    sentence: mark("Copy the box to the next place"),
    group: mark("Cells"),
    keys: ["Shift+d"],
    scope: "canvas",
    inMenu: true,
    whyNot: (store) => unavailableForCell(store, { needs: "stamp", alsoRegions: true }),
    run: ({ editor }) => editor.toolbox.copySize(),
  },
  "move.left": {
    sentence: mark("Move the cell, or the view: left"),
    group: mark("Moving"),
    keys: ["ArrowLeft"],
    scope: "canvas",
    repeats: true,
    run: (context) => move(context, -1, 0),
  },
  "move.right": {
    sentence: mark("Right"),
    group: mark("Moving"),
    keys: ["ArrowRight"],
    scope: "canvas",
    repeats: true,
    run: (context) => move(context, 1, 0),
  },
  "move.up": {
    sentence: mark("Up"),
    group: mark("Moving"),
    keys: ["ArrowUp"],
    scope: "canvas",
    repeats: true,
    run: (context) => move(context, 0, -1),
  },
  "move.down": {
    sentence: mark("Down"),
    group: mark("Moving"),
    keys: ["ArrowDown"],
    scope: "canvas",
    repeats: true,
    run: (context) => move(context, 0, 1),
  },
  "many.accept": {
    sentence: mark("Accept those that were shown"),
    group: mark("Selected together"),
    keys: ["a"],
    scope: "many",
    whyNot: writing,
    run: ({ editor }) => editor.multiSelect.accept(),
  },
  "many.reject": {
    sentence: mark("Reject those that were shown"),
    group: mark("Selected together"),
    keys: ["x"],
    scope: "many",
    whyNot: writing,
    run: ({ editor }) => editor.multiSelect.reject(),
  },
  "many.merge": {
    sentence: mark("Merge into one cell"),
    group: mark("Selected together"),
    keys: ["j"],
    scope: "many",
    inMenu: true,
    whyNot: writing,
    run: ({ editor }) => editor.multiSelect.merge(),
  },
  "many.nest": {
    sentence: mark("Link nuclei to the cell around them"),
    group: mark("Selected together"),
    keys: ["Shift+n"],
    scope: "many",
    inMenu: true,
    whyNot: writing,
    run: ({ editor }) => editor.attributes.nest(),
  },
} as const satisfies Record<string, CommandRecord>;
