/** The editor: what is open and selected, the current tool, and what each command does. It touches no DOM.
 *
 *  The panels read from here when `watch` tells them; nothing per cell is copied into them. */
import { t } from "../locale/locale";
import { boxOf as maskBox, type Mask } from "../geometry/mask";
import { centre, type Box } from "../geometry/box";
import {
  centredOn,
  fit,
  imagePoint,
  MAX_SCALE,
  toImage,
  toScreen,
  screenPoint,
  within,
  type Camera,
  type Point,
  type Size,
} from "../geometry/frames";
import { Attributes } from "./attributes";
import { MaskEdit, type EditedMask } from "./mask_edit";
import { Refusion } from "./refusion";
import { LiveUpdates, PACE, type Pace } from "./live_updates";
import { readOnly, unavailableClass } from "./availability";
import { Review } from "./review";
import * as smart from "./smart";
import { UndoRedo } from "./undo";
import { Toasts } from "./toasts";
import { MultiSelect } from "./multi_select";
import type { Vertex } from "../geometry/polygon";
import * as bulk from "../scene/bulk";
import { Seen } from "../scene/seen";
import { Asker } from "../sync/ask";
import type { Live } from "../sync/live";
import type { Prompt } from "../tools/smart";
import type { BrowserPrompter } from "../prompter/browser";
import { Pixels } from "../render/pixels";
import { createTools, TOOLS, type ToolName } from "../tools";
import { MaskBrush } from "../tools/mask_brush";
import type { Tool } from "../tools/tool";
import { Cells, type Counts } from "../scene/cells";
import type { LabelClass, Layer, Person, Reason, Workspace as Opened } from "../scene/contract";
import * as edits from "../scene/edits";
import { History } from "../scene/history";
import type { Order } from "../scene/order";
import { uuid7 } from "../scene/uuid";
import { isTemporary, ApiError, type Answered, type Api } from "../sync/api";
import type { Conflict, Log } from "../sync/log";
import type { Outbox, SaveState } from "../sync/outbox";
import { Recorder } from "../timing/recorder";

type Late = { mask: Mask | null; box: Box | null; labelClass: LabelClass | null };

export class Editor {
  readonly cells: Cells;
  readonly history = new History();
  readonly session = uuid7();
  readonly recorder: Recorder;
  /** There when the cells are. */
  outbox!: Outbox;
  log: Log | null = null;
  /** When the cells are there; rejects when they could not be had. */
  loaded: Promise<void> = Promise.resolve();
  isLoaded = false;
  save: SaveState = { kind: "saved", at: null };
  tool: ToolName = "select";
  labelClass: LabelClass | null;
  selected = -1;
  /** Several cells selected by the lasso. */
  multiSelected: readonly number[] = [];
  readonly seen = new Seen();
  readonly liveUpdates: LiveUpdates;
  readonly review = new Review(this);
  readonly maskEdit = new MaskEdit(this);
  readonly multiSelect = new MultiSelect(this);
  readonly refusion = new Refusion(this);
  readonly attributes = new Attributes(this);
  readonly smartAsker = new Asker();
  /** The image's own pixels, for tools that compare colours. */
  readonly pixels: Pixels;
  /** The prompter in this browser; null: the server's is asked. */
  prompter: BrowserPrompter | null = null;
  readonly tools: Readonly<Record<ToolName, Tool>>;
  private readonly maskBrush: Tool;
  /** The pointer on the picture, for those who follow me. */
  cursor: Point<"image"> | null = null;
  /** Of the box drawn or copied last, image pixels. */
  lastSize: Size = { width: 24, height: 24 };
  hovered = -1;
  showBoxes = false;
  /** Something is being dragged on the picture: keys then mean what is drawn next, and not what is selected. */
  dragging = false;
  /** Cells that Enter kept before their mask was there. */
  promised = 0;
  readonly toasts = new Toasts(this.history, () => this.notify());
  readonly undoRedo: UndoRedo;
  camera: Camera = { scale: 1, left: 0, top: 0 };
  canvas: Size = { width: 1, height: 1 };
  /** The row that the last finished frame showed as selected: a verdict needs a cell that was seen. */
  painted = -1;
  begunAt = { ms: performance.now(), event: 0 };
  private counted: Counts | null = null;
  private ignored: Box[] | null = null;
  private listed: number[] | null = null;
  private readonly watchers = new Set<(what: "all" | "view") => void>();

  /** Without cells yet: editor/opening.ts fills it. */
  constructor(
    readonly opened: Opened,
    readonly api: Api,
    pace: Pace = PACE,
  ) {
    this.liveUpdates = new LiveUpdates(this, pace);
    this.cells = new Cells(opened.image);
    this.pixels = new Pixels(opened.image);
    this.tools = createTools(this);
    this.maskBrush = new MaskBrush(this);
    this.labelClass = opened.project.classes[0] ?? null;
    this.undoRedo = new UndoRedo({
      history: this.history,
      me: opened.person.id,
      heads: (target) => this.log?.headOf(target),
      ask: (annotations) => api.heads(opened.layers[this.cells.base].id, annotations),
      learn: (head) => this.log?.learn(head),
      commit: (draft) => {
        this.begin();
        return this.do(draft);
      },
      show: (annotation) => this.show(annotation),
      say: (text) => this.toast(text),
    });
    this.recorder = new Recorder(
      opened.project.records_activity,
      this.session,
      opened.image.id,
      (batch, farewell) => api.activity(batch, farewell),
      // What waits for an archived project's restoring, or for a study's reader to go on, keeps the time that it took.
      (error) =>
        isTemporary(error) ||
        (error instanceof ApiError &&
          (error.status === 401 || error.code === "archived" || error.code === "no_sitting")),
      undefined,
      pace.beatMs,
    );
    this.cells.watch((row, before, after) => {
      // A proposal that is decided or open again keeps its place.
      if ((before || after) && !this.cells.isMine(row)) this.review.forgetOrder();
      this.seen.forget(row);
      this.counted = null;
      if (this.cells.kindOf(row) === "region") this.ignored = null;
      this.listed = null;
    });
  }

  /** Begin to follow the log and to send. Separate from opening, so that a test decides when time passes. */
  start(): void {
    this.liveUpdates.start();
  }
  stop(): void {
    this.liveUpdates.stop();
    if (this.isLoaded) this.outbox.stop();
  }
  get live(): Live | null {
    return this.liveUpdates.live;
  }
  poll(): Promise<void> {
    return this.liveUpdates.poll();
  }

  watch(watcher: (what: "all" | "view") => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }
  /** "view": only the camera moved, so that panning does not draw the panels again. */
  notify(what: "all" | "view" = "all"): void {
    if (what === "all") this.toasts.prune();
    for (const watcher of this.watchers) watcher(what);
  }

  // Reading

  get canWrite(): boolean {
    return this.log !== null;
  }
  get publication(): Layer | undefined {
    return this.opened.layers.find((layer) => layer.publication);
  }
  /** Counted again only after a change: panels ask for it every time they are drawn. */
  counts(): Counts {
    return (this.counted ??= this.cells.counts());
  }
  /** The cells and regions in the picture, of all layers that are shown, for the list. */
  listedRows(): readonly number[] {
    if (!this.listed) {
      this.listed = [];
      for (let row = 0; row < this.cells.count; row++) if (this.cells.isListed(row)) this.listed.push(row);
    }
    return this.listed;
  }
  /** Boxes of the regions to ignore. Looked for again only after a region changed: every frame asks for them. */
  ignoredRegions(): readonly Box[] {
    if (!this.ignored) {
      const { cells } = this;
      this.ignored = [];
      for (let row = 0; row < cells.count; row++)
        if (cells.live[row] && cells.statusOf(row) === "ignore") this.ignored.push(cells.boxOf(row));
    }
    return this.ignored;
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
  classOf(id: number): LabelClass | undefined {
    return this.opened.project.classes.find((c) => c.id === id);
  }
  reviewOrder(): number[] {
    return this.review.inOrder();
  }
  get order(): Order {
    return this.review.order;
  }
  setOrder(order: Order): void {
    this.review.setOrder(order);
  }
  get onProposal(): boolean {
    return this.selected >= 0 && this.cells.isUndecided(this.selected);
  }

  // Looking

  visible(): Box {
    const a = toImage(screenPoint(0, 0), this.camera);
    const b = toImage(screenPoint(this.canvas.width, this.canvas.height), this.camera);
    return { x0: a.x, y0: a.y, x1: b.x, y1: b.y };
  }
  moveTo(camera: Camera): void {
    this.camera = camera;
    const v = this.visible();
    this.recorder.record(
      "viewport",
      [v.x0, v.y0, v.x1, v.y1].map((n) => Math.round(n * 10) / 10),
    );
    this.notify("view");
  }
  fitImage(): void {
    this.moveTo(fit(this.opened.image, this.canvas));
  }
  /** Bring a row into view only when it is not comfortably in view: the picture does not move without cause. */
  reveal(row: number): void {
    const box = this.cells.extent(row);
    const size = Math.max(box.x1 - box.x0, box.y1 - box.y0) * this.camera.scale;
    const { x, y } = centre(box);
    const at = toScreen(imagePoint(x, y), this.camera);
    const { width, height } = this.canvas;
    const margin = 0.5 * size + 16;
    const inside = at.x > margin && at.x < width - margin && at.y > margin && at.y < height - margin;
    const [least, most] = [24, 0.8 * Math.min(width, height)];
    if (inside && size >= least && size < most) return;
    const wanted = size < least ? 48 / size : size >= most ? most / size : 1;
    const scale = Math.min(MAX_SCALE, wanted * this.camera.scale);
    this.moveTo(
      within(
        centredOn({ ...this.camera, scale }, imagePoint(x, y), this.canvas),
        this.opened.image,
        this.canvas,
      ),
    );
  }

  // Selecting

  select(row: number, reveal = false): void {
    row = this.decisionShown(row);
    this.multiSelect.endNudge();
    if (row >= 0) this.multiSelected = [];
    if (this.editing && this.editing.row !== row) this.maskEdit.editing = null;
    if (row !== this.selected) {
      this.selected = row;
      this.painted = -1;
      this.review.proposalClass = undefined;
      this.attributes.pending = {};
      this.begin();
      if (row >= 0) this.recorder.record("target_opened", this.cells.idOf(row));
    }
    if (row >= 0 && reveal) this.reveal(row);
    this.notify();
  }
  /** A proposal that has become a cell in the picture is selected as that cell. */
  private decisionShown(row: number): number {
    if (row < 0 || !this.cells.isProposal(row)) return row;
    const decision = this.cells.decisionOf(row);
    return decision >= 0 && this.cells.isShown(decision) ? decision : row;
  }
  /** The line of the list of proposals that the selection belongs to; -1: none. */
  selectedProposal(): number {
    const { cells, selected } = this;
    if (selected < 0 || cells.isProposal(selected)) return selected;
    return cells.rowOf(cells.derivedFrom(selected) ?? "");
  }
  /** Whether a row can stay selected: it is in the picture, or it is a rejected proposal that the list shows. */
  private isSelectable(row: number): boolean {
    return this.cells.isShown(row) || (this.cells.isProposal(row) && !this.cells.isUndecided(row));
  }
  /** The viewport has put the selection on the screen. */
  wasPainted(): void {
    if (this.selected < 0 || this.painted === this.selected) return;
    this.painted = this.selected;
    this.recorder.record("target_presented", this.cells.idOf(this.selected));
    if (this.cells.maskOf(this.selected)) this.recorder.record("mask_shown", this.cells.idOf(this.selected));
  }
  next(step: 1 | -1): void {
    this.review.next(step);
  }
  /** Colleagues' layers, consensus or imports that nobody has asked to see. */
  hiddenLayers(): number {
    return this.opened.layers.filter(
      (l, i) => i !== this.cells.base && l.kind !== "prediction" && !this.cells.isLayerShown(i),
    ).length;
  }
  showLayer(layer: number, shown: boolean): void {
    this.cells.showLayer(layer, shown);
    this.changed();
  }
  /** Keep out of the picture what somebody does not want to see now; the corner says how many. */
  filter(display: {
    hiddenClasses: readonly number[];
    hiddenStatuses: readonly string[];
    hiddenAuthors: readonly number[];
    leastDoubt: number;
    proposals: boolean;
  }): void {
    const { cells } = this;
    const none =
      !display.hiddenAuthors.length &&
      !display.hiddenClasses.length &&
      !display.hiddenStatuses.length &&
      !display.leastDoubt &&
      display.proposals;
    const isHidden = (row: number) => {
      if (cells.isProposal(row))
        return (
          !display.proposals ||
          cells.score[row] < display.leastDoubt ||
          display.hiddenClasses.includes(cells.labelClass[row])
        );
      if (
        display.hiddenStatuses.includes(cells.statusOf(row)) ||
        display.hiddenAuthors.includes(cells.author[row])
      )
        return true;
      return cells.kindOf(row) === "cell" && display.hiddenClasses.includes(cells.labelClass[row]);
    };
    cells.hide(none ? null : isHidden);
    this.changed();
  }
  // Acting

  /** An act begins: its time and its first activity event. */
  begin(): void {
    this.begunAt = { ms: performance.now(), event: this.recorder.at };
  }

  do(draft: edits.Draft): string | null {
    if (!this.log) return null;
    const target = (draft.effects[0] ?? draft.opinions?.[0])?.annotation;
    if (target) this.recorder.record("target_committed", target);
    return this.log.commit(draft, this.timing());
  }
  private timing() {
    const timing = {
      begun_ms: this.begunAt.ms,
      committed_ms: performance.now(),
      activity: this.recorder.since(this.begunAt.event),
    };
    this.begin();
    return timing;
  }

  /** The tool that input goes to: the chosen one, or the brush of the mask that is being edited. */
  get currentTool(): Tool {
    return this.editing ? this.maskBrush : this.tools[this.tool];
  }
  get usesRightButton(): boolean {
    return !this.editing && TOOLS[this.tool].rightButton === true;
  }
  /** A study's arm has its own tools and no others; elsewhere there is everything. */
  offers(tool: ToolName | "brush"): boolean {
    return !this.opened.study || tool === "select" || this.opened.study.tools.includes(tool);
  }
  isForLooking(tool: ToolName): boolean {
    return TOOLS[tool].changesNothing === true;
  }
  setTool(tool: ToolName): void {
    if (!this.offers(tool) || (!this.canWrite && !this.isForLooking(tool))) return;
    this.cancelEdit();
    this.multiSelect.endNudge();
    this.tools[this.tool].exit?.();
    this.tool = tool;
    this.tools[tool].enter?.();
    this.recorder.record("tool", tool);
    this.notify();
  }

  drawn(box: Box, region: null | "exhaustive" | "ignore", tool = "box"): void {
    const draft = region ? edits.region(box, region) : edits.draw(box, this.labelClass?.id ?? null, tool);
    if (!region) this.lastSize = { width: box.x1 - box.x0, height: box.y1 - box.y0 };
    this.do(draft);
    this.select(this.cells.rowOf(draft.effects[0].annotation));
  }
  /** A cell with its mask at once; `box`: the one that a person drew for it. */
  drawnMask(mask: Mask, tool: string, box: Box = maskBox(mask)): void {
    const draft = bulk.drawMask(mask, tool, this.labelClass?.id ?? null, box);
    this.do(draft);
    this.select(this.cells.rowOf(draft.effects[0].annotation));
  }
  /** A cell whose mask came late: another one may be selected or under the pen by now, and stays so. */
  drawnLate({ mask, box, labelClass }: Late): void {
    const { begunAt } = this;
    const id = labelClass?.id ?? null;
    if (mask) this.do(bulk.drawMask(mask, "smart", id, box ?? maskBox(mask)));
    else if (box) this.do(edits.draw(box, id, "smart"));
    this.begunAt = begunAt;
  }
  reshaped(row: number, mask: Mask, tool: string): void {
    if (this.isMineAndLive(row)) this.do(edits.reshape(this.cells, row, mask, tool));
    else this.notKept();
  }
  split(row: number, path: readonly Vertex[]): void {
    this.multiSelect.split(row, path);
  }
  selectSeveral(rows: readonly number[]): void {
    this.multiSelected = rows;
    if (rows.length) this.selected = -1;
    this.notify();
  }
  isOwnCell(row: number): boolean {
    return (
      this.isMineAndLive(row) && this.cells.kindOf(row) === "cell" && this.cells.statusOf(row) !== "rejected"
    );
  }
  /** Put the next box like the selected one: the stamp takes its size. */
  copySize(): void {
    if (this.selected < 0) return;
    const { x0, y0, x1, y1 } = this.cells.boxOf(this.selected);
    this.lastSize = { width: x1 - x0, height: y1 - y0 };
    this.setTool("stamp");
  }

  // Asking the interactive worker

  askSmart(prompt: Prompt): Promise<Answered | null> {
    return this.smartAsker.ask((number) => this.waited(smart.answer(this, prompt, number)));
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
  private waits = 0;
  sentence(error: unknown): string {
    if (error instanceof ApiError) return error.detail;
    return t("The server does not answer, so no mask can be computed. Draw by hand meanwhile.");
  }

  wholeFieldIsExhaustive(): void {
    const { width, height } = this.opened.image;
    this.begin();
    const op = this.do(edits.region({ x0: 0, y0: 0, x1: width, y1: height }, "exhaustive"));
    if (op) this.toast(t("Said: every cell of this image is annotated."), [op]);
  }
  /** Is one exhaustive region over the whole image? */
  isWholeFieldExhaustive(): boolean {
    const { width, height } = this.opened.image;
    for (let row = 0; row < this.cells.count; row++) {
      if (!this.cells.live[row] || !this.cells.isMine(row) || this.cells.statusOf(row) !== "exhaustive")
        continue;
      const box = this.cells.boxOf(row);
      if (box.x0 <= 0 && box.y0 <= 0 && box.x1 >= width && box.y1 >= height) return true;
    }
    return false;
  }
  reshapedBox(row: number, box: Box, action: "move" | "resize"): void {
    if (this.isMineAndLive(row)) this.do(edits.setBox(this.cells, row, box, action));
    else this.notKept();
  }
  /** A colleague was faster: what was being dragged is not there any more. */
  private notKept(): void {
    this.toast(this.canWrite ? t("Not kept: this cell has been deleted meanwhile.") : readOnly(this));
  }
  remove(): void {
    if (this.multiSelected.length) return this.multiSelect.remove();
    if (!this.isMineAndLive(this.selected)) return;
    const isRegion = this.cells.kindOf(this.selected) === "region";
    const op = this.do(edits.remove(this.cells, this.selected));
    this.select(-1);
    if (op) this.toast(isRegion ? t("Region deleted.") : t("Cell deleted."), [op]);
  }
  /** The class sticks for what is drawn next, and is given to what is selected, the box just drawn included. In the
   *  middle of a drag it is the class of what is being drawn. */
  chooseClass(chosen: LabelClass): void {
    const before = this.labelClass;
    const why = unavailableClass(this);
    if (why) {
      this.toast(why);
      return;
    }
    this.labelClass = chosen;
    if (!this.dragging) this.classify(chosen, before === chosen);
    this.notify();
  }
  private classify(chosen: LabelClass, isSame: boolean): void {
    const { cells, selected: row } = this;
    const { name } = chosen;
    if (this.multiSelected.length) this.multiSelect.classify(chosen);
    else if (this.onProposal) this.review.proposalClass = chosen.id;
    else if (row < 0) {
      if (isSame) this.toast(t("New cells get the class {name} already.", { name }));
    } else if (cells.kindOf(row) === "region")
      this.toast(t("A region has no class. New cells get the class {name}.", { name }));
    else if (cells.labelClass[row] === chosen.id) this.toast(t("This cell is {name} already.", { name }));
    else if (this.isMineAndLive(row)) this.do(edits.classify(cells, row, chosen.id));
  }
  // Verdicts (editor/review.ts)

  get proposalClass(): number | undefined {
    return this.review.proposalClass;
  }
  get rejected(): string | null {
    return this.review.rejected;
  }
  accept(): void {
    if (this.multiSelected.length) this.multiSelect.accept();
    else this.review.accept();
  }
  reject(): void {
    this.review.reject();
  }
  cannotTell(): void {
    this.review.cannotTell();
  }
  giveReason(reason: Reason): void {
    this.review.giveReason(reason);
  }

  // A mask under the brush (editor/mask_edit.ts)

  get editing(): EditedMask | null {
    return this.maskEdit.editing;
  }
  get brushRadius(): number {
    return this.maskEdit.radius;
  }
  get brushMode(): MaskEdit["mode"] {
    return this.maskEdit.mode;
  }
  set brushMode(mode: MaskEdit["mode"]) {
    this.maskEdit.mode = mode;
  }
  edit(): void {
    this.maskEdit.edit();
  }
  resizeBrush(factor: number): void {
    this.maskEdit.resize(factor);
  }
  cancelEdit(): void {
    this.maskEdit.cancel();
  }
  commitEdit(): void {
    this.maskEdit.commit();
  }

  // Back and forth

  undo(): void {
    this.multiSelect.endNudge();
    if (this.maskEdit.undo()) return;
    if (this.editing) this.toast(t("No stroke to undo in this mask. Esc leaves it as it was."));
    else if (this.canWrite) this.undoRedo.undo();
    else this.toast(readOnly(this));
  }
  redo(): void {
    if (this.canWrite) this.undoRedo.redo();
    else this.toast(readOnly(this));
  }
  /** Select what a step was about: the cell, or the proposal that is open again. */
  private show(annotation: string): void {
    const row = this.cells.rowOf(annotation);
    const proposal = row >= 0 ? this.cells.rowOf(this.cells.derivedFrom(row) ?? "") : -1;
    const shown = [row, proposal].find((r) => r >= 0 && this.cells.isShown(r)) ?? -1;
    this.select(shown, shown >= 0);
  }

  // Telling

  settleConflict(conflict: Conflict, choice: "mine" | "theirs"): void {
    this.begin();
    this.log?.resolve(conflict, choice, this.timing());
  }
  /** `undoes`: the operations of the act that it tells of, which its button would undo. */
  toast(text: string, undoes: readonly string[] = []): void {
    this.toasts.show(text, undoes);
  }

  isMineAndLive(row: number): boolean {
    return this.canWrite && row >= 0 && this.cells.live[row] === 1 && this.cells.isMine(row);
  }

  /** Somebody (perhaps a colleague) changed the cells: a selection that is gone is let go. */
  changed(): void {
    if (this.selected >= 0 && !this.isSelectable(this.selected)) this.selected = -1;
    if (this.multiSelected.some((row) => !this.cells.isShown(row)))
      this.multiSelected = this.multiSelected.filter((row) => this.cells.isShown(row));
    this.notify();
  }
}

export type { EditedMask, Point };
