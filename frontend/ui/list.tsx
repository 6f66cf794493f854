/** A list of any length that holds only the lines in sight. */
import { Component, createRef, type ComponentChild } from "preact";

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };
/** Height of a line, CSS pixels, before the style sheet has been asked. */
const LINE = 28;

type Props = {
  readonly rows: readonly number[];
  readonly current: number;
  readonly label: string;
  readonly line: (row: number, index: number) => ComponentChild;
  readonly onChoose: (row: number) => void;
};

export class LongList extends Component<Props, { top: number; height: number; line: number }> {
  override state = { top: 0, height: 600, line: LINE };
  private readonly frame = createRef<HTMLDivElement>();
  private shown = -1;
  /** What stands below the list comes and goes, and the list grows without being scrolled. */
  private readonly resized = new ResizeObserver(([entry]) =>
    this.setState({ height: entry.target.clientHeight }),
  );

  override componentDidMount(): void {
    const frame = this.frame.current;
    if (frame) {
      this.setState({ height: frame.clientHeight, line: lineHeight(frame) });
      this.resized.observe(frame);
    }
    this.keepInSight();
  }
  override componentWillUnmount(): void {
    this.resized.disconnect();
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
    const { line } = this.state;
    const [above, below] = [index * line, (index + 1) * line - frame.clientHeight];
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
    const { top, height, line: step } = this.state;
    const first = Math.max(0, Math.floor(top / step) - 4);
    const last = Math.min(rows.length, Math.ceil((top + height) / step) + 4);
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
        <div class="bw-list-all" style={{ height: `${rows.length * step}px` }}>
          {rows.slice(first, last).map((row, i) => (
            <div
              key={row}
              class="bw-line"
              role="option"
              aria-selected={row === current}
              style={{ top: `${(first + i) * step}px` }}
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

const lineHeight = (frame: HTMLElement): number =>
  parseFloat(getComputedStyle(frame).getPropertyValue("--list-line")) || LINE;
