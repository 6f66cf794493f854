/** How tissue and cells are shown: nothing here changes what is stored. */
import { languages, mark, spoken, t } from "../locale/locale";
import { siteBase } from "../sync/addresses";
import { csrfToken } from "../sync/api";
import type { Status } from "../scene/contract";
import { PLAIN, STAINS, type Stain } from "./display_settings";
import { LayerSwitches } from "./cells_tab";
import { ColourChoice } from "./legend";
import { SecondImageControls } from "./second_image";
import { UNCLASSIFIED_COLOUR } from "../render/palette";
import { Swatch, type Ui } from "./parts";

const STAIN_WORDS: Record<Stain, string> = {
  none: mark("as scanned"),
  hematoxylin: mark("hematoxylin alone"),
  eosin: mark("eosin alone"),
  dab: mark("DAB alone"),
};
const STATUSES: readonly (readonly [Status, string])[] = [
  ["confirmed", mark("Cells")],
  ["cannot_tell", mark("Cannot tell")],
  ["exhaustive", mark("Full regions")],
  ["ignore", mark("Ignored regions")],
];

/** The site keeps the choice for all its pages; this one is opened again in it (what waits to be saved is kept on
 *  this computer). */
async function choose(language: string): Promise<void> {
  const body = new URLSearchParams({ language, next: location.pathname });
  await fetch(`${siteBase()}i18n/setlang/`, {
    method: "POST",
    credentials: "same-origin",
    headers: { "X-CSRFToken": csrfToken(document.cookie) },
    body,
  }).catch(() => undefined);
  location.reload();
}

export function ViewTab({ ui }: { ui: Ui }) {
  const { display, editor } = ui;
  const now = display.now;
  const slider = (
    label: string,
    key: "brightness" | "contrast" | "opacity" | "outline" | "leastDoubt",
    min: number,
    max: number,
    step: number,
  ) => (
    <label class="bw-field">
      <span class="bw-slider-name">{label}</span>
      <input
        type="range"
        min={min}
        max={max}
        step={step}
        value={now[key]}
        onInput={(e) => display.set({ [key]: Number(e.currentTarget.value) })}
      />
      <span class="bw-muted bw-number">{now[key].toFixed(2)}</span>
    </label>
  );
  return (
    <div class="bw-tab bw-scroll" role="tabpanel">
      <h3>{t("Tissue")}</h3>
      {slider(t("Brightness"), "brightness", 0.4, 2, 0.05)}
      {slider(t("Contrast"), "contrast", 0.4, 3, 0.05)}
      <label class="bw-field">
        <span class="bw-slider-name">{t("Stain")}</span>
        <select value={now.stain} onChange={(e) => display.set({ stain: e.currentTarget.value as Stain })}>
          {STAINS.map((stain) => (
            <option key={stain} value={stain}>
              {t(STAIN_WORDS[stain])}
            </option>
          ))}
        </select>
      </label>
      <SecondImageControls ui={ui} />
      <h3>{t("Cells")}</h3>
      <ColourChoice ui={ui} />
      {slider(t("Opacity"), "opacity", 0.1, 1, 0.05)}
      {slider(t("Width of outlines"), "outline", 1, 5, 0.5)}
      <label class="bw-check">
        <input
          type="checkbox"
          checked={now.fill}
          onChange={(e) => display.set({ fill: e.currentTarget.checked })}
        />{" "}
        {t("Fill the masks")}
      </label>
      <label class="bw-check">
        <input
          type="checkbox"
          checked={now.proposals}
          onChange={(e) => display.set({ proposals: e.currentTarget.checked })}
        />{" "}
        {t("Proposals")}
      </label>
      <label class="bw-check">
        <input
          type="checkbox"
          checked={now.points}
          onChange={(e) => display.set({ points: e.currentTarget.checked })}
        />{" "}
        {t("Points")}
      </label>
      {slider(t("Doubt at least"), "leastDoubt", 0, 1, 0.05)}
      <div class="bw-chips" role="group" aria-label={t("Shown states")}>
        {STATUSES.map(([status, words]) => (
          <button
            key={status}
            type="button"
            class="choice-button"
            aria-pressed={!now.hiddenStatuses.includes(status)}
            onClick={() => display.toggle("hiddenStatuses", status)}
          >
            {t(words)}
          </button>
        ))}
      </div>
      <div class="bw-chips" role="group" aria-label={t("Shown classes")}>
        {[
          ...editor.store.opened.project.classes,
          { id: 0, name: t("no class"), color: UNCLASSIFIED_COLOUR },
        ].map((c) => (
          <button
            key={c.id}
            type="button"
            class="choice-button"
            aria-pressed={!now.hiddenClasses.includes(c.id)}
            onClick={() => display.toggle("hiddenClasses", c.id)}
          >
            <Swatch colour={c.color} />
            {c.name}
          </button>
        ))}
      </div>
      <LayerSwitches ui={ui} />
      <PeopleSwitches ui={ui} />
      <label class="bw-check">
        <input
          type="checkbox"
          checked={now.breaks}
          onChange={(e) => display.set({ breaks: e.currentTarget.checked })}
        />{" "}
        {t("Suggest a break now and then")}
      </label>
      <label class="bw-check">
        <input
          type="checkbox"
          checked={now.minimap}
          onChange={(e) => display.set({ minimap: e.currentTarget.checked })}
        />{" "}
        {t("Small map")}
      </label>
      {languages().length > 1 && (
        <label class="bw-field">
          <span class="bw-slider-name">{t("Language")}</span>
          <select value={spoken()} onChange={(e) => void choose(e.currentTarget.value)}>
            {languages().map((code) => (
              <option key={code} value={code} lang={code}>
                {new Intl.DisplayNames(code, { type: "language" }).of(code)}
              </option>
            ))}
          </select>
        </label>
      )}
      <button type="button" class="button" onClick={() => display.set(PLAIN)}>
        {t("Reset")}
      </button>
    </div>
  );
}

/** Whose cells are shown, of the layers that are in the picture; a layer that is not has its own switch. */
function PeopleSwitches({ ui }: { ui: Ui }) {
  const { display, editor } = ui;
  const people = editor.store.peopleInPicture();
  if (people.length < 2) return null;
  return (
    <div class="bw-chips" role="group" aria-label={t("Cells of")}>
      {people.map((p) => (
        <button
          key={p.id}
          type="button"
          class="choice-button"
          aria-pressed={!display.now.hiddenAuthors.includes(p.id)}
          onClick={() => display.toggle("hiddenAuthors", p.id)}
        >
          {editor.store.colourBy === "person" && <Swatch colour={ui.colourOf(p.id)} />}
          {p.name}
        </button>
      ))}
    </div>
  );
}
