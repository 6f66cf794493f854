/** Channels, slices, times and colours of a slide: what of it is in the picture. Nothing that is stored changes. */
import { t } from "../locale/locale";
import type { ChannelSettings } from "./channel_settings";
import { number } from "./parts";

export function ChannelsTab({ settings }: { settings: ChannelSettings }) {
  const { planes, now } = settings;
  return (
    <div class="bw-tab bw-scroll" role="tabpanel" data-testid="channels">
      {(planes.z > 1 || planes.t > 1) && <Plane settings={settings} />}
      {planes.channels.map((_channel, index) => (
        <ChannelLines key={index} settings={settings} index={index} />
      ))}
      {planes.icc && <Colours settings={settings} />}
      {now.channels.length > 0 && (
        <p class="bw-muted bw-note">
          {t("This changes the picture alone. Models see the channels that the project’s settings name.")}
        </p>
      )}
      <button type="button" class="button" onClick={() => settings.reset()}>
        {t("Reset")}
      </button>
    </div>
  );
}

function Plane({ settings }: { settings: ChannelSettings }) {
  const { planes, now } = settings;
  const slider = (name: string, value: number, count: number, change: (value: number) => void) =>
    count > 1 && (
      <label class="bw-field">
        <span class="bw-slider-name">{name}</span>
        <input
          type="range"
          min={1}
          max={count}
          step={1}
          value={value + 1}
          onInput={(e) => change(Number(e.currentTarget.value) - 1)}
        />
        <span class="bw-muted bw-number">{t("{n} of {all}", { n: value + 1, all: count })}</span>
      </label>
    );
  return (
    <>
      <h3>{t("Plane")}</h3>
      {slider(t("Slice (z)"), now.slice, planes.z, (slice) => settings.set({ slice }))}
      {slider(t("Time"), now.time, planes.t, (time) => settings.set({ time }))}
    </>
  );
}

function ChannelLines({ settings, index }: { settings: ChannelSettings; index: number }) {
  const { name, least, most } = settings.planes.channels[index];
  const { shown, colour, low, high } = settings.now.channels[index];
  const slider = (words: string, end: "low" | "high", value: number) => (
    <label class="bw-field">
      <span class="bw-slider-name">{words}</span>
      <input
        type="range"
        aria-label={`${name}: ${words}`}
        min={Math.min(least, low)}
        max={Math.max(most, high)}
        step={settings.step(index)}
        value={value}
        disabled={!shown}
        onInput={(e) => settings.setRange(index, end, Number(e.currentTarget.value))}
      />
      <span class="bw-muted bw-number">{number(value, 1)}</span>
    </label>
  );
  return (
    <fieldset class="bw-channel">
      <legend class="bw-row">
        <label class="bw-check">
          <input
            type="checkbox"
            checked={shown}
            onChange={(e) => settings.setChannel(index, { shown: e.currentTarget.checked })}
          />{" "}
          {name}
        </label>
        <input
          type="color"
          aria-label={t("Colour of {name}", { name })}
          value={colour}
          disabled={!shown}
          onInput={(e) => settings.setChannel(index, { colour: e.currentTarget.value })}
        />
        <button type="button" class="button" disabled={!shown} onClick={() => settings.auto(index)}>
          {t("Auto contrast")}
        </button>
      </legend>
      {slider(t("Black"), "low", low)}
      {slider(t("Full colour"), "high", high)}
    </fieldset>
  );
}

function Colours({ settings }: { settings: ChannelSettings }) {
  const { icc } = settings.now;
  return (
    <>
      <h3>{t("Colours")}</h3>
      <label class="bw-check">
        <input
          type="checkbox"
          checked={icc}
          onChange={(e) => settings.set({ icc: e.currentTarget.checked })}
        />{" "}
        {t("Apply the scanner’s colour profile (ICC)")}
      </label>
      <p class="bw-muted bw-note">
        {icc
          ? t(
              "The picture shows the colours that the profile stands for. Models and exports have the stored colours.",
            )
          : t("The picture shows the stored colours, as models and exports have them.")}
      </p>
    </>
  );
}
