/** The item that the image is, and comments. */
import { mark, t } from "../locale/locale";
import type { Store } from "../editor/store";
import type { CommandRecord } from "./command";

const MAIN_ACTIONS = ["finish", "accept"] as const;

/** Why there is nothing to finish here; null: there is. */
function unfinishable(store: Store): string | null {
  const { work } = store.opened;
  if (!work) return t("This project has no workflow, so no image is ever finished.");
  if (MAIN_ACTIONS.some((act) => work.actions.includes(act))) return null;
  return t("This image is not yours to finish at the moment. My work hands out the next one.");
}

export const WORK_COMMANDS = {
  "work.finish": {
    sentence: mark("Finish this image, or accept it in a review"),
    group: mark("Work"),
    keys: ["Mod+Enter"],
    scope: "canvas",
    whyNot: unfinishable,
    run: ({ editor }) => void editor.finish.finish(),
  },
  "work.next": {
    sentence: mark("Open the next image of my work"),
    group: mark("Work"),
    keys: ["Mod+Shift+Enter"],
    scope: "canvas",
    whyNot: ({ opened }) =>
      opened.work ? null : t("This project has no workflow, so it has no queue. ] opens the next image."),
    run: ({ editor, go }) => void editor.finish.next(go),
  },
  "guidelines.toggle": {
    sentence: mark("Show or hide the guidelines"),
    group: mark("Work"),
    keys: ["F1"],
    scope: "canvas",
    whyNot: ({ opened }) => (opened.study ? t("A study has its own instructions.") : null),
    run: ({ editor }) => editor.guidelines.toggle(),
  },
  "comment.new": {
    sentence: mark("Comment on the cell, the place or the image"),
    group: mark("Work"),
    keys: ["c"],
    scope: "canvas",
    inMenu: true,
    whyNot: ({ opened }) => {
      if (opened.study) return t("Fields of a study have no comments.");
      return opened.project.archived_at ? t("This project is archived; its comments can be read.") : null;
    },
    run: ({ editor }) => editor.comments.write(),
  },
} as const satisfies Record<string, CommandRecord>;
