/** Where you are, whether it is saved, who else is here. */
import { t } from "../locale/locale";
import { type Command } from "../commands";
import { keyLabel } from "../commands/keymap";
import { type Ui } from "./parts";
import { saveWords } from "../editor/words";

export function TopBar({ ui }: { ui: Ui }) {
  const { image, project } = ui.editor.store.opened;
  const conflicts = ui.editor.store.log?.conflicts.length ?? 0;
  const save = saveWords(ui.editor.store.save, conflicts, ui.editor.store.outbox.durable);
  return (
    <>
      <div class="bw-where">
        {ui.editor.store.opened.study ? (
          <span>{project.name}</span>
        ) : (
          <a href={project.url}>{project.name}</a>
        )}
        <span aria-hidden="true">▸</span>
        <strong title={image.name}>{image.name}</strong>
        <span class="bw-muted bw-number">
          {image.position}/{image.count}
        </span>
        <Step ui={ui} command="image.previous" to={image.previous} sign="‹" label={t("Previous image")} />
        <Step ui={ui} command="image.next" to={image.next} sign="›" label={t("Next image")} />
        {image.synthetic && <span class="badge">{t("synthetic")}</span>}
        {project.archived_at ? (
          <span
            class="badge"
            data-testid="archived"
            title={t(
              "This project is archived: its cells can be seen, and nothing is changed until an owner or manager restores it.",
            )}
          >
            {t("archived, read only")}
          </span>
        ) : (
          !ui.editor.store.canWrite && <span class="badge">{t("read only")}</span>
        )}
      </div>
      <div class={`bw-save is-${save.tone}`} role="status" data-testid="save-state">
        <span class="bw-dot" aria-hidden="true" />
        {save.text}
        {(ui.editor.store.save.kind === "offline" ||
          ui.editor.store.save.kind === "signed_out" ||
          ui.editor.store.save.kind === "rejected") && (
          <button type="button" class="bw-link" onClick={() => ui.run("save.now")}>
            {t("Try now")}
          </button>
        )}
      </div>
      <div class="bw-corner">
        {project.records_activity && (
          <span
            class="bw-muted"
            title={t(
              "This project records when and how long its members work on each cell (events of pointer, keys by command, and view; never what you type).",
            )}
          >
            <span class="bw-record" aria-hidden="true" /> {t("time is recorded")}
          </span>
        )}
        {(ui.editor.liveUpdates.live?.people() ?? [])
          .filter((p) => p.id !== ui.editor.store.opened.person.id)
          .map((p) => (
            <span
              key={p.id}
              class="badge"
              data-testid="present"
              title={t("{name} looks at this image now", { name: p.name })}
            >
              {p.name}
            </span>
          ))}
        <span class="bw-muted">{ui.editor.store.opened.person.name}</span>
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
    </>
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
