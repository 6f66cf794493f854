/** The screen on which keys are changed. */
import { t } from "../locale/locale";
import { Component } from "preact";
import { COMMAND_NAMES, COMMANDS, type Command } from "../commands";
import { chordOf, keyLabel, keysWords } from "../commands/keymap";
import type { Ui } from "./parts";

const named = (commands: readonly Command[]): string =>
  commands.map((c) => t(COMMANDS[c].sentence)).join(", ");

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
