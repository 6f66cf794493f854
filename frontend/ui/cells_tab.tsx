/** The cells and regions in the picture; whose other layers to show. */
import { mark, t } from "../locale/locale";
import { useMemo, useState } from "preact/hooks";
import { arranged, AS_DRAWN, SORTS, type Arrangement, type Sort } from "../scene/cell_list";
import type { Cells } from "../scene/cells";
import { LongList } from "./list";
import { UNCLASSIFIED_COLOUR } from "../render/palette";
import { CommandButton, AttributeLines, Classes, Key, Swatch, type Ui } from "./parts";
import { LAYER_WORDS, STATUS_WORDS } from "../editor/words";

const SORT_WORDS: Readonly<Record<Sort, string>> = {
  drawn: mark("as drawn"),
  class: mark("by class"),
  largest: mark("largest first"),
  smallest: mark("smallest first"),
  status: mark("by state"),
};

export function CellsTab({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const { cells, overview } = editor.store;
  const [arrangement, setArrangement] = useState(AS_DRAWN);
  const listed = overview.listedRows();
  // Sorted anew when a cell has changed, not at each drawing of the panel.
  const rows = useMemo(
    () => arranged(cells, listed, arrangement),
    [listed, listed.length, arrangement, cells.changes],
  );
  return (
    <div class="bw-tab" role="tabpanel">
      <Classes ui={ui} current={editor.store.labelClass?.id ?? null} />
      <AttributeLines ui={ui} />
      {listed.length > 0 && <Arrange ui={ui} now={arrangement} onChange={setArrangement} />}
      {listed.length === 0 ? (
        <p class="empty-state">
          {editor.store.canWrite ? (
            <>
              {t("No cells yet. Press")} <Key ui={ui} command="tool.box" />{" "}
              {t("and drag a box around each cell. Every box is saved at once.")}
            </>
          ) : (
            t("No cells in the picture.")
          )}
        </p>
      ) : (
        <LongList
          rows={rows}
          current={editor.store.selected}
          label={t("Cells")}
          onChoose={(row) => editor.selection.select(row, true)}
          line={(row, i) => <CellLine ui={ui} row={row} index={i} />}
        />
      )}
      <LayerSwitches ui={ui} />
      {editor.store.canWrite && (
        <div class="bw-foot">
          {editor.store.selected >= 0 &&
            editor.store.cells.isMine(editor.store.selected) &&
            editor.store.cells.kindOf(editor.store.selected) === "cell" && (
              <div class="bw-row">
                <CommandButton ui={ui} command="cell.edit">
                  {t("Edit mask")}
                </CommandButton>
                <CommandButton
                  ui={ui}
                  command="cell.cannot_tell"
                  pressed={editor.store.cells.statusOf(editor.store.selected) === "cannot_tell"}
                >
                  {t("Cannot tell")}
                </CommandButton>
                <CommandButton ui={ui} command="cell.delete">
                  {t("Delete")}
                </CommandButton>
              </div>
            )}
          {editor.store.offers("region") && <Completeness ui={ui} />}
        </div>
      )}
    </div>
  );
}

/** Which class the list shows, with its count, and in which order. */
function Arrange(props: { ui: Ui; now: Arrangement; onChange: (next: Arrangement) => void }) {
  const { ui, now, onChange } = props;
  const { opened, overview } = ui.editor.store;
  const classes = [...opened.project.classes, { id: 0, name: t("no class") }];
  return (
    <div class="bw-row bw-arrange">
      <select
        aria-label={t("Class of the listed cells")}
        value={now.labelClass ?? ""}
        onChange={({ currentTarget: { value } }) =>
          onChange({ ...now, labelClass: value === "" ? null : Number(value) })
        }
      >
        <option value="">{t("all classes")}</option>
        {classes.map(({ id, name }) => (
          <option key={id} value={id}>
            {name} ({overview.countOfClass(id)})
          </option>
        ))}
      </select>
      <select
        aria-label={t("Order of the listed cells")}
        value={now.sort}
        onChange={({ currentTarget }) => onChange({ ...now, sort: currentTarget.value as Sort })}
      >
        {SORTS.map((sort) => (
          <option key={sort} value={sort}>
            {t(SORT_WORDS[sort])}
          </option>
        ))}
      </select>
    </div>
  );
}

/** Whether every cell of the image is annotated: said already, or to be said. */
function Completeness({ ui }: { ui: Ui }) {
  const { drawing } = ui.editor;
  if (drawing.isComplete())
    return <p class="bw-muted bw-note">{"✓ " + t("This image is marked as fully annotated.")}</p>;
  return (
    <button
      type="button"
      class="button bw-wide"
      title={t("Only inside such regions is tissue without a box background for the models.")}
      onClick={() => drawing.declareComplete()}
    >
      {t("Every cell of this image is annotated")}
    </button>
  );
}

/** Colleagues' layers are out of the picture until somebody asks for them: two people's boxes over one cell hide it.
 *  The same switches stand in the tab View, so that both say the same. */
export function LayerSwitches({ ui }: { ui: Ui }) {
  const { editor } = ui;
  const others = editor.store.opened.layers.flatMap((layer, index) =>
    index === editor.store.cells.base || layer.kind === "prediction" ? [] : [{ layer, index }],
  );
  if (!others.length) return null;
  return (
    <div class="bw-reasons" role="group" aria-label={t("Other layers")}>
      <span class="bw-muted">{t("Also show")}</span>
      {others.map(({ layer, index }) => (
        <button
          key={layer.id}
          type="button"
          class="choice-button"
          aria-pressed={editor.store.cells.isLayerShown(index)}
          onClick={() => editor.store.cells.showLayer(index, !editor.store.cells.isLayerShown(index))}
        >
          {layer.annotator
            ? t("{name}'s reading", { name: layer.annotator.name })
            : t(LAYER_WORDS[layer.kind])}
        </button>
      ))}
    </div>
  );
}

function CellLine({ ui, row, index }: { ui: Ui; row: number; index: number }) {
  const { cells } = ui.editor.store;
  const label = ui.editor.store.classOf(cells.labelClass[row]);
  const status = cells.statusOf(row);
  const isCell = cells.kindOf(row) === "cell";
  const reader = cells.isMine(row) ? null : ui.editor.store.opened.layers[cells.layer[row]]?.annotator;
  const words = isCell && status === "confirmed" ? (label?.name ?? t("no class")) : t(STATUS_WORDS[status]);
  return (
    <>
      {isCell ? (
        <Swatch colour={label?.color ?? UNCLASSIFIED_COLOUR} />
      ) : (
        <span class={`bw-swatch is-${status}`} />
      )}
      <span class="bw-number bw-muted">{index + 1}</span>
      <span class="bw-grow">
        {words}
        {reader ? ` · ${reader.name}` : ""}
        {cells.disputed[row] ? ` · ${t("disputed")}` : ""}
      </span>
      <span class="bw-number bw-muted">
        {extentOf(cells, row)}
        {marksOf(cells, row)}
      </span>
    </>
  );
}

/** Width and height of its box in pixels; a point has none. */
function extentOf(cells: Cells, row: number): string {
  if (cells.isPoint(row)) return t("point");
  const box = cells.boxOf(row);
  return `${Math.round(box.x1 - box.x0)} × ${Math.round(box.y1 - box.y0)}`;
}

/** What a cell has besides its box: a mask, attributes, a cell that it is part of. */
function marksOf(cells: Cells, row: number): string {
  const mask = cells.maskOf(row) ? " ●" : "";
  const attributes = Object.keys(cells.attributesOf(row)).length ? " ◆" : "";
  const parent = cells.parentOf(row) >= 0 ? " ⊂" : "";
  return mask + attributes + parent;
}
