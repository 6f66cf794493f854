/** What the colours of cells mean: chosen in the status bar, shown over a corner of the picture. */
import { mark, t } from "../locale/locale";
import { useMemo } from "preact/hooks";
import { offeredColours } from "../editor/colour_choice";
import { COLOUR_BY_WORDS } from "../editor/words";
import type { ColourBy, LegendKey, LegendLine } from "../render/colour_by";
import { DOUBT_COLOURS } from "../render/palette";
import { number, Swatch, type Ui } from "./parts";

const STATE_WORDS: Readonly<Record<string, string>> = {
  proposed: mark("proposed, no verdict yet"),
  accepted: mark("accepted proposal"),
  drawn: mark("drawn by hand"),
  cannot_tell: mark("cannot tell"),
  disputed: mark("disputed"),
};

export function ColourChoice({ ui }: { ui: Ui }) {
  const { store } = ui.editor;
  const offered = offeredColours(store);
  return (
    <label class="bw-colour-by">
      {t("Colour by")}{" "}
      <select
        value={store.colourBy}
        onChange={(e) => {
          store.colourBy = e.currentTarget.value as ColourBy;
          ui.focus();
        }}
      >
        {offered.map((by) => (
          <option key={by} value={by}>
            {t(COLOUR_BY_WORDS[by])}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Not there while colours are those of classes, which stand beside the picture with their keys. */
export function Legend({ ui }: { ui: Ui }) {
  const { store } = ui.editor;
  const by = store.colourBy;
  const lines = useMemo(() => (by === "class" ? [] : ui.legend(by)), [by, store.cells.changes]);
  if (by === "class") return null;
  return (
    <section class="bw-legend" aria-label={t("What the colours mean")} data-testid="legend">
      <strong>{t("Colour by {what}", { what: t(COLOUR_BY_WORDS[by]) })}</strong>
      {lines.length === 0 && <p class="bw-muted">{t("No cells in the picture.")}</p>}
      <ul>
        {lines.map((line) => (
          <LegendEntry key={line.key} ui={ui} by={by} line={line} />
        ))}
      </ul>
    </section>
  );
}

function LegendEntry({ ui, by, line }: { ui: Ui; by: ColourBy; line: LegendLine }) {
  return (
    <li>
      <Swatch colour={line.colour} />
      <span class="bw-grow">{wordsOf(ui, by, line.key)}</span>
      <span class="bw-number bw-muted">{number(line.cells)}</span>
    </li>
  );
}

function wordsOf(ui: Ui, by: ColourBy, key: LegendKey): string {
  if (by === "person")
    return key === null ? t("proposals, no person yet") : ui.editor.store.nameOf(key as number);
  if (by === "state") return t(STATE_WORDS[key as string]);
  if (by === "doubt") return key === null ? t("doubt not known") : doubtWords(key as number);
  return originWords(key);
}

/** A step of doubt by its limits: "0.2 to 0.4". */
function doubtWords(step: number): string {
  const steps = DOUBT_COLOURS.length;
  return t("doubt {from} to {to}", { from: number(step / steps), to: number((step + 1) / steps) });
}

function originWords(key: LegendKey): string {
  if (key === "hand") return t("drawn by hand");
  if (key === "earlier") return t("from an earlier round");
  if (key === 0) return t("proposed without a round");
  return t("round {n}", { n: key as number });
}
