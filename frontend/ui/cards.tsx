/** A mask under the brush; a cell that somebody else changed too. */
import { mark, t } from "../locale/locale";
import type { Conflict } from "../sync/verdicts";
import { CommandButton, type Ui } from "./parts";
import { ConstraintLines } from "./tool_cards";

export function EditPanel({ ui }: { ui: Ui }) {
  const editing = ui.editor.store.editing;
  if (!editing) return null;
  return (
    <section class="panel-card is-stacked is-info" aria-label={t("Editing a mask")}>
      <strong>{t("Editing the mask")}</strong>
      <div class="bw-row">
        <CommandButton ui={ui} command="edit.swap" pressed={editing.subtract}>
          {editing.constraint
            ? t(editing.subtract ? mark("Background") : mark("Cell"))
            : t(editing.subtract ? mark("Subtracting") : mark("Adding"))}
        </CommandButton>
        <CommandButton ui={ui} command="edit.smaller">
          −
        </CommandButton>
        <CommandButton ui={ui} command="edit.larger">
          +
        </CommandButton>
        <span class="bw-muted bw-number">{(2 * ui.editor.store.brushRadius).toFixed(1)} px</span>
      </div>
      <CommandButton ui={ui} command="edit.refusion" pressed={editing.constraint !== null}>
        {t("Fix pixels, fuse the rest")}
      </CommandButton>
      {editing.constraint ? (
        <ConstraintLines constraint={editing.constraint} />
      ) : (
        <p class="bw-muted bw-note">{t("Drag to paint, Alt subtracts, Shift + wheel changes the size.")}</p>
      )}
      <div class="bw-row">
        <CommandButton ui={ui} command="edit.commit" kind="is-primary">
          {t("Keep")}
        </CommandButton>
        <CommandButton ui={ui} command="cancel">
          {t("Discard changes")}
        </CommandButton>
      </div>
    </section>
  );
}

const whatHappened = (isThere: boolean): string =>
  isThere
    ? t("This cell was changed elsewhere while you changed it")
    : t("This cell was deleted elsewhere while you changed it");

const whoDidWhat = (name: string, isThere: boolean): string =>
  isThere
    ? t("{name} changed this cell while you did", { name })
    : t("{name} deleted this cell while you did", { name });

export function ConflictCard({ ui, conflict }: { ui: Ui; conflict: Conflict }) {
  const { cells } = ui.editor.store;
  const row = cells.rowOf(conflict.annotation);
  const theirs = conflict.theirs.state;
  const { by } = conflict;
  return (
    <section class="panel-card is-stacked is-danger" aria-label={t("Conflict")} data-testid="conflict">
      <strong>{by === null ? whatHappened(theirs !== null) : whoDidWhat(by, theirs !== null)}</strong>
      <p class="bw-muted bw-note">{t("Nothing was overwritten. The picture shows your version.")}</p>
      <div class="bw-row">
        <button
          type="button"
          class="button"
          disabled={row < 0}
          onClick={() => cells.isShown(row) && ui.editor.selection.select(row, true)}
        >
          {t("Show")}
        </button>
        <button type="button" class="button" onClick={() => ui.editor.store.settleConflict(conflict, "mine")}>
          {t("Keep mine")}
        </button>
        <button
          type="button"
          class="button"
          onClick={() => ui.editor.store.settleConflict(conflict, "theirs")}
        >
          {t("Take theirs")}
        </button>
      </div>
    </section>
  );
}
