/** Proposals to judge, in the order of review. */
import { mark, t } from "../locale/locale";
import type { Command } from "../commands";
import { REASONS } from "../scene/contract";
import { LongList } from "./list";
import { CommandButton, AttributeLines, Classes, Key, type Ui } from "./parts";
import { ProposeLinks } from "./proposing";
import { emptyReview, REASON_WORDS, STATUS_WORDS } from "../editor/words";

export function ReviewTab({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const { overview, canWrite } = editor.store;
  const { counts } = overview;
  if (!counts.proposals) return <NoProposals ui={ui} />;
  return (
    <div class="bw-tab" role="tabpanel">
      <Progress undecided={counts.undecided} all={counts.proposals} />
      <VerdictButtons ui={ui} />
      {canWrite && <ProposalValues ui={ui} />}
      {canWrite && counts.undecided > 0 && (
        <div class="bw-row">
          <CommandButton ui={ui} command="review.viewed">
            {t("Accept the rest in view")}
          </CommandButton>
          <CommandButton ui={ui} command="review.reject_viewed">
            {t("Reject the rest")}
          </CommandButton>
        </div>
      )}
      {counts.undecided === 0 && <AllDecided ui={ui} />}
      <OrderField ui={ui} />
      <div class="bw-list-head" aria-hidden="true">
        <span class="bw-grow">{t("Proposal")}</span>
        <span>{t("Doubt, 0 to 1")}</span>
      </div>
      <LongList
        rows={editor.review.inOrder()}
        current={editor.selection.selectedProposal()}
        label={t("Proposals")}
        onChoose={(row) => editor.selection.select(row, true)}
        line={(row, i) => <ProposalLine ui={ui} row={row} index={i} />}
      />
      <Reasons ui={ui} />
    </div>
  );
}

function Progress({ undecided, all }: { undecided: number; all: number }) {
  const decided = all - undecided;
  return (
    <div class="progress-line">
      <span>
        <strong class="bw-number">{undecided}</strong> {t("to judge")}
      </span>
      <span class="bw-muted bw-number">{t("{n} of {all} decided", { n: decided, all })}</span>
      <progress value={decided} max={all} aria-label={t("Decided proposals")} />
    </div>
  );
}

function VerdictButtons({ ui }: { ui: Ui }) {
  const { store } = ui.editor;
  const hasCell = store.onProposal || store.decidedRow >= 0;
  const disabled = !hasCell || !store.canWrite || store.editing !== null;
  return (
    <div class="bw-row">
      <CommandButton ui={ui} command="review.accept" kind="is-primary" disabled={disabled}>
        {t("Accept")}
      </CommandButton>
      <CommandButton ui={ui} command="review.reject" disabled={disabled}>
        {t("Reject")}
      </CommandButton>
      <CommandButton ui={ui} command="cell.edit" disabled={disabled}>
        {t("Edit")}
      </CommandButton>
      <CommandButton ui={ui} command="cell.cannot_tell" disabled={disabled}>
        {t("Cannot tell")}
      </CommandButton>
    </div>
  );
}

/** The class and the attributes that accepting would give the selected proposal; the class of new cells where none is
 *  selected, so that the list below does not move. */
function ProposalValues({ ui }: { ui: Ui }) {
  const { store, review } = ui.editor;
  const proposed = review.proposalClass ?? (store.cells.labelClass[store.selected] || null);
  return (
    <>
      <Classes ui={ui} current={store.onProposal ? proposed : (store.labelClass?.id ?? null)} />
      <AttributeLines ui={ui} />
    </>
  );
}

/** The image is done here: on to the next. Where there is a workflow its card does that. */
function AllDecided({ ui }: { ui: Ui }) {
  const { image, work } = ui.editor.store.opened;
  return (
    <div class="panel-card is-stacked is-ok" role="status">
      <p>{t("Every proposal of this image is decided.")}</p>
      {!work && image.next !== null && (
        <CommandButton ui={ui} command="image.next" kind="is-primary">
          {t("Next image")}
        </CommandButton>
      )}
    </div>
  );
}

const REASON_KEYS = [
  "review.reason_1",
  "review.reason_2",
  "review.reason_3",
  "review.reason_4",
  "review.reason_5",
] as const satisfies readonly Command[];

/** Why the cell before was rejected. */
function Reasons({ ui }: { ui: Ui }) {
  const { store, review } = ui.editor;
  const { cells } = store;
  const rejection = review.rejected === null ? -1 : cells.rowOf(review.rejected);
  if (rejection < 0 || !cells.live[rejection]) return null;
  return (
    <div class="bw-reasons" role="group" aria-label={t("Reason for rejecting the cell before")}>
      <span class="bw-muted">{t("Reason for rejecting (optional)")}</span>
      {REASONS.map((r, i) => (
        <button
          key={r}
          type="button"
          class="choice-button"
          aria-pressed={cells.reasonOf(rejection) === r}
          onClick={() => review.giveReason(r)}
        >
          {t(REASON_WORDS[r])} <Key ui={ui} command={REASON_KEYS[i]} />
        </button>
      ))}
    </div>
  );
}

function OrderField({ ui }: { ui: Ui }) {
  const { review } = ui.editor;
  const choose = (value: string) => review.setOrder(value === "uncertainty" ? "uncertainty" : "serpentine");
  return (
    <label class="bw-field">
      {t("Order")}
      <select value={review.order} onChange={(e) => choose(e.currentTarget.value)}>
        <option value="serpentine">{t("by place in the image")}</option>
        <option value="uncertainty">{t("most doubtful first")}</option>
      </select>
      <span class="bw-muted">
        <Key ui={ui} command="review.next" /> {t("next")}
      </span>
    </label>
  );
}

/** Why there is nothing to judge: no round has predicted this image, or one did and proposed nothing. */
function NoProposals({ ui }: { ui: Ui }) {
  const { opened, publication } = ui.editor.store;
  const published = publication?.publication ?? null;
  return (
    <div class="empty-state" role="tabpanel">
      {emptyReview(published).map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      {!opened.study && (
        <a class="button" href={`${opened.project.url}rounds/`}>
          {t("Rounds of this project")}
        </a>
      )}
      <ProposeLinks ui={ui} />
    </div>
  );
}

/** A confirmed cell that was a proposal is one that was accepted. */
const DECISION_WORDS = { ...STATUS_WORDS, confirmed: mark("accepted") };

function ProposalLine({ ui, row, index }: { ui: Ui; row: number; index: number }) {
  const { cells } = ui.editor.store;
  const by = cells.decisionOf(row);
  const decision = by < 0 ? null : cells.statusOf(by);
  const word = decision === null ? t("to judge") : t(DECISION_WORDS[decision]);
  const score = cells.score[row];
  return (
    <>
      <span class={`bw-mark is-${decision ?? "open"}`} aria-hidden="true" />
      <span class="bw-number bw-muted">{index + 1}</span>
      <span class={by < 0 ? "bw-grow" : "bw-grow bw-muted"}>
        {word}
        {by >= 0 && cells.disputed[by] ? ` · ${t("disputed")}` : ""}
      </span>
      {!Number.isNaN(score) && (
        <>
          <meter
            class="bw-doubt"
            min={0}
            max={1}
            low={0.33}
            high={0.66}
            optimum={0}
            value={score}
            aria-hidden="true"
          />
          <span class="bw-number bw-muted" title={t("Doubt, 0 to 1")}>
            {score.toFixed(2)}
          </span>
        </>
      )}
    </>
  );
}
