/** Verdicts on proposals and on decided cells. */
import { unavailableOverrule } from "../editor/overrule";
import { mark, t } from "../locale/locale";
import { unavailableForCell, VERDICT, writing } from "./availability";
import { REASON_WORDS } from "../editor/words";
import { REASONS } from "../scene/contract";
import type { CommandRecord } from "./command";

/** Why the cell before was rejected, by the place of the reason in the list. */
const reason = (place: number) => {
  const chosen = REASONS[place - 1];
  return {
    sentence: REASON_WORDS[chosen],
    group: mark("Reason for rejecting the cell before"),
    keys: [`Alt+${place}`],
    scope: "review",
    whyNot: (store) => writing(store),
    run: ({ editor }) => {
      const { review, store } = editor;
      if (review.rejected === null) store.toasts.show(t("Reject a cell first; then give the reason."));
      else review.giveReason(chosen);
    },
  } as const satisfies CommandRecord;
};

export const REVIEW_COMMANDS = {
  "review.accept": {
    sentence: mark("Accept the proposal"),
    group: mark("Review"),
    keys: ["a"],
    scope: "review",
    inMenu: true,
    whyNot: (store) =>
      unavailableForCell(store, {
        ...VERDICT,
        whileEditing: mark("Enter keeps the edited mask; Esc leaves it as it was."),
      }),
    run: ({ editor }) => editor.accept(),
  },
  "review.reject": {
    sentence: mark("Reject the proposal"),
    group: mark("Review"),
    keys: ["x"],
    scope: "review",
    inMenu: true,
    whyNot: (store) => unavailableForCell(store, VERDICT),
    run: ({ editor }) => editor.reject(),
  },
  "review.overrule": {
    sentence: mark("Settle the dispute about this cell, by your opinion or as it is decided"),
    group: mark("Review"),
    keys: ["Shift+x"],
    scope: "review",
    whyNot: (store) => writing(store) ?? unavailableOverrule(store),
    run: ({ editor }) => editor.overrule(),
  },
  "review.reason_1": reason(1),
  "review.reason_2": reason(2),
  "review.reason_3": reason(3),
  "review.reason_4": reason(4),
  "review.reason_5": reason(5),
  "review.next": {
    sentence: mark("Next open proposal"),
    group: mark("Review"),
    keys: ["Tab"],
    scope: "canvas",
    run: ({ editor }) => editor.review.next(1),
  },
  "review.previous": {
    sentence: mark("Previous open proposal"),
    group: mark("Review"),
    keys: ["Shift+Tab"],
    scope: "canvas",
    run: ({ editor }) => editor.review.next(-1),
  },
  "review.viewed": {
    sentence: mark("Accept the rest in view, as viewed in bulk"),
    group: mark("Review"),
    keys: ["Shift+a"],
    scope: "canvas",
    whyNot: writing,
    run: ({ editor }) => editor.multiSelect.decideInView("accept"),
  },
  "review.reject_viewed": {
    sentence: mark("Reject the rest in view, as viewed in bulk"),
    group: mark("Review"),
    keys: ["Mod+Shift+x"],
    scope: "canvas",
    whyNot: writing,
    run: ({ editor }) => editor.multiSelect.decideInView("reject"),
  },
} as const satisfies Record<string, CommandRecord>;
