/** The guidelines, beside the canvas. */
import { t } from "../locale/locale";
import { moment } from "../editor/words";
import { Key, type Ui } from "./parts";

export function GuidelinePanel({ ui }: { ui: Ui }) {
  const { guidelines } = ui.editor;
  if (!guidelines.isOpen) return null;
  return (
    <section class="bw-guideline" aria-label={t("Guidelines")} data-testid="guidelines">
      <header class="bw-row">
        <strong class="bw-grow">{t("Guidelines")}</strong>
        <button
          type="button"
          class="button is-quiet"
          onClick={() => {
            guidelines.toggle();
            ui.focus();
          }}
        >
          {t("Close")} <Key ui={ui} command="guidelines.toggle" />
        </button>
      </header>
      <Text ui={ui} />
    </section>
  );
}

function Text({ ui }: { ui: Ui }) {
  const { guidelines } = ui.editor;
  const { guideline } = guidelines;
  if (guidelines.failed) return <p class="bw-warn">{t("The server does not answer. Try again.")}</p>;
  if (!guideline) return <p class="bw-muted">{t("Nobody has written guidelines for this project yet.")}</p>;
  const { version, written_by, written_at, note } = guideline;
  return (
    <>
      <p class="bw-muted">
        {t("Version {n}, {name}, {time}", { n: version, name: written_by.name, time: moment(written_at) })}
        {note && ` · ${note}`}
      </p>
      {/* The server has made it from Markdown, without any HTML that somebody wrote (labeling/guidelines). */}
      <div class="prose" tabIndex={0} dangerouslySetInnerHTML={{ __html: guideline.html }} />
      {guideline.must_acknowledge && !guideline.is_acknowledged && (
        <button
          type="button"
          class="button is-primary"
          onClick={() => {
            void guidelines.acknowledge();
            ui.focus();
          }}
        >
          {t("I have read it")}
        </button>
      )}
    </>
  );
}
