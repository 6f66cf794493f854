/** Verdicts on proposals and on decided cells. */
import { unavailableOverrule } from "../editor/overrule";
import { mark } from "../locale/locale";
import { unavailableForCell, VERDICT, writing } from "./availability";
import type { CommandRecord } from "./command";

export const REVIEW_COMMANDS = {
  "review.accept": {
    sentence: mark("Accept the proposal"),
    group: mark("Review"),
    keys: ["a"],
    scope: "review",
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
    run: ({ editor }) => editor.multiSelect.acceptInView(),
  },
} as const satisfies Record<string, CommandRecord>;
