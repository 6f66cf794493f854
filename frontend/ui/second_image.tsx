/** The second image in the View tab: which one, how it is shown, and how it is registered. */
import { mark, t } from "../locale/locale";
import { useEffect } from "preact/hooks";
import { LEAST_LANDMARKS, MODES, type Mode } from "../editor/second_image";
import type { Ui } from "./parts";

const MODE_WORDS: Record<Mode, string> = {
  off: mark("Hidden"),
  beside: mark("Side by side"),
  over: mark("Over the picture"),
};

export function SecondImageControls({ ui }: { ui: Ui }) {
  const { second } = ui.editor;
  useEffect(() => {
    if (second.canRegister) void second.list();
  }, [second]);
  if (!second.image && !second.canRegister) return null;
  return (
    <>
      <h3>{t("Second image")}</h3>
      <p class="bw-muted bw-note">{t("The same tissue in another stain, as IHC beside H&E.")}</p>
      {second.canRegister && <Choice ui={ui} />}
      {second.image && (
        <>
          <div class="bw-chips" role="group" aria-label={t("Second image")}>
            {MODES.map((mode) => (
              <button
                key={mode}
                type="button"
                class="choice-button"
                aria-pressed={second.mode === mode}
                onClick={() => second.show(mode)}
              >
                {t(MODE_WORDS[mode])}
              </button>
            ))}
          </div>
          {second.mode === "over" && <Opacity ui={ui} />}
          <Registration ui={ui} />
        </>
      )}
    </>
  );
}

function Choice({ ui }: { ui: Ui }) {
  const { second } = ui.editor;
  return (
    <label class="bw-field">
      <span class="bw-slider-name">{t("Image")}</span>
      <select
        value={second.image?.id ?? ""}
        onChange={(e) => void second.choose(e.currentTarget.value ? Number(e.currentTarget.value) : null)}
      >
        <option value="">{t("none")}</option>
        {second.choices.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Opacity({ ui }: { ui: Ui }) {
  const { second } = ui.editor;
  return (
    <label class="bw-field">
      <span class="bw-slider-name">{t("Opacity")}</span>
      <input
        type="range"
        min={0}
        max={1}
        step={0.05}
        value={second.opacity}
        onInput={(e) => (second.opacity = Number(e.currentTarget.value))}
      />
      <span class="bw-muted bw-number">{second.opacity.toFixed(2)}</span>
    </label>
  );
}

function Registration({ ui }: { ui: Ui }) {
  const { second } = ui.editor;
  const { picked, waiting } = second;
  if (picked)
    return (
      <div role="status">
        <p>
          {waiting
            ? t("Place {n} of {all}: click the same place in the right picture.", {
                n: picked.length + 1,
                all: LEAST_LANDMARKS,
              })
            : t("Place {n} of {all}: click it in the left picture.", {
                n: picked.length + 1,
                all: LEAST_LANDMARKS,
              })}
        </p>
        <button type="button" class="button" onClick={() => second.endRegistering()}>
          {t("Cancel")}
        </button>
      </div>
    );
  return (
    <>
      {!second.isRegistered && (
        <p class="bw-warn bw-note">{t("Not registered: the two pictures only have the same middle.")}</p>
      )}
      {second.canRegister && (
        <button type="button" class="button" onClick={() => second.register()}>
          {t("Register by three places")}
        </button>
      )}
    </>
  );
}
