/** From where the picture is seen, other images, and help. */
import type { Editor } from "../editor/editor";
import { screenPoint, zoomAt } from "../geometry/frames";
import { mark, t } from "../locale/locale";
import type { CommandRecord, Context } from "./command";
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

/** Escape: what was begun last ends first. */
function cancel({ editor, pointer, overlays }: Context): void {
  const { store } = editor;
  if (overlays.open) overlays.close();
  else if (pointer.cancel()) return;
  else if (store.editing) editor.maskEdit.cancel();
  else if (store.multiSelected.length) editor.selection.selectSeveral([]);
  else editor.selection.select(-1);
}

export const VIEW_COMMANDS = {
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
    sentence: mark("Find a command"),
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
