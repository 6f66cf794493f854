/** Cards of the current tool and of several selected cells: buttons for people who use a pen instead of keys. */
import { mark, t, tn } from "../locale/locale";
import { TOOLS } from "../tools";
import type { Constraint } from "../editor/edited_mask";
import { CommandButton, Classes, number, type Ui } from "./parts";

const MODES = [
  ["new", mark("New cell")],
  ["add", mark("Add")],
  ["subtract", mark("Subtract")],
] as const;

export function ToolCard({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const definition = TOOLS[editor.store.tool];
  if (!editor.store.canWrite && !definition.changesNothing) return null;
  if (editor.toolbox.chosen.hasModes) return <BrushCard ui={ui} />;
  const { hint } = definition;
  if (!hint) return null;
  return (
    <section class="panel-card is-stacked is-info" aria-label={t("Current tool")}>
      <p class="bw-muted bw-note">{t(hint)}</p>
      {editor.toolbox.tools[editor.store.tool].complete && (
        <div class="bw-row">
          <CommandButton ui={ui} command="draw.keep">
            {t("Keep")}
          </CommandButton>
          <CommandButton ui={ui} command="draw.back">
            {t("Back")}
          </CommandButton>
          <CommandButton ui={ui} command="cancel">
            {t("Drop")}
          </CommandButton>
        </div>
      )}
    </section>
  );
}

function BrushCard({ ui }: { ui: Ui }) {
  const { store } = ui.editor;
  return (
    <section class="panel-card is-stacked is-info" aria-label={t("Brush")}>
      <div class="bw-row" role="group" aria-label={t("What the brush does")}>
        {MODES.map(([mode, words]) => (
          <button
            key={mode}
            type="button"
            class="button"
            aria-pressed={store.brushMode === mode}
            onClick={() => (store.brushMode = mode)}
          >
            {t(words)}
          </button>
        ))}
        <span class="bw-muted bw-number">{(2 * store.brushRadius).toFixed(1)} px</span>
      </div>
      <p class="bw-muted bw-note">
        {t("Shift adds to the selected cell, Alt subtracts from it, + and − change the size.")}
      </p>
    </section>
  );
}

export function ManyCard({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const own = editor.store.multiSelected.filter((row) => editor.store.cells.isMine(row)).length;
  const open = editor.store.multiSelected.filter((row) => editor.store.cells.isUndecided(row));
  const seen = open.filter((row) => editor.store.seen.has(row)).length;
  return (
    <section class="panel-card is-stacked is-info" aria-label={t("Selected together")} data-testid="many">
      <strong>
        {tn(own, "{n} cell selected", "{n} cells selected")}
        {open.length > 0 &&
          `, ${tn(open.length, "{n} proposal ({seen} shown so far)", "{n} proposals ({seen} shown so far)", { seen })}`}
      </strong>
      {own > 0 && editor.store.canWrite && <Classes ui={ui} current={null} />}
      {editor.store.canWrite && (
        <div class="bw-row">
          {open.length > 0 && (
            <>
              <CommandButton ui={ui} command="many.accept" disabled={!seen}>
                {t("Accept")}
              </CommandButton>
              <CommandButton ui={ui} command="many.reject" disabled={!seen}>
                {t("Reject")}
              </CommandButton>
            </>
          )}
          {own > 1 && (
            <>
              <CommandButton ui={ui} command="many.merge">
                {t("Merge")}
              </CommandButton>
              <CommandButton ui={ui} command="many.nest">
                {t("Link to the cell around")}
              </CommandButton>
            </>
          )}
          {own > 0 && (
            <CommandButton ui={ui} command="cell.delete">
              {t("Delete")}
            </CommandButton>
          )}
        </div>
      )}
    </section>
  );
}

/** The proof of what the strokes gave, and why there is none when there is none. */
export function ConstraintLines({ constraint }: { constraint: Constraint }) {
  const { certificate: c, strokes, waiting, trouble } = constraint;
  return (
    <>
      <p class="bw-muted bw-note">
        {t(
          "What you paint is fixed: blue is cell, orange is background. Everything around it is fused again.",
        )}{" "}
        {tn(strokes.length, "{n} stroke", "{n} strokes")}
        {waiting ? ` · ${t("computing…")}` : ""}
      </p>
      {trouble && (
        <p class="bw-warn bw-note" role="alert">
          {trouble} {t("Only the painted pixels change.")}
        </p>
      )}
      {c && !trouble && (
        <p class={c.closed ? "bw-proof bw-note" : "bw-proof is-open bw-note"} data-testid="certificate">
          {c.closed ? t("Proven best under your strokes") : t("Not proven best")}: {t("flow")}{" "}
          {number(c.flow)}
          {c.flow === c.cut ? ` = ${t("cut")}` : ` ≠ ${t("cut")} ${number(c.cut)}`},{" "}
          {number(c.milliseconds, 1, " ms")}
        </p>
      )}
    </>
  );
}
