/** The tools on the left. */
import { mark, t } from "../locale/locale";
import type { ComponentChildren } from "preact";
import type { ToolName } from "../editor/editor";
import { type Command, keyLabel } from "./keymap";
import type { Ui } from "./parts";

const TOOLS: readonly { tool: ToolName; command: Command; label: string; shape: ComponentChildren }[] = [
  {
    tool: "select",
    command: "tool.select",
    label: mark("Select"),
    shape: <path d="M5 3l13 8-6 1.5L9 19z" />,
  },
  {
    tool: "box",
    command: "tool.box",
    label: mark("Box"),
    shape: <rect x="4" y="6" width="16" height="12" rx="1" />,
  },
  {
    tool: "smart",
    command: "tool.smart",
    label: mark("Smart"),
    shape: <path d="M11 3v4M11 15v4M3 11h4M15 11h4M13 13l7 7M11 11h.01" />,
  },
  {
    tool: "polygon",
    command: "tool.polygon",
    label: mark("Polygon"),
    shape: <path d="M5 8l7-4 7 6-3 9H7z" />,
  },
  {
    tool: "brush",
    command: "tool.brush",
    label: mark("Brush"),
    shape: <path d="M14 4l6 6-8 7-5-5zM7 12c-3 1-2 5-4 7 3 1 7 0 8-3" />,
  },
  {
    tool: "wand",
    command: "tool.wand",
    label: mark("Wand"),
    shape: <path d="M4 20L14 10M17 3v4M15 5h4M20 10v3M18.500 11.500h3M10 4v3M8.500 5.500h3" />,
  },
  {
    tool: "stamp",
    command: "tool.stamp",
    label: mark("Centre"),
    shape: <path d="M5 7h14v10H5zM12 11v2M11 12h2" />,
  },
  {
    tool: "extremes",
    command: "tool.extremes",
    label: mark("4 points"),
    shape: <path d="M12 4h.01M20 12h.01M12 20h.01M4 12h.01M7 7h10v10H7z" />,
  },
  {
    tool: "lasso",
    command: "tool.lasso",
    label: mark("Lasso"),
    shape: <path d="M12 4c5 0 9 2 9 6s-4 6-9 6-9-2-9-6 4-6 9-6zM7 15c-1 3 1 5 3 5" />,
  },
  {
    tool: "split",
    command: "tool.split",
    label: mark("Split"),
    shape: <path d="M5 12a7 7 0 0114 0 7 7 0 01-14 0zM16 3L8 21" />,
  },
  {
    tool: "measure",
    command: "tool.measure",
    label: mark("Measure"),
    shape: <path d="M3 16L16 3l5 5L8 21zM7 12l2 2M10 9l3 3M13 6l2 2" />,
  },
  {
    tool: "region",
    command: "tool.region",
    label: mark("Region"),
    shape: <path d="M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4M9 12l2 2 4-4" />,
  },
  {
    tool: "ignore",
    command: "tool.ignore",
    label: mark("Ignore"),
    shape: <path d="M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4M9 9l6 6M15 9l-6 6" />,
  },
];

export function Tools({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const label = (command: Command, text: string) => `${t(text)} (${keyLabel(ui.map.keysOf(command)[0])})`;
  return (
    <>
      {TOOLS.filter(({ tool }) => editor.offers(tool)).map(({ tool, command, label: name, shape }) => (
        <button
          key={tool}
          type="button"
          class="bw-tool"
          aria-pressed={editor.tool === tool && !editor.editing}
          disabled={!editor.canWrite && !["select", "lasso", "measure"].includes(tool)}
          title={label(command, name)}
          onClick={() => ui.run(command)}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            {shape}
          </svg>
          <span>{t(name)}</span>
          <kbd>{keyLabel(ui.map.keysOf(command)[0]).replace("Shift+", "⇧")}</kbd>
        </button>
      ))}
      <div class="bw-gap" />
      <button
        type="button"
        class="bw-tool"
        disabled={!editor.history.canUndo && !editor.editing?.undo.length}
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
        disabled={!editor.history.canRedo}
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
