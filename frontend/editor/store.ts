/** What is open: the image's cells, what is selected, the chosen tool, what is saved. Features read and change it, and
 *  depend on nothing else of the editor. No DOM, no drawing. */
import type { Point, Size } from "../geometry/frames";
import { t } from "../locale/locale";
import type { BrowserPrompter } from "../prompter/browser";
import type { ColourBy } from "../render/colour_by";
import { Pixels } from "../render/pixels";
import { Cells } from "../scene/cells";
import type { LabelClass, Layer, Person, ViewIn, Workspace as Opened } from "../scene/contract";
import type { Draft } from "../scene/edits";
import { History } from "../scene/history";
import { Overview } from "../scene/overview";
import { Seen } from "../scene/seen";
import { uuid7 } from "../scene/uuid";
import { ApiError, isTemporary, type Api } from "../sync/api";
import type { Log } from "../sync/log";
import type { Conflict, Timing } from "../sync/verdicts";
import type { Outbox, SaveState } from "../sync/outbox";
import { Recorder } from "../timing/recorder";
import type { EditedMask } from "./edited_mask";
import { observed } from "../scene/observed";
import { Toasts } from "./toasts";
import type { ToolName } from "./tool_names";

/** The properties that the page is drawn from. */
export type Observable = {
  isLoaded: boolean;
  save: SaveState;
  tool: ToolName;
  /** Of what is drawn next. */
  labelClass: LabelClass | null;
  /** A row; -1: none. */
  selected: number;
  /** Several cells, selected by the lasso. */
  multiSelected: readonly number[];
  hovered: number;
  showBoxes: boolean;
  /** What the colours of cells say. */
  colourBy: ColourBy;
  /** The mask that is being edited. */
  editing: EditedMask | null;
  /** The row whose box is being dragged: it is drawn as a shadow; -1: none. */
  dragged: number;
  /** In image pixels. */
  brushRadius: number;
  brushMode: "new" | "add" | "subtract";
  /** Cells that Enter kept before their mask was there. */
  promised: number;
};

const INITIAL = (): Observable => ({
  isLoaded: false,
  save: { kind: "saved", at: null },
  tool: "select",
  labelClass: null,
  selected: -1,
  multiSelected: [],
  hovered: -1,
  showBoxes: false,
  colourBy: "class",
  editing: null,
  dragged: -1,
  brushRadius: 3,
  brushMode: "new",
  promised: 0,
});
export const OBSERVED = Object.keys(INITIAL()) as readonly (keyof Observable)[];

const [LEAST_RADIUS, MOST_RADIUS] = [0.5, 200];

export class Store extends observed(INITIAL) {
  readonly cells: Cells;
  readonly overview: Overview;
  readonly history = new History();
  readonly session = uuid7();
  readonly recorder: Recorder;
  readonly seen = new Seen();
  readonly toasts = new Toasts(this.history);
  /** The image's own pixels, for tools that compare colours. */
  readonly pixels: Pixels;
  /** There when the cells are. */
  outbox!: Outbox;
  /** Null: this person may not write here. */
  log: Log | null = null;
  /** The prompter in this browser; null: the server's is asked. */
  prompter: BrowserPrompter | null = null;
  /** The row that the last finished frame showed as selected: a verdict needs a cell that was seen. */
  painted = -1;
  /** The pointer on the picture, for those who follow this person. */
  cursor: Point<"image"> | null = null;
  /** Something is being dragged on the picture: keys then mean what is drawn next, and not what is selected. */
  dragging = false;
  /** Of the box drawn or copied last, image pixels. */
  lastSize: Size = { width: 24, height: 24 };
  /** How the picture is shown now; null: nobody knows. */
  shownAs: () => ViewIn | null = () => null;
  private begunAt = { ms: performance.now(), event: 0 };
  private waits = 0;

  /** Without cells yet: editor/opening.ts fills it. */
  constructor(
    readonly opened: Opened,
    readonly api: Api,
    beatMs: number,
  ) {
    super();
    this.cells = new Cells(opened.image);
    this.overview = new Overview(this.cells);
    this.pixels = new Pixels(opened.image);
    this.labelClass = this.offeredClasses[0] ?? null;
    this.recorder = new Recorder(
      opened.project.records_activity,
      this.session,
      opened.image.id,
      (batch, farewell) => api.activity(batch, farewell),
      keepsActivity,
      undefined,
      beatMs,
    );
    this.cells.watch((row) => this.seen.forget(row));
  }

  // Reading

  get canWrite(): boolean {
    return this.log !== null;
  }
  get publication(): Layer | undefined {
    return this.opened.layers.find((layer) => layer.publication);
  }
  /** Whose cells can be shown or hidden one by one. Where each person has a layer, that layer's switch does it. */
  peopleInPicture(): readonly Person[] {
    const isApart = this.opened.layers.some((layer) => layer.annotator);
    return isApart ? [] : (this.opened.people ?? []);
  }
  /** A person's name, as colleagues see it. */
  nameOf(person: number): string {
    const known = [this.opened.person, ...(this.opened.people ?? [])].find((p) => p.id === person);
    return known?.name ?? this.log?.nameOfPerson(person) ?? t("somebody else");
  }
  /** What people choose from; cells may still have a class that is retired. */
  get offeredClasses(): readonly LabelClass[] {
    return this.opened.project.classes.filter((one) => !one.is_retired);
  }
  classOf(id: number): LabelClass | undefined {
    return this.opened.project.classes.find((c) => c.id === id);
  }
  get onProposal(): boolean {
    return this.selected >= 0 && this.cells.isUndecided(this.selected);
  }
  /** The decided cell that a verdict would be about: the selected one, or what decides the selected proposal.
   *  -1: none. */
  get decidedRow(): number {
    const { cells, selected } = this;
    if (selected < 0) return -1;
    const row = cells.isProposal(selected) ? cells.decisionOf(selected) : selected;
    const isDecided = row >= 0 && cells.live[row] === 1 && cells.isMine(row) && cells.kindOf(row) === "cell";
    return isDecided ? row : -1;
  }
  isMineAndLive(row: number): boolean {
    return this.canWrite && row >= 0 && this.cells.live[row] === 1 && this.cells.isMine(row);
  }
  isOwnCell(row: number): boolean {
    if (!this.isMineAndLive(row) || this.cells.kindOf(row) !== "cell") return false;
    return this.cells.statusOf(row) !== "rejected";
  }
  /** A study's arm has its own tools and no others; elsewhere there is everything. */
  offers(tool: ToolName): boolean {
    return !this.opened.study || tool === "select" || this.opened.study.tools.includes(tool);
  }
  /** Colleagues' layers, consensus or imports that nobody has asked to see. */
  hiddenLayers(): number {
    const isHidden = (layer: Layer, i: number) =>
      i !== this.cells.base && layer.kind !== "prediction" && !this.cells.isLayerShown(i);
    return this.opened.layers.filter(isHidden).length;
  }

  // Writing

  /** An act begins: its time and its first activity event. */
  begin(): void {
    this.begunAt = { ms: performance.now(), event: this.recorder.at };
  }
  /** Do an act: into the picture now, to the server as soon as it answers.
   *  -> the operation's id; null: not writable. */
  commit(draft: Draft): string | null {
    if (!this.log) return null;
    const target = (draft.effects[0] ?? draft.opinions?.[0])?.annotation;
    if (target) this.recorder.record("target_committed", target);
    return this.log.commit(draft, this.timing());
  }
  /** An act whose time is that of the act that is going on, which goes on. */
  commitMeanwhile(draft: Draft): void {
    const { begunAt } = this;
    this.commit(draft);
    this.begunAt = begunAt;
  }
  settleConflict(conflict: Conflict, choice: "mine" | "theirs"): void {
    this.begin();
    this.log?.resolve(conflict, choice, this.timing());
  }
  private timing(): Timing {
    const view = this.shownAs();
    const timing: Timing = {
      begun_ms: this.begunAt.ms,
      committed_ms: performance.now(),
      activity: this.recorder.since(this.begunAt.event),
      ...(view ? { view } : {}),
    };
    this.begin();
    return timing;
  }

  resizeBrush(factor: number): void {
    this.brushRadius = Math.min(MOST_RADIUS, Math.max(LEAST_RADIUS, this.brushRadius * factor));
  }

  /** Time spent waiting for a machine is no working time. */
  async waited<T>(work: Promise<T>): Promise<T> {
    if (this.waits++ === 0) this.recorder.record("wait_begin");
    try {
      return await work;
    } finally {
      if (--this.waits === 0) this.recorder.record("wait_end");
    }
  }
}

/** What waits for an archived project's restoring, or for a study's reader to go on, keeps the time that it took. */
function keepsActivity(error: unknown): boolean {
  if (isTemporary(error)) return true;
  if (!(error instanceof ApiError)) return false;
  return error.status === 401 || error.code === "archived" || error.code === "no_sitting";
}

/** Why the interactive worker gave no mask. */
export function workerTrouble(error: unknown): string {
  if (error instanceof ApiError) return error.detail;
  return t("The server does not answer, so no mask can be computed. Draw by hand meanwhile.");
}
