/** The comments of the image: open threads, a new one, replies. */
import { t } from "../locale/locale";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Thread } from "../scene/contract";
import { CommandButton, type Ui } from "./parts";

export function CommentsTab({ ui }: { ui: Ui }) {
  const { comments } = ui.editor;
  useEffect(() => void comments.seen(), [comments, comments.threads]);
  const resolved = comments.threads.length - comments.open.length;
  return (
    <div class="bw-tab" role="tabpanel" data-testid="comments">
      {comments.draft ? <NewThread ui={ui} /> : <Begin ui={ui} />}
      {!comments.shown.length && <p class="empty-state">{t("No open comment on this image.")}</p>}
      {comments.shown.map((thread) => (
        <ThreadCard key={thread.id} ui={ui} thread={thread} />
      ))}
      {resolved > 0 && (
        <button
          type="button"
          class="bw-link"
          onClick={() => (comments.showResolved = !comments.showResolved)}
        >
          {comments.showResolved ? t("Hide resolved ones") : t("Show {n} resolved", { n: resolved })}
        </button>
      )}
    </div>
  );
}

function Begin({ ui }: { ui: Ui }) {
  if (!ui.editor.comments.isPossible) return null;
  return (
    <CommandButton ui={ui} command="comment.new">
      {t("Comment")}
    </CommandButton>
  );
}

function NewThread({ ui }: { ui: Ui }) {
  const { comments } = ui.editor;
  const { draft } = comments;
  if (!draft) return null;
  return (
    <Write
      label={t("New comment, {about}", { about: comments.about(draft) })}
      button={t("Send")}
      text={comments.text}
      onText={(text) => (comments.text = text)}
      focusFor={draft}
      onSend={async () => {
        if (await comments.send()) ui.focus();
      }}
      onCancel={() => {
        comments.discard();
        ui.focus();
      }}
    />
  );
}

function Reply({ ui, thread }: { ui: Ui; thread: Thread }) {
  const [text, setText] = useState("");
  const send = async () => {
    if (await ui.editor.comments.reply(thread, text)) setText("");
  };
  return <Write label={t("Reply")} button={t("Reply")} text={text} onText={setText} onSend={send} />;
}

function ThreadCard({ ui, thread }: { ui: Ui; thread: Thread }) {
  const { comments } = ui.editor;
  return (
    <article class="panel-card" id={`comment-${thread.id}`}>
      <button type="button" class="bw-link" onClick={() => comments.show(thread)}>
        {comments.about(thread)}
      </button>
      {thread.comments.map((one) => (
        <p key={one.id} class="bw-comment">
          <strong>{one.author.name}</strong>{" "}
          <time class="bw-muted" dateTime={one.made_at}>
            {new Date(one.made_at).toLocaleString()}
          </time>
          <br />
          {one.text}
        </p>
      ))}
      {comments.isPossible && !thread.resolved_at && <Reply ui={ui} thread={thread} />}
      {comments.isPossible && (
        <button type="button" class="button is-quiet" onClick={() => void comments.resolve(thread)}>
          {thread.resolved_at ? t("Reopen") : t("Resolve")}
        </button>
      )}
    </article>
  );
}

type Writing = {
  label: string;
  button: string;
  text: string;
  onText: (text: string) => void;
  /** The field takes the focus when this changes, and never otherwise: who goes on drawing keeps the keys. */
  focusFor?: object;
  onSend: () => Promise<void>;
  onCancel?: () => void;
};

/** Enter with Ctrl sends, as everywhere where several lines may be written. */
function Write({ label, button, text, onText, focusFor, onSend, onCancel }: Writing) {
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (focusFor) field.current?.focus();
  }, [focusFor]);
  const canSend = text.trim() !== "" && !isBusy;
  const send = async () => {
    if (!canSend) return; // a key that is held down sends once
    setBusy(true);
    await onSend();
    setBusy(false);
  };
  return (
    <form
      class="bw-stack"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label class="bw-field">
        {label}
        <textarea
          rows={3}
          maxLength={4000}
          value={text}
          ref={field}
          onInput={(event) => onText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void send();
            if (event.key === "Escape") onCancel?.();
          }}
        />
      </label>
      <div class="bw-row">
        <button class="button" disabled={!canSend}>
          {button}
        </button>
        {onCancel && (
          <button type="button" class="button is-quiet" onClick={onCancel}>
            {t("Cancel")}
          </button>
        )}
      </div>
    </form>
  );
}
