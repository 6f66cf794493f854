/** What lies above the picture for a moment: the command palette and the screen on which keys are changed. */
import { t } from "../locale/locale";
import { Component, createRef } from "preact";
import { COMMAND_NAMES, COMMANDS, type Command } from "../commands";
import { chordOf, keyLabel, keysWords } from "../commands/keymap";
import type { Ui } from "./parts";

const named = (commands: readonly Command[]): string =>
  commands.map((c) => t(COMMANDS[c].sentence)).join(", ");
const CHOICES = COMMAND_NAMES.filter((c) => COMMANDS[c].inPalette !== false);

/** Commands whose words hold every word that was typed, those that begin with it first. */
export function found(typed: string): Command[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const label = (c: Command) => `${t(COMMANDS[c].sentence)} ${t(COMMANDS[c].group)}`.toLowerCase();
  const fit = CHOICES.filter((c) => words.every((w) => label(c).includes(w)));
  const begins = (c: Command) => (words.length && label(c).startsWith(words[0]) ? 0 : 1);
  return fit.sort((a, b) => begins(a) - begins(b));
}

export class Palette extends Component<{ ui: Ui }, { typed: string; at: number }> {
  override state = { typed: "", at: 0 };
  private readonly field = createRef<HTMLInputElement>();
  private wasOpen = false;

  override componentDidUpdate(): void {
    const open = this.props.ui.overlays.open === "palette";
    if (open && !this.wasOpen) this.field.current?.focus();
    if (!open && this.wasOpen) this.setState({ typed: "", at: 0 });
    this.wasOpen = open;
  }

  private key(e: KeyboardEvent, list: Command[]): void {
    const { ui } = this.props;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      const step = e.key === "ArrowDown" ? 1 : -1;
      this.setState({ at: (this.state.at + step + list.length) % Math.max(1, list.length) });
    } else if (e.key === "Enter" && list[this.state.at]) {
      e.preventDefault();
      ui.closeOverlay();
      ui.run(list[this.state.at]);
    } else if (e.key === "Escape") {
      e.preventDefault();
      ui.closeOverlay();
    }
    e.stopPropagation();
  }

  override render() {
    const { ui } = this.props;
    if (ui.overlays.open !== "palette") return null;
    const list = found(this.state.typed);
    return (
      <section class="bw-palette" aria-label={t("Find a command")}>
        <input
          ref={this.field}
          role="combobox"
          aria-expanded="true"
          aria-controls="bw-commands"
          aria-activedescendant={list[this.state.at] ? `bw-command-${this.state.at}` : undefined}
          aria-label={t("Find a command")}
          placeholder={t("What do you want to do?")}
          value={this.state.typed}
          onInput={(e) => this.setState({ typed: e.currentTarget.value, at: 0 })}
          onKeyDown={(e) => this.key(e, list)}
        />
        <div id="bw-commands" role="listbox" aria-label={t("Commands")}>
          {list.slice(0, 12).map((command, i) => (
            <div
              key={command}
              id={`bw-command-${i}`}
              role="option"
              aria-selected={i === this.state.at}
              onClick={() => {
                ui.closeOverlay();
                ui.run(command);
              }}
            >
              <span class="bw-grow">{t(COMMANDS[command].sentence)}</span>
              <kbd>{ui.map.keysOf(command).map(keyLabel).join(" ")}</kbd>
            </div>
          ))}
          {!list.length && <p class="bw-muted">{t("No command has these words.")}</p>}
        </div>
      </section>
    );
  }
}

export class Remap extends Component<
  { ui: Ui },
  { listening: Command | null; trouble: string; warning: string }
> {
  override state = { listening: null as Command | null, trouble: "", warning: "" };

  private take(e: KeyboardEvent, command: Command): void {
    if (e.key === "Shift" || e.key === "Control" || e.key === "Alt" || e.key === "Meta" || e.key === "Tab")
      return;
    e.preventDefault();
    e.stopPropagation();
    if (e.key === "Escape") {
      this.setState({ listening: null });
      return;
    }
    const { map, keepKeys } = this.props.ui;
    const keys = [chordOf(e)];
    const conflicting = map.remap(command, keys);
    if (conflicting.length) {
      this.setState({
        trouble: t("{key} is already: {commands}. Nothing was changed.", {
          key: keyLabel(keys[0]),
          commands: named(conflicting),
        }),
        warning: "",
      });
      return;
    }
    keepKeys();
    const hidden = map.hidden(command, keys);
    let warning = "";
    if (hidden.length)
      warning = t("While this is possible, {key} no longer does: {commands}.", {
        key: keyLabel(keys[0]),
        commands: named(hidden),
      });
    if (/^[1-9]$/.test(keys[0])) warning += ` ${t("It also chooses a class.")}`;
    this.setState({ listening: null, trouble: "", warning });
  }

  /** The keys of a command, or that one is waited for. */
  private keyWords(command: Command): string {
    if (this.state.listening === command) return t("press a key…");
    return keysWords(this.props.ui.map.keysOf(command));
  }

  override render() {
    const { ui } = this.props;
    if (ui.overlays.open !== "remap") return null;
    return (
      <section class="bw-sheet" aria-label={t("Change the keys")} data-testid="remap">
        <header>
          <strong>{t("Change the keys")}</strong>
          <button type="button" class="bw-icon" aria-label={t("Close")} onClick={ui.closeOverlay}>
            ×
          </button>
        </header>
        <p class="bw-muted bw-note">
          {t("Choose a command, then press its new key. Kept on this computer.")}
        </p>
        {this.state.trouble && (
          <p class="bw-warn" role="alert">
            {this.state.trouble}
          </p>
        )}
        {this.state.warning && <p role="status">{this.state.warning}</p>}
        <div class="bw-sheet-groups">
          {COMMAND_NAMES.map((command) => (
            <div key={command} class="bw-remap-line">
              <span class="bw-grow">{t(COMMANDS[command].sentence)}</span>
              <button
                type="button"
                class="button"
                aria-pressed={this.state.listening === command}
                aria-label={`${this.keyWords(command)}. ${keyFor(command)}`}
                onClick={() => this.setState({ listening: command, trouble: "", warning: "" })}
                onKeyDown={(e) => this.state.listening === command && this.take(e, command)}
              >
                {this.keyWords(command)}
              </button>
              <button
                type="button"
                class="bw-icon"
                aria-label={`↺ ${t("First key for: {command}", { command: t(COMMANDS[command].sentence) })}`}
                disabled={!ui.map.isChanged(command)}
                onClick={() => {
                  const conflicting = ui.map.reset(command);
                  ui.keepKeys();
                  this.setState({
                    listening: null,
                    trouble: conflicting.length
                      ? t("Its first key now belongs to: {commands}.", { commands: named(conflicting) })
                      : "",
                  });
                }}
              >
                ↺
              </button>
            </div>
          ))}
        </div>
      </section>
    );
  }
}

const keyFor = (command: Command): string =>
  t("Key for: {command}", { command: t(COMMANDS[command].sentence) });
