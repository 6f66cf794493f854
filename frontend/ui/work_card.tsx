/** Whose turn it is with this image, and what this person may do about it. */
import { mark, t } from "../locale/locale";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ItemState } from "../scene/contract";
import { siteBase } from "../sync/addresses";
import { CommandButton, type Ui } from "./parts";

const STATE_WORDS: Record<ItemState, string> = {
  to_do: mark("to do"),
  in_work: mark("in work"),
  in_review: mark("in review"),
  sent_back: mark("sent back"),
  done: mark("done"),
};
const ENDED_WORDS = {
  finished: mark("Finished."),
  skipped: mark("Skipped. Somebody else gets this image."),
  released: mark("Handed back to the queue."),
  accepted: mark("Accepted. This image is done."),
  sent_back: mark("Sent back to its readers."),
} as const;

export function WorkCard({ ui }: { ui: Ui }) {
  const { finish } = ui.editor;
  const { work } = finish;
  if (!work) return null;
  return (
    <section
      class="panel-card is-stacked is-info"
      aria-label={t("This image in the workflow")}
      data-testid="work"
    >
      <div class="bw-row">
        <span class="badge">{t(STATE_WORDS[work.state])}</span>
        {work.place && !finish.ended && (
          <span class="bw-muted bw-number">
            {t("image {n} of {of}", { n: work.place.number, of: work.place.of })}
          </span>
        )}
      </div>
      {work.comment && <p class="bw-note">{t("Sent back: {comment}", { comment: work.comment })}</p>}
      {finish.ended ? <AfterEnd ui={ui} /> : <Actions ui={ui} />}
    </section>
  );
}

function AfterEnd({ ui }: { ui: Ui }) {
  const { finish } = ui.editor;
  if (!finish.ended) return null;
  const isReview = finish.ended === "accepted" || finish.ended === "sent_back";
  const isLast = !isReview && finish.left === 0;
  return (
    <>
      <p role="status">
        {t(ENDED_WORDS[finish.ended])} {isLast && t("Nothing is left for you here.")}
      </p>
      {isLast ? (
        <a class="button is-primary" href={siteBase()}>
          {t("My work")}
        </a>
      ) : (
        <CommandButton ui={ui} command="work.next" kind="is-primary">
          {isReview ? t("Next review") : t("Next image")}
        </CommandButton>
      )}
    </>
  );
}

function Actions({ ui }: { ui: Ui }) {
  const { finish } = ui.editor;
  const [asks, setAsks] = useState<"skip" | "send_back" | null>(null);
  if (asks) return <Why ui={ui} act={asks} onEnd={() => setAsks(null)} />;
  return (
    <div class="bw-row">
      {finish.main && (
        <CommandButton ui={ui} command="work.finish" kind="is-primary" disabled={finish.busy}>
          {finish.main === "finish" ? t("Finish") : t("Accept image")}
        </CommandButton>
      )}
      {finish.may("begin") && (
        <button type="button" class="button" onClick={() => void finish.act("begin", {})}>
          {t("Take this image")}
        </button>
      )}
      {finish.may("send_back") && (
        <button type="button" class="button" onClick={() => setAsks("send_back")}>
          {t("Send back …")}
        </button>
      )}
      {finish.may("skip") && (
        <button type="button" class="button is-quiet" onClick={() => setAsks("skip")}>
          {t("Skip …")}
        </button>
      )}
      {finish.may("release") && (
        <button type="button" class="button is-quiet" onClick={() => void finish.act("release", {})}>
          {t("Hand back")}
        </button>
      )}
    </div>
  );
}

/** Skipping and sending back need a reason. */
function Why({ ui, act, onEnd }: { ui: Ui; act: "skip" | "send_back"; onEnd: () => void }) {
  const [text, setText] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const label = act === "skip" ? t("Why do you skip it?") : t("What should be changed?");
  const send = () => {
    void ui.editor.finish.act(act, act === "skip" ? { reason: text } : { comment: text });
    onEnd();
    ui.focus();
  };
  return (
    <form
      class="bw-stack"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="bw-field">
        {label}
        <textarea
          rows={2}
          maxLength={2000}
          value={text}
          ref={field}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="bw-row">
        <button class="button is-primary" disabled={!text.trim()}>
          {act === "skip" ? t("Skip") : t("Send back")}
        </button>
        <button type="button" class="button" onClick={onEnd}>
          {t("Cancel")}
        </button>
      </div>
    </form>
  );
}
