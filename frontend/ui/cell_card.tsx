/** Whose the selected cell is, who has decided it, and what others say of it. */
import { mark, t } from "../locale/locale";
import { REASONS, type Opinion, type OpinionVerdict } from "../scene/contract";
import { contentOf, verdictOf } from "../scene/opinions";
import { Swatch, type Ui } from "./parts";
import { moment, REASON_WORDS } from "../editor/words";

const DECIDED: Record<OpinionVerdict, string> = {
  accepted: mark("{name} accepted this cell"),
  rejected: mark("{name} rejected this cell"),
  unsure: mark("{name} cannot tell what this cell is"),
};
const DRAWN = mark("{name} drew this cell");
export const OPINION_WORDS: Record<OpinionVerdict, string> = {
  accepted: mark("would accept"),
  rejected: mark("would reject"),
  unsure: mark("cannot tell"),
};

export function CellCard({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const { cells, selected } = editor.store;
  if (selected < 0 || editor.store.editing) return null;
  const reader = cells.isMine(selected) ? null : editor.store.opened.layers[cells.layer[selected]]?.annotator;
  if (reader) return <ReadingCard name={reader.name} />;
  const row = editor.store.decidedRow;
  return row < 0 ? null : <DecidedCard ui={ui} row={row} />;
}

function ReadingCard({ name }: { name: string }) {
  return (
    <section
      class="panel-card is-stacked is-info bw-cell"
      aria-label={t("The selected cell")}
      data-testid="cell"
    >
      <strong>{t("{name}'s reading", { name })}</strong>
      <p class="bw-muted bw-note">{t("You can look at it but not change it.")}</p>
    </section>
  );
}

function DecidedCard({ ui, row }: { ui: Ui; row: number }) {
  const { editor } = ui;
  const { cells } = editor.store;
  const verdict = verdictOf(cells.statusOf(row));
  const decider = cells.decider[row] || cells.author[row];
  const opinions = cells.opinions.on(cells.idOf(row));
  // With opinions, somebody may have settled a dispute about a drawn cell: then "accepted" is the true word.
  const isDrawn = verdict === "accepted" && cells.derivedFrom(row) === null && !opinions.length;
  const sentence = isDrawn ? DRAWN : DECIDED[verdict ?? "accepted"];
  return (
    <section
      class="panel-card is-stacked is-info bw-cell"
      aria-label={t("The selected cell")}
      data-testid="cell"
    >
      <strong>
        {decider > 0 && verdict ? t(sentence, { name: editor.store.nameOf(decider) }) : t("Decided")}
        {cells.disputed[row] ? ` · ${t("disputed")}` : ""}
      </strong>
      {opinions.length > 0 && (
        <ul class="bw-opinions" aria-label={t("Opinions")}>
          {opinions.map((opinion) => (
            <OpinionLine key={opinion.author.id} ui={ui} opinion={opinion} />
          ))}
        </ul>
      )}
      {editor.store.canWrite && !editor.review.isOwnDecision(row) && <OwnOpinion ui={ui} row={row} />}
    </section>
  );
}

function OpinionLine({ ui, opinion }: { ui: Ui; opinion: Opinion }) {
  if (opinion.verdict === "") return null;
  const label = opinion.label_class === null ? undefined : ui.editor.store.classOf(opinion.label_class);
  const parts = [
    t(OPINION_WORDS[opinion.verdict]),
    ...(label ? [label.name] : []),
    ...(opinion.reason ? [t(REASON_WORDS[opinion.reason])] : []),
    moment(opinion.given_at),
  ];
  return (
    <li>
      <span>{opinion.author.name}</span> <span class="bw-muted">{parts.join(" · ")}</span>
    </li>
  );
}

/** What this person may add to the own opinion: a reason for a no, a class for a yes. */
function OwnOpinion({ ui, row }: { ui: Ui; row: number }) {
  const { editor } = ui;
  const own = contentOf(
    editor.store.cells.opinions.by(editor.store.cells.idOf(row), editor.store.opened.person.id),
  );
  if (!own) return <p class="bw-muted bw-note">{t("A, X and K record your opinion beside the decision.")}</p>;
  if (own.verdict === "accepted")
    return (
      <div class="bw-chips" role="group" aria-label={t("Class in your opinion")}>
        {editor.store.offeredClasses.map((c) => (
          <button
            key={c.id}
            type="button"
            class="choice-button"
            aria-pressed={own.label_class === c.id}
            onClick={() => editor.review.giveOpinion(row, { label_class: c.id })}
          >
            <Swatch colour={c.color} />
            {c.name}
          </button>
        ))}
      </div>
    );
  return (
    <div class="bw-reasons" role="group" aria-label={t("Why, in your opinion?")}>
      {REASONS.map((reason) => (
        <button
          key={reason}
          type="button"
          class="choice-button"
          aria-pressed={own.reason === reason}
          onClick={() => editor.review.giveOpinion(row, { reason })}
        >
          {t(REASON_WORDS[reason])}
        </button>
      ))}
    </div>
  );
}
