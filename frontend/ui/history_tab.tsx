/** The history of the selected cell, or of the image: who, when, before and after, and the way back. */
import { t } from "../locale/locale";
import { useEffect } from "preact/hooks";
import type { AnnotationState, PastOperation } from "../scene/contract";
import { summaryOf } from "../scene/operation_summary";
import { wordsOf } from "../editor/operation_words";
import type { Store } from "../editor/store";
import { moment, viewWords } from "../editor/words";
import { OPINION_WORDS } from "./cell_card";
import type { Ui } from "./parts";
import { squareOver, StatePicture, stateWords } from "./state_picture";

export function HistoryTab({ ui }: { ui: Ui }) {
  const { past, store } = ui.editor;
  const row = shownRow(store);
  const annotation = row >= 0 ? store.cells.idOf(row) : null;
  const newest = row >= 0 ? store.cells.lastOp(row) : (store.log?.seq ?? 0);
  useEffect(() => void past.load(annotation), [past, annotation, newest]);
  return (
    <div class="bw-tab" role="tabpanel" data-testid="history">
      <Head ui={ui} annotation={annotation} />
      {past.failed && <p class="bw-warn">{t("The server does not answer. Try again.")}</p>}
      {past.operations?.length === 0 && (
        <p class="empty-state">
          {annotation ? t("Nobody has changed this cell.") : t("Nobody has drawn here yet.")}
        </p>
      )}
      <ol class="bw-history" aria-busy={past.isBusy}>
        {past.operations?.map((operation) => (
          <Entry key={operation.op_id} ui={ui} operation={operation} />
        ))}
      </ol>
      {past.hasMore && (
        <button type="button" class="button is-quiet" disabled={past.isBusy} onClick={() => void past.more()}>
          {t("Show earlier ones")}
        </button>
      )}
    </div>
  );
}

/** The selected annotation, or what decides the selected proposal; -1: none. */
function shownRow({ cells, selected, decidedRow }: Store): number {
  return selected >= 0 && cells.isProposal(selected) ? decidedRow : selected;
}

function Head({ ui, annotation }: { ui: Ui; annotation: string | null }) {
  if (annotation)
    return (
      <div class="bw-row">
        <strong class="bw-grow">{t("History of this cell")}</strong>
        <button type="button" class="button is-quiet" onClick={() => ui.editor.selection.select(-1)}>
          {t("Whole image")}
        </button>
      </div>
    );
  return (
    <div class="bw-row">
      <strong class="bw-grow">{t("History of this image")}</strong>
      <button
        type="button"
        class="button"
        disabled={!ui.editor.past.operations?.length}
        onClick={() => ui.overlays.toggle("playback")}
      >
        {t("Play back")}
      </button>
    </div>
  );
}

function Entry({ ui, operation }: { ui: Ui; operation: PastOperation }) {
  const { author, committed_at, effects, opinions, count } = operation;
  const more = count - effects.length - opinions.length;
  return (
    <li class="panel-card is-stacked">
      <p>
        <strong>{author.name}</strong>{" "}
        <time class="bw-muted" dateTime={committed_at} title={new Date(committed_at).toLocaleString()}>
          {moment(committed_at)}
        </time>
        <br />
        {operationWords(operation)}
        {operation.view && <span class="bw-muted"> · {viewWords(operation.view)}</span>}
      </p>
      {effects.map((effect) => (
        <Change key={effect.annotation} ui={ui} operation={operation} effect={effect} />
      ))}
      {opinions.map(({ annotation, after }) => (
        <p key={annotation} class="bw-muted">
          {after?.verdict ? t(OPINION_WORDS[after.verdict]) : t("opinion withdrawn")}
        </p>
      ))}
      {more > 0 && !ui.editor.past.annotation && (
        <p class="bw-muted">{t("and {n} more; select a cell to see its own history", { n: more })}</p>
      )}
    </li>
  );
}

function operationWords(operation: PastOperation): string {
  const { action, tool, effects, opinions, count } = operation;
  const changes = [
    ...effects.map((effect) => ({ ...effect, seen: null })),
    ...opinions.map((effect) => ({ ...effect, opinion: true, seen: null })),
  ];
  const summary = summaryOf({ action, tool, changes });
  const words = wordsOf({ ...summary, n: count });
  if (action === "undo") return t("undone: {operation}", { operation: words });
  return action === "redo" ? t("redone: {operation}", { operation: words }) : words;
}

type Shown = PastOperation["effects"][number];

function Change({ ui, operation, effect }: { ui: Ui; operation: PastOperation; effect: Shown }) {
  const square = squareOver([effect.before, effect.after]);
  return (
    <div class="bw-change">
      <Side
        ui={ui}
        operation={operation}
        effect={effect}
        state={effect.before}
        square={square}
        name={t("before")}
      />
      <Side
        ui={ui}
        operation={operation}
        effect={effect}
        state={effect.after}
        square={square}
        name={t("after")}
      />
    </div>
  );
}

type SideProps = {
  ui: Ui;
  operation: PastOperation;
  effect: Shown;
  state: AnnotationState | null;
  square: ReturnType<typeof squareOver>;
  name: string;
};

function Side({ ui, operation, effect, state, square, name }: SideProps) {
  const { past } = ui.editor;
  return (
    <figure>
      {state ? (
        <StatePicture ui={ui} state={state} square={square} />
      ) : (
        <span class="bw-state-picture is-absent">{t("not there")}</span>
      )}
      <figcaption>
        <span class="bw-muted">{name}</span> {state && stateWords(ui, state)}
        {state && past.canRestore(operation) && (
          <button
            type="button"
            class="bw-link"
            onClick={() => void past.restore(effect.annotation, state)}
            aria-label={t("Restore the cell as it was {when}", {
              when: `${name}, ${moment(operation.committed_at)}`,
            })}
          >
            {t("Restore")}
          </button>
        )}
      </figcaption>
    </figure>
  );
}
