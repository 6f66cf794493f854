/** A list of any length that holds only the lines in sight. */
import { Component, createRef, type ComponentChild } from "preact";

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };
const LINE = 28;

type Props = {
  readonly rows: readonly number[];
  readonly current: number;
  readonly label: string;
  readonly line: (row: number, index: number) => ComponentChild;
  readonly onChoose: (row: number) => void;
};

export class LongList extends Component<Props, { top: number; height: number }> {
  override state = { top: 0, height: 600 };
  private readonly frame = createRef<HTMLDivElement>();
  private shown = -1;

  override componentDidMount(): void {
    this.setState({ height: this.frame.current?.clientHeight ?? 600 });
    this.keepInSight();
  }
  override componentDidUpdate(): void {
    this.keepInSight();
  }

  /** The chosen line is scrolled to once, when the choice changes; after that the list stays where the reader put
   *  it. */
  private keepInSight(): void {
    const frame = this.frame.current;
    if (!frame || this.shown === this.props.current) return;
    this.shown = this.props.current;
    const index = this.props.rows.indexOf(this.props.current);
    if (index < 0) return;
    const [above, below] = [index * LINE, (index + 1) * LINE - frame.clientHeight];
    if (frame.scrollTop > above) frame.scrollTop = above;
    else if (frame.scrollTop < below) frame.scrollTop = below;
  }

  /** A list box by the keyboard: the arrows choose. */
  private key(e: KeyboardEvent): void {
    const { rows, current, onChoose } = this.props;
    const step = STEPS[e.key] ?? 0;
    if (!step || !rows.length) return;
    e.preventDefault();
    const at = rows.indexOf(current);
    onChoose(rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))]);
  }

  override render() {
    const { rows, current, line, onChoose, label } = this.props;
    const first = Math.max(0, Math.floor(this.state.top / LINE) - 4);
    const last = Math.min(rows.length, Math.ceil((this.state.top + this.state.height) / LINE) + 4);
    return (
      <div
        class="bw-list"
        ref={this.frame}
        role="listbox"
        tabIndex={0}
        onKeyDown={(e) => this.key(e)}
        aria-label={label}
        onScroll={(e) =>
          this.setState({ top: e.currentTarget.scrollTop, height: e.currentTarget.clientHeight })
        }
      >
        <div class="bw-list-all" style={{ height: `${rows.length * LINE}px` }}>
          {rows.slice(first, last).map((row, i) => (
            <div
              key={row}
              class="bw-line"
              role="option"
              aria-selected={row === current}
              style={{ top: `${(first + i) * LINE}px` }}
              onClick={() => onChoose(row)}
            >
              {line(row, first + i)}
            </div>
          ))}
        </div>
      </div>
    );
  }
}
