/** Back and forth, and sending. */
import { mark, t } from "../locale/locale";
import { writing } from "./availability";
import type { CommandRecord } from "./command";

export const HISTORY_COMMANDS = {
  "history.undo": {
    sentence: mark("Undo"),
    group: mark("Cells"),
    keys: ["Mod+z"],
    scope: "canvas",
    repeats: true,
    whyNot: writing,
    run: ({ editor, pointer }) => {
      // What is begun and not yet an act loses its last point first.
      if (!pointer.busy || !pointer.back()) editor.undo();
    },
  },
  "history.redo": {
    sentence: mark("Redo"),
    group: mark("Cells"),
    keys: ["Mod+Shift+z", "Mod+y"],
    scope: "canvas",
    repeats: true,
    whyNot: writing,
    run: ({ editor }) => editor.redo(),
  },
  "history.playback": {
    sentence: mark("Play back the work on this image"),
    group: mark("Cells"),
    keys: [],
    scope: "canvas",
    whyNot: ({ opened }) => (opened.study ? t("Fields of a study are not played back.") : null),
    run: ({ overlays }) => overlays.toggle("playback"),
  },
  "save.now": {
    sentence: mark("Send waiting changes now"),
    group: mark("Cells"),
    keys: ["Mod+s"],
    scope: "canvas",
    duringDrag: true,
    run: ({ editor: { store } }) => {
      if (store.outbox.count || store.save.kind !== "saved") void store.outbox.flush();
      else store.toasts.show(t("Everything is saved."));
    },
  },
} as const satisfies Record<string, CommandRecord>;
