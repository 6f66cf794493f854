/** The tools on the left. */
import { mark, t } from "../locale/locale";
import { TOOL_NAMES } from "../editor/tool_names";
import { TOOLS } from "../tools";
import { type Command } from "../commands";
import { keyLabel } from "../commands/keymap";
import type { Ui } from "./parts";

export function Tools({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const label = (command: Command, text: string) => `${t(text)} (${keyLabel(ui.map.keysOf(command)[0])})`;
  return (
    <>
      {TOOL_NAMES.filter((tool) => editor.store.offers(tool)).map((tool) => (
        <button
          key={tool}
          type="button"
          class="bw-tool"
          aria-pressed={editor.store.tool === tool && !editor.store.editing}
          disabled={!editor.store.canWrite && !TOOLS[tool].changesNothing}
          title={label(`tool.${tool}`, TOOLS[tool].sentence)}
          onClick={() => ui.run(`tool.${tool}`)}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d={TOOLS[tool].icon} />
          </svg>
          <span>{t(TOOLS[tool].label)}</span>
          <kbd>{keyLabel(ui.map.keysOf(`tool.${tool}`)[0]).replace("Shift+", "⇧")}</kbd>
        </button>
      ))}
      <div class="bw-gap" />
      <button
        type="button"
        class="bw-tool"
        disabled={!editor.store.history.canUndo && !editor.store.editing?.undo.length}
        title={label("history.undo", mark("Undo"))}
        onClick={() => ui.run("history.undo")}
      >
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M8 6l-4 4 4 4M4 10h10a5 5 0 010 10h-3" />
        </svg>
        <span>{t("Undo")}</span>
      </button>
      <button
        type="button"
        class="bw-tool"
        disabled={!editor.store.history.canRedo}
        title={label("history.redo", mark("Redo"))}
        onClick={() => ui.run("history.redo")}
      >
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M16 6l4 4-4 4M20 10H10a5 5 0 000 10h3" />
        </svg>
        <span>{t("Redo")}</span>
      </button>
    </>
  );
}
