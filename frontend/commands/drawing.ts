/** What is done with something that is begun: an outline, or a mask that is edited. */
import { mark, t } from "../locale/locale";
import { writing } from "./availability";
import type { CommandRecord } from "./command";

/** A step of the brush's size, and of the zoom. */
export const [LARGER, SMALLER] = [1.25, 0.8];

export const DRAWING_COMMANDS = {
  "draw.keep": {
    sentence: mark("Keep, close the outline"),
    group: mark("While drawing"),
    keys: ["Enter"],
    scope: "draw",
    whyNot: writing,
    run: ({ pointer }) => pointer.complete(),
  },
  "draw.back": {
    sentence: mark("Without the last point"),
    group: mark("While drawing"),
    keys: ["Backspace"],
    scope: "draw",
    whyNot: writing,
    run: ({ editor, pointer }) => {
      if (!pointer.back()) editor.store.toasts.show(t("There is no last point to take back. Esc drops it."));
    },
  },
} as const satisfies Record<string, CommandRecord>;

export const MASK_COMMANDS = {
  "edit.refusion": {
    sentence: mark("Strokes fix pixels, the rest is fused again"),
    group: mark("Editing a mask"),
    keys: ["f"],
    scope: "edit",
    whyNot: writing,
    run: ({ editor }) => editor.maskEdit.refusion.toggle(),
  },
  "edit.commit": {
    sentence: mark("Keep the edited mask"),
    group: mark("Editing a mask"),
    keys: ["Enter"],
    scope: "edit",
    whyNot: writing,
    run: ({ editor }) => editor.maskEdit.commit(),
  },
  "edit.swap": {
    sentence: mark("Brush adds or subtracts"),
    group: mark("Editing a mask"),
    keys: ["s"],
    scope: "edit",
    whyNot: writing,
    run: ({ editor }) => editor.maskEdit.swap(),
  },
  "edit.larger": {
    sentence: mark("Larger brush"),
    group: mark("Editing a mask"),
    keys: ["+", "="],
    scope: "edit",
    repeats: true,
    whyNot: writing,
    duringDrag: true,
    run: ({ editor }) => editor.store.resizeBrush(LARGER),
  },
  "edit.smaller": {
    sentence: mark("Smaller brush"),
    group: mark("Editing a mask"),
    keys: ["-"],
    scope: "edit",
    repeats: true,
    whyNot: writing,
    duringDrag: true,
    run: ({ editor }) => editor.store.resizeBrush(SMALLER),
  },
} as const satisfies Record<string, CommandRecord>;
