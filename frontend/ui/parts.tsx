/** What every panel is given, and the buttons that show their key. */
import { spoken, t } from "../locale/locale";
import type { ComponentChildren } from "preact";
import type { Overlays } from "../commands/overlays";
import type { Editor } from "../editor/editor";
import { type Command } from "../commands";
import { type Keymap, keyLabel } from "../commands/keymap";
import type { ColourBy, LegendLine } from "../render/colour_by";
import { rgb } from "../render/palette";
import { css, outlineOf } from "../render/outline_colour";
import type { ChannelSettings } from "./channel_settings";
import type { DisplaySettings } from "./display_settings";

export type Ui = {
  readonly editor: Editor;
  readonly map: Keymap;
  readonly run: (command: Command) => void;
  /** Give the keys back to the picture. */
  readonly focus: () => void;
  readonly go: (image: number) => void;
  readonly tab: () => Tab;
  readonly openTab: (tab: Tab) => void;
  readonly overlays: Overlays;
  readonly toggleTheme: () => void;
  /** How many cells a picture of their density stands for, at zooms where each would be a dot; null: each is drawn. */
  readonly density: () => number | null;
  readonly cursor: () => { x: number; y: number } | null;
  readonly signInUrl: string;
  readonly closeOverlay: () => void;
  readonly keepKeys: () => void;
  readonly display: DisplaySettings;
  /** Of a slide with several channels, slices or times, or with a colour profile, and of its fields. */
  readonly channels: ChannelSettings | null;
  /** In the view by person. */
  readonly colourOf: (person: number) => string;
  /** What the colours of the cells in the picture mean, where they say this. */
  readonly legend: (by: ColourBy) => readonly LegendLine[];
};

export type Tab = "cells" | "review" | "masks" | "comments" | "history" | "channels" | "view";

export const Key = ({ ui, command }: { ui: Ui; command: Command }) => (
  <kbd>{keyLabel(ui.map.keysOf(command)[0])}</kbd>
);

export function CommandButton(props: {
  ui: Ui;
  command: Command;
  children: ComponentChildren;
  pressed?: boolean;
  disabled?: boolean;
  kind?: string;
}) {
  const { ui, command, children, pressed, disabled, kind = "" } = props;
  return (
    <button
      type="button"
      class={`button ${kind}`}
      disabled={disabled ?? false}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      onClick={() => ui.run(command)}
    >
      {children} <Key ui={ui} command={command} />
    </button>
  );
}

/** A colour as outlines have it: core and casing. */
export function Swatch({ colour }: { colour: string }) {
  const { core, casing } = outlineOf(rgb(colour));
  return <span class="bw-swatch" style={{ background: css(core), borderColor: css(casing) }} />;
}

export function Classes({ ui, current }: { ui: Ui; current: number | null }) {
  const { editor } = ui;
  return (
    <div class="bw-chips" role="group" aria-label={t("Classes")}>
      {editor.store.offeredClasses.map((c) => (
        <button
          key={c.id}
          type="button"
          class="choice-button"
          aria-pressed={current === c.id}
          disabled={!editor.store.canWrite}
          onClick={() => editor.chooseClass(c)}
        >
          <Swatch colour={c.color} />
          {c.name}
          {c.key !== null && <kbd>{c.key}</kbd>}
        </button>
      ))}
    </div>
  );
}

export const number = (n: number | null, digits = 3, unit = ""): string =>
  n === null ? t("not stated") : `${n.toLocaleString(spoken(), { maximumFractionDigits: digits })}${unit}`;

const ATTRIBUTE_KEYS = ["attribute.1", "attribute.2", "attribute.3", "attribute.4"] as const;

/** The attributes of what is selected; the key goes from value to value. */
export function AttributeLines({ ui }: { ui: Ui }) {
  const { attributes, store } = ui.editor;
  if (!attributes.declared.length || !store.canWrite) return null;
  return (
    <div class="bw-attributes" data-testid="attributes">
      {attributes.declared.map(({ name, values }, i) => (
        <div key={name} class="bw-reasons" role="group" aria-label={name}>
          <span class="bw-muted">
            {name} {i < ATTRIBUTE_KEYS.length && <Key ui={ui} command={ATTRIBUTE_KEYS[i]} />}
          </span>
          {values.map((value) => {
            const chosen = attributes.commonValue(name) === value;
            return (
              <button
                key={value}
                type="button"
                class="choice-button"
                aria-pressed={chosen}
                disabled={!attributes.isPossible}
                onClick={() => attributes.set(name, chosen ? null : value)}
              >
                {value}
              </button>
            );
          })}
        </div>
      ))}
    </div>
  );
}
