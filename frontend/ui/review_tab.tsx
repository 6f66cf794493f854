/** Proposals to judge, in the order of review. */
import { mark, t } from "../locale/locale";
import { REASONS } from "../scene/contract";
import { LongList } from "./list";
import { CommandButton, AttributeLines, Classes, Key, type Ui } from "./parts";
import { emptyReview, REASON_WORDS, STATUS_WORDS } from "../editor/words";

export function ReviewTab({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const counts = editor.store.counts;
  if (!counts.proposals) return <NoProposals ui={ui} />;
  const rows = editor.review.inOrder();
  const decided = counts.proposals - counts.undecided;
  const rejection = editor.review.rejected === null ? -1 : editor.store.cells.rowOf(editor.review.rejected);
  const canJudge =
    (editor.store.onProposal || editor.review.decidedRow() >= 0) &&
    editor.store.canWrite &&
    !editor.store.editing;
  const reason = rejection >= 0 ? editor.store.cells.reasonOf(rejection) : "";
  return (
    <div class="bw-tab" role="tabpanel">
      <div class="progress-line">
        <span>
          <strong class="bw-number">{counts.undecided}</strong> {t("to judge")}
        </span>
        <span class="bw-muted bw-number">
          {t("{n} of {all} decided", { n: decided, all: counts.proposals })}
        </span>
        <progress value={decided} max={counts.proposals} aria-label={t("Decided proposals")} />
      </div>
      <div class="bw-row">
        <CommandButton ui={ui} command="review.accept" kind="is-primary" disabled={!canJudge}>
          {t("Accept")}
        </CommandButton>
        <CommandButton ui={ui} command="review.reject" disabled={!canJudge}>
          {t("Reject")}
        </CommandButton>
        <CommandButton ui={ui} command="cell.edit" disabled={!canJudge}>
          {t("Edit")}
        </CommandButton>
        <CommandButton ui={ui} command="cell.cannot_tell" disabled={!canJudge}>
          {t("Cannot tell")}
        </CommandButton>
      </div>
      {editor.store.onProposal && (
        <Classes
          ui={ui}
          current={
            editor.review.proposalClass ?? (editor.store.cells.labelClass[editor.store.selected] || null)
          }
        />
      )}
      {editor.store.onProposal && <AttributeLines ui={ui} />}
      {rejection >= 0 && editor.store.cells.live[rejection] === 1 && (
        <div class="bw-reasons" role="group" aria-label={t("Why was it rejected?")}>
          <span class="bw-muted">{t("Why rejected? (may stay open)")}</span>
          {REASONS.map((r) => (
            <button
              key={r}
              type="button"
              class="choice-button"
              aria-pressed={reason === r}
              onClick={() => editor.review.giveReason(r)}
            >
              {t(REASON_WORDS[r])}
            </button>
          ))}
        </div>
      )}
      {editor.store.canWrite && counts.undecided > 0 && (
        <CommandButton ui={ui} command="review.viewed" kind="bw-wide">
          {t("Accept the rest in view")}
        </CommandButton>
      )}
      <label class="bw-field">
        {t("Order")}
        <select
          value={editor.review.order}
          onChange={(e) =>
            editor.review.setOrder(e.currentTarget.value === "uncertainty" ? "uncertainty" : "serpentine")
          }
        >
          <option value="serpentine">{t("through the field")}</option>
          <option value="uncertainty">{t("most doubtful first")}</option>
        </select>
        <span class="bw-muted">
          <Key ui={ui} command="review.next" /> {t("next")}
        </span>
      </label>
      <LongList
        rows={rows}
        current={editor.selection.selectedProposal()}
        label={t("Proposals")}
        onChoose={(row) => editor.selection.select(row, true)}
        line={(row, i) => <ProposalLine ui={ui} row={row} index={i} />}
      />
    </div>
  );
}

/** Why there is nothing to judge: no round has predicted this image, or one did and proposed nothing. */
function NoProposals({ ui }: { ui: Ui }) {
  const published = ui.editor.store.publication?.publication ?? null;
  return (
    <div class="empty-state" role="tabpanel">
      {emptyReview(published).map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
    </div>
  );
}

function ProposalLine({ ui, row, index }: { ui: Ui; row: number; index: number }) {
  const { cells } = ui.editor.store;
  const by = cells.decisionOf(row);
  const word = t(
    by < 0
      ? mark("to judge")
      : cells.statusOf(by) === "confirmed"
        ? mark("accepted")
        : STATUS_WORDS[cells.statusOf(by)],
  );
  const score = cells.score[row];
  return (
    <>
      <span class={`bw-mark is-${by < 0 ? "open" : cells.statusOf(by)}`} aria-hidden="true" />
      <span class="bw-number bw-muted">{index + 1}</span>
      <span class={by < 0 ? "bw-grow" : "bw-grow bw-muted"}>
        {word}
        {by >= 0 && cells.disputed[by] ? ` · ${t("disputed")}` : ""}
      </span>
      <span class="bw-number bw-muted" title={t("Share of doubt")}>
        {Number.isNaN(score) ? "" : score.toFixed(2)}
      </span>
    </>
  );
}
