/** The status bar, the toasts and the list of keys. */
import { t, tn } from "../locale/locale";
import { ColourChoice } from "./legend";
import type { Ui } from "./parts";
import { siteBase } from "../sync/addresses";
import { scaleBar, shownWords, turnWords, zoomWords } from "../editor/words";

export function StatusBar({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const { image } = editor.store.opened;
  const counts = editor.store.overview.counts;
  const at = ui.cursor();
  const inside = at && at.x >= 0 && at.y >= 0 && at.x < image.width && at.y < image.height;
  const um = image.um_per_px;
  const turn = turnWords(editor.view.turn);
  const bar = scaleBar(editor.view.camera.scale, um);
  return (
    <>
      <span class="bw-number bw-cursor">{inside ? `x ${at.x.toFixed(1)}  y ${at.y.toFixed(1)} px` : ""}</span>
      <span class="bw-number">{zoomWords(editor.view.camera.scale, um)}</span>
      {turn && (
        <button type="button" class="bw-link" onClick={() => ui.run("view.upright")}>
          {turn}
        </button>
      )}
      <span class="bw-number">{um === null ? t("scale unknown") : `${um} µm/px`}</span>
      <span
        class="bw-bar"
        style={{ width: `${bar.length}px` }}
        aria-label={t("Scale bar {length}", { length: bar.label })}
      >
        {bar.label}
      </span>
      <span class="bw-grow" />
      <ColourChoice ui={ui} />
      <span class="bw-number" data-testid="counts">
        {tn(counts.cells, "{n} cell", "{n} cells")}
        {counts.points > 0 && ` (${tn(counts.points, "{n} point", "{n} points")})`} ·{" "}
        {t("{n} proposed", { n: counts.undecided })} · {tn(counts.regions, "{n} region", "{n} regions")}
        {counts.disputed > 0 && ` · ${t("{n} disputed", { n: counts.disputed })}`}
      </span>
      <span class="bw-muted" data-testid="shown">
        {shownWords(editor.store.hiddenLayers(), editor.store.overview.filtered, ui.density())}
      </span>
    </>
  );
}

export function Toasts({ ui }: { ui: Ui }) {
  return (
    <>
      {ui.editor.store.toasts.list.map((toast) => (
        <div key={toast.id} class="toast-card" role="status">
          {toast.text}
          {toast.undoes.length > 0 && (
            <button
              type="button"
              class="bw-link"
              onClick={() => {
                ui.editor.store.toasts.dismiss(toast.id);
                ui.editor.undoRedo.undoOperations(toast.undoes);
                ui.focus();
              }}
            >
              {t("Undo")}
            </button>
          )}
        </div>
      ))}
    </>
  );
}

export function KeySheet({ ui }: { ui: Ui }) {
  if (ui.overlays.open !== "sheet") return null;
  return (
    <section class="bw-sheet" aria-label={t("Keys")}>
      <header>
        <strong>{t("Keys")}</strong>
        {!ui.editor.store.opened.study && (
          <>
            <a href={`${siteBase()}help/keys/`}>{t("Sheet to print")}</a>
            <a href={`${siteBase()}help/`}>{t("Help")}</a>
          </>
        )}
        <button type="button" class="bw-icon" aria-label={t("Close")} onClick={() => ui.run("help.keys")}>
          ×
        </button>
      </header>
      <div class="bw-sheet-groups">
        {ui.map.sheet().map(({ group, rows }) => (
          <div key={group} class="bw-sheet-group">
            <h3>{group}</h3>
            <dl>
              {rows.map(({ label, keys }) => (
                <div key={label}>
                  <dt>{label}</dt>
                  <dd>
                    <kbd>{keys}</kbd>
                  </dd>
                </div>
              ))}
              {group === t("Cells") && (
                <div>
                  <dt>{t("Class")}</dt>
                  <dd>
                    <kbd>{t("1 to 9")}</kbd>
                  </dd>
                </div>
              )}
            </dl>
          </div>
        ))}
      </div>
    </section>
  );
}
