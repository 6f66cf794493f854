/** Where you are, whether it is saved, who else is here. */
import { t } from "../locale/locale";
import { type Command } from "../commands";
import { keyLabel } from "../commands/keymap";
import { type Ui } from "./parts";
import { saveWords } from "../editor/words";

export function TopBar({ ui }: { ui: Ui }) {
  return (
    <>
      <Where ui={ui} />
      <SaveState ui={ui} />
      <Corner ui={ui} />
    </>
  );
}

function Where({ ui }: { ui: Ui }) {
  const { image, project, study } = ui.editor.store.opened;
  return (
    <div class="bw-where">
      {study ? <span>{project.name}</span> : <a href={project.url}>{project.name}</a>}
      <span aria-hidden="true">▸</span>
      <strong title={image.name}>{image.name}</strong>
      <span class="bw-muted bw-number">
        {image.position}/{image.count}
      </span>
      <Step ui={ui} command="image.previous" to={image.previous} sign="‹" label={t("Previous image")} />
      <Step ui={ui} command="image.next" to={image.next} sign="›" label={t("Next image")} />
      {image.synthetic && <span class="badge">{t("synthetic")}</span>}
      <ReadOnly ui={ui} />
    </div>
  );
}

function ReadOnly({ ui }: { ui: Ui }) {
  const { opened, canWrite } = ui.editor.store;
  if (opened.project.removed_at)
    return (
      <span
        class="badge is-danger"
        data-testid="deleted"
        title={t("You can look at its cells. Nothing can be changed until an owner restores it.")}
      >
        {t("deleted, removed on {day}", { day: opened.project.removed_at.slice(0, 10) })}
      </span>
    );
  if (!opened.project.archived_at) return canWrite ? null : <span class="badge">{t("read only")}</span>;
  return (
    <span
      class="badge"
      data-testid="archived"
      title={t("You can look at its cells. Nothing can be changed until an owner or manager restores it.")}
    >
      {t("archived, read only")}
    </span>
  );
}

/** States of saving in which it is worth trying again at once. */
const WAITING: readonly string[] = ["offline", "signed_out", "rejected"];

function SaveState({ ui }: { ui: Ui }) {
  const { save: state, log, outbox } = ui.editor.store;
  const save = saveWords(state, log?.conflicts.length ?? 0, outbox.durable);
  return (
    <div class={`bw-save is-${save.tone}`} role="status" data-testid="save-state">
      <span class="bw-dot" aria-hidden="true" />
      {save.text}
      {WAITING.includes(state.kind) && (
        <button type="button" class="bw-link" onClick={() => ui.run("save.now")}>
          {t("Try now")}
        </button>
      )}
    </div>
  );
}

function Corner({ ui }: { ui: Ui }) {
  const { opened } = ui.editor.store;
  const people = ui.editor.liveUpdates.live?.people() ?? [];
  const others = people.filter((person) => person.id !== opened.person.id);
  return (
    <div class="bw-corner">
      {opened.project.records_activity && <Recorded />}
      {others.map((person) => (
        <span
          key={person.id}
          class="badge"
          data-testid="present"
          title={t("{name} looks at this image now", { name: person.name })}
        >
          {person.name}
        </span>
      ))}
      <span class="bw-muted">{opened.person.name}</span>
      <button
        type="button"
        class="bw-icon"
        title={t("Dark or light")}
        aria-label={t("Dark or light")}
        onClick={ui.toggleTheme}
      >
        ◐
      </button>
      <button
        type="button"
        class="bw-icon"
        title={t("Keys")}
        aria-label={t("Keys")}
        onClick={() => ui.run("help.keys")}
      >
        ?
      </button>
    </div>
  );
}

function Recorded() {
  const what = t("This project records when and how long its members work on each cell.");
  const how = t("It keeps pointer events, commands given by key, and what was in view; never what you type.");
  return (
    <span class="bw-muted" title={`${what} ${how}`}>
      <span class="bw-record" aria-hidden="true" /> {t("time is recorded")}
    </span>
  );
}

function Step(props: { ui: Ui; command: Command; to: number | null; sign: string; label: string }) {
  const key = keyLabel(props.ui.map.keysOf(props.command)[0]);
  return (
    <button
      type="button"
      class="bw-icon"
      disabled={props.to === null}
      title={`${props.label} (${key})`}
      aria-label={props.label}
      onClick={() => props.ui.run(props.command)}
    >
      {props.sign}
    </button>
  );
}
