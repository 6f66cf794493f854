/** From where the picture is seen, other images, and help. */
import type { Editor } from "../editor/editor";
import { screenPoint, zoomAt } from "../geometry/frames";
import { mark, t } from "../locale/locale";
import type { CommandRecord, Context } from "./command";
import { showNextColours } from "../editor/colour_choice";
import { scaleOfPower } from "../editor/words";
import { LARGER, SMALLER } from "./drawing";

/** Of the picture, or of the brush where the chosen tool has one. */
function zoom(editor: Editor, factor: number): void {
  if (editor.toolbox.chosen.hasBrushSize) {
    editor.store.resizeBrush(factor);
    return;
  }
  const { camera, canvas } = editor.view;
  const middle = screenPoint(canvas.width / 2, canvas.height / 2);
  editor.view.moveTo(zoomAt(camera, middle, factor, editor.store.opened.image, canvas));
}

function goTo(image: number | null, go: Context["go"]): void {
  if (image !== null) go(image);
}

function standUpright({ view, store }: Editor): void {
  if (!view.standUpright()) store.toasts.show(t("The picture is shown as it was scanned already."));
}

function showNextSecond({ second, store }: Editor): void {
  if (second.image) second.next();
  else
    store.toasts.show(t("No second image is chosen. The View tab has the choice, for owners and managers."));
}

/** Escape: what was begun last ends first. */
function cancel({ editor, pointer, overlays }: Context): void {
  const { store } = editor;
  if (overlays.open) overlays.close();
  else if (pointer.cancel()) return;
  else if (store.editing) editor.maskEdit.cancel();
  else if (store.multiSelected.length) editor.selection.selectSeveral([]);
  else editor.selection.select(-1);
}

/** Of an objective, with the key that chooses it. */
const MAGNIFICATIONS = [
  [5, "Alt+1"],
  [10, "Alt+2"],
  [20, "Alt+3"],
  [40, "Alt+4"],
] as const;

function magnify(editor: Editor, power: number): void {
  const { um_per_px } = editor.store.opened.image;
  if (um_per_px === null) return; // whyNot explains it
  const { camera, canvas } = editor.view;
  const middle = screenPoint(canvas.width / 2, canvas.height / 2);
  const factor = scaleOfPower(power, um_per_px) / camera.scale;
  editor.view.moveTo(zoomAt(camera, middle, factor, editor.store.opened.image, canvas));
}

const magnification = (power: number, key: string): CommandRecord => ({
  sentence: MAGNIFY[power],
  group: mark("View"),
  keys: [key],
  scope: "canvas",
  duringDrag: true,
  whyNot: ({ opened }) =>
    opened.image.um_per_px === null
      ? t("The scale of this image is not known, so no magnification can be chosen. Settings has its scale.")
      : null,
  run: ({ editor }) => magnify(editor, power),
});
const MAGNIFY: Readonly<Record<number, string>> = {
  5: mark("View at 5×"),
  10: mark("View at 10×"),
  20: mark("View at 20×"),
  40: mark("View at 40×"),
};
type MagnificationName = `view.power_${(typeof MAGNIFICATIONS)[number][0]}`;
const MAGNIFICATION_COMMANDS = Object.fromEntries(
  MAGNIFICATIONS.map(([power, key]) => [`view.power_${power}`, magnification(power, key)]),
) as Record<MagnificationName, CommandRecord>;

export const VIEW_COMMANDS = {
  ...MAGNIFICATION_COMMANDS,
  "view.rotate_right": {
    sentence: mark("Rotate the picture to the right"),
    group: mark("View"),
    keys: ["Shift+r"],
    scope: "canvas",
    run: ({ editor }) => editor.view.rotate(1),
  },
  "view.rotate_left": {
    sentence: mark("Rotate the picture to the left"),
    group: mark("View"),
    keys: ["Shift+l"],
    scope: "canvas",
    run: ({ editor }) => editor.view.rotate(-1),
  },
  "view.flip_horizontal": {
    sentence: mark("Flip the picture left to right"),
    group: mark("View"),
    keys: ["Shift+h"],
    scope: "canvas",
    run: ({ editor }) => editor.view.mirror("horizontal"),
  },
  "view.flip_vertical": {
    sentence: mark("Flip the picture top to bottom"),
    group: mark("View"),
    keys: ["Shift+v"],
    scope: "canvas",
    run: ({ editor }) => editor.view.mirror("vertical"),
  },
  "view.upright": {
    sentence: mark("Show the picture as it was scanned"),
    group: mark("View"),
    keys: ["Shift+u"],
    scope: "canvas",
    run: ({ editor }) => standUpright(editor),
  },
  "view.second": {
    sentence: mark("Second image: side by side, over the picture, hidden"),
    group: mark("View"),
    keys: ["Shift+s"],
    scope: "canvas",
    run: ({ editor }) => showNextSecond(editor),
  },
  "view.peek": {
    sentence: mark("Hold: bare tissue"),
    group: mark("View"),
    keys: ["h"],
    scope: "canvas",
    duringDrag: true,
    inPalette: false,
    run: ({ viewport }) => (viewport.peeking = true),
  },
  "view.pan": {
    sentence: mark("Hold and drag: move the picture"),
    group: mark("View"),
    keys: ["Space"],
    scope: "canvas",
    duringDrag: true,
    inPalette: false,
    run: ({ pointer }) => pointer.setPanKey(true),
  },
  "view.boxes": {
    sentence: mark("Boxes of cells that have a mask"),
    group: mark("View"),
    keys: ["Shift+b"],
    scope: "canvas",
    duringDrag: true,
    run: ({ editor: { store } }) => (store.showBoxes = !store.showBoxes),
  },
  "view.colour_by": {
    sentence: mark("Colour cells by class, person, state, doubt or round"),
    group: mark("View"),
    keys: ["Shift+c"],
    scope: "canvas",
    duringDrag: true,
    run: ({ editor }) => showNextColours(editor.store),
  },
  "view.larger": {
    sentence: mark("Zoom in, larger brush"),
    group: mark("View"),
    keys: ["+", "="],
    scope: "canvas",
    repeats: true,
    duringDrag: true,
    run: ({ editor }) => zoom(editor, LARGER),
  },
  "view.smaller": {
    sentence: mark("Zoom out, smaller brush"),
    group: mark("View"),
    keys: ["-"],
    scope: "canvas",
    repeats: true,
    duringDrag: true,
    run: ({ editor }) => zoom(editor, SMALLER),
  },
  "view.fit": {
    sentence: mark("Whole image"),
    group: mark("View"),
    keys: ["0"],
    scope: "canvas",
    inMenu: true,
    duringDrag: true,
    run: ({ editor }) => editor.view.fitImage(),
  },
  "image.next": {
    sentence: mark("Next image"),
    group: mark("View"),
    keys: ["]", "f"],
    scope: "canvas",
    whyNot: ({ opened }) => (opened.image.next === null ? t("This is the last image of the project.") : null),
    run: ({ editor, go }) => goTo(editor.store.opened.image.next, go),
  },
  "image.previous": {
    sentence: mark("Previous image"),
    group: mark("View"),
    keys: ["[", "d"],
    scope: "canvas",
    whyNot: ({ opened }) =>
      opened.image.previous === null ? t("This is the first image of the project.") : null,
    run: ({ editor, go }) => goTo(editor.store.opened.image.previous, go),
  },
  "help.palette": {
    sentence: mark("Find a command or a name"),
    group: mark("View"),
    keys: ["Mod+k"],
    scope: "canvas",
    inPalette: false,
    run: ({ overlays }) => overlays.toggle("palette"),
  },
  "help.remap": {
    sentence: mark("Change the keys"),
    group: mark("View"),
    keys: ["Mod+,"],
    scope: "canvas",
    run: ({ overlays }) => overlays.toggle("remap"),
  },
  "help.keys": {
    sentence: mark("This list"),
    group: mark("View"),
    keys: ["?"],
    scope: "canvas",
    run: ({ overlays }) => overlays.toggle("sheet"),
  },
  cancel: {
    sentence: mark("Cancel, unselect"),
    group: mark("View"),
    keys: ["Escape"],
    scope: "canvas",
    duringDrag: true,
    inPalette: false,
    run: cancel,
  },
} as const satisfies Record<string, CommandRecord>;
