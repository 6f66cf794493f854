/** What one types to find a command of the workspace, or a project, an image or a person by name. */
import { Component, createRef } from "preact";
import { COMMAND_NAMES, COMMANDS, type Command } from "../commands";
import { keyLabel } from "../commands/keymap";
import { mark, t } from "../locale/locale";
import type { Schemas } from "../scene/contract";
import type { Ui } from "./parts";

const CHOICES = COMMAND_NAMES.filter((c) => COMMANDS[c].inPalette !== false);
const MOST_COMMANDS = 12;
const FEWEST_LETTERS = 2; // of a name that is asked for
const PAUSE_MS = 200; // between the last letter and the question
const KINDS = { project: mark("project"), image: mark("image"), person: mark("person") };

type Found = Schemas["Found"];
/** What can be chosen: a command with its keys, or a page with where it belongs. */
type Choice = {
  readonly key: string;
  readonly label: string;
  readonly keys?: string;
  readonly where?: string;
  readonly act: () => void;
};
type PaletteState = { typed: string; at: number; found: readonly Found[]; of: string };
const EMPTY: PaletteState = { typed: "", at: 0, found: [], of: "" };

/** Commands whose words hold every word that was typed, those that begin with it first. */
export function found(typed: string): Command[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const label = (c: Command) => `${t(COMMANDS[c].sentence)} ${t(COMMANDS[c].group)}`.toLowerCase();
  const fit = CHOICES.filter((c) => words.every((w) => label(c).includes(w)));
  const begins = (c: Command) => (words.length && label(c).startsWith(words[0]) ? 0 : 1);
  return fit.sort((a, b) => begins(a) - begins(b));
}

export class Palette extends Component<{ ui: Ui }, PaletteState> {
  override state: PaletteState = EMPTY;
  private readonly field = createRef<HTMLInputElement>();
  private readonly list = createRef<HTMLDivElement>();
  private wasOpen = false;
  private timer = 0;

  override componentDidUpdate(): void {
    const open = this.props.ui.overlays.open === "palette";
    if (open && !this.wasOpen) this.field.current?.focus();
    if (!open && this.wasOpen) this.setState(EMPTY);
    this.wasOpen = open;
    this.list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  private type(typed: string): void {
    this.setState({ typed, at: 0 });
    window.clearTimeout(this.timer);
    if (typed.trim().length < FEWEST_LETTERS) this.setState({ found: [], of: typed });
    else this.timer = window.setTimeout(() => void this.ask(typed), PAUSE_MS);
  }

  /** Without an answer there are the commands alone. */
  private async ask(typed: string): Promise<void> {
    const { api } = this.props.ui.editor.store;
    try {
      const answer = await api.get<Schemas["SearchAnswer"]>(`search/?q=${encodeURIComponent(typed.trim())}`);
      if (this.state.typed === typed) this.setState({ found: answer.found, of: typed });
    } catch {
      if (this.state.typed === typed) this.setState({ found: [], of: typed });
    }
  }

  private choices(): Choice[] {
    const { ui } = this.props;
    const commands = found(this.state.typed).slice(0, MOST_COMMANDS);
    const chosen = commands.map((command) => ({
      key: command,
      label: t(COMMANDS[command].sentence),
      keys: ui.map.keysOf(command).map(keyLabel).join(" "),
      act: () => {
        ui.closeOverlay();
        ui.run(command);
      },
    }));
    const answered = this.state.of === this.state.typed ? this.state.found : [];
    const pages = answered.map(({ kind, name, where, url }) => ({
      key: `${kind} ${url} ${name}`,
      label: name,
      where: where ? `${t(KINDS[kind])}, ${where}` : t(KINDS[kind]),
      act: () => location.assign(url),
    }));
    return [...chosen, ...pages];
  }

  private key(e: KeyboardEvent, list: readonly Choice[]): void {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      const step = e.key === "ArrowDown" ? 1 : -1;
      this.setState({ at: (this.state.at + step + list.length) % Math.max(1, list.length) });
    } else if (e.key === "Enter" && list[this.state.at]) {
      e.preventDefault();
      list[this.state.at].act();
    } else if (e.key === "Escape") {
      e.preventDefault();
      this.props.ui.closeOverlay();
    }
    e.stopPropagation();
  }

  override render() {
    const { ui } = this.props;
    if (ui.overlays.open !== "palette") return null;
    const list = this.choices();
    const { typed, at, of } = this.state;
    return (
      <section class="bw-palette" aria-label={t("Find a command or a name")}>
        <input
          ref={this.field}
          role="combobox"
          aria-expanded="true"
          aria-controls="bw-commands"
          aria-activedescendant={list[at] ? `bw-command-${at}` : undefined}
          aria-label={t("Find a command or a name")}
          placeholder={t("A command, or the name of a project, image or person")}
          value={typed}
          onInput={(e) => this.type(e.currentTarget.value)}
          onKeyDown={(e) => this.key(e, list)}
        />
        <div ref={this.list} id="bw-commands" role="listbox" aria-label={t("Commands and names")}>
          {list.map(({ key, label, keys, where, act }, i) => (
            <div key={key} id={`bw-command-${i}`} role="option" aria-selected={i === at} onClick={act}>
              <span class="bw-grow">{label}</span>
              {keys && <kbd>{keys}</kbd>}
              {where && <span class="bw-muted">{where}</span>}
            </div>
          ))}
          {!list.length && (
            <p class="bw-muted">{typed === of ? t("No command and no name has these words.") : "…"}</p>
          )}
        </div>
      </section>
    );
  }
}
