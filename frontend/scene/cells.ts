/** Everything annotated on an image, all layers, as a structure of arrays: one row an annotation, no object per cell.
 *
 *  A row number stays the same for as long as the annotation is known here, also after its deletion (`live` is 0
 *  then and undo brings it back), so that the look-up table of the drawing and the grid can go by row. */
import { batch, signal } from "@preact/signals-core";
import { area, contains, isPointBox, type Box } from "../geometry/box";
import { covers, fromBase64, toBase64, type Mask } from "../geometry/mask";
import { Grid } from "../geometry/grid";
import type { Point, Size } from "../geometry/frames";
import {
  KINDS,
  STATUSES,
  type Kind,
  type LayerKind,
  type Opinion,
  type Reason,
  type AnnotationState,
  type Status,
} from "./contract";
import { Masks } from "./masks";
import { Opinions } from "./opinions";
import type { Pack } from "./pack";
import { putUuid, uuidAt } from "./uuid";

const CELL = KINDS.indexOf("cell");
const REJECTED = STATUSES.indexOf("rejected");
const CONFIRMED = STATUSES.indexOf("confirmed");
const CANNOT_TELL = STATUSES.indexOf("cannot_tell");

/** "difference": what two layers do not share, made here (compare/difference.ts): areas, not cells. */
export type LayerUse = LayerKind | "difference";
export type Attributes = Readonly<Record<string, string>>;
const NOTHING: Attributes = {};

/** Called for every row that changed, with what it covered before and covers now.
 *  Twice null: only its style changed. */
export type Watcher = (row: number, before: Box | null, after: Box | null) => void;

export class Cells {
  count = 0;
  private capacity = 1024;
  live = new Uint8Array(this.capacity);
  layer = new Uint8Array(this.capacity);
  kind = new Uint8Array(this.capacity);
  status = new Uint8Array(this.capacity);
  labelClass = new Uint32Array(this.capacity);
  score = new Float32Array(this.capacity);
  version = new Uint32Array(this.capacity);
  /** Who acted on the annotation last. */
  author = new Uint32Array(this.capacity);
  /** Who gave it the status that it has; 0: nobody knows. */
  decider = new Uint32Array(this.capacity);
  /** 1 where an opinion differs from the status. */
  disputed = new Uint8Array(this.capacity);
  readonly opinions = new Opinions();
  box = new Float64Array(4 * this.capacity);
  /** Of a proposal: the live row of the working layer that decides it, or -1. */
  private decided = new Int32Array(this.capacity).fill(-1);
  private ids = new Uint8Array(16 * this.capacity);
  private lastOps = new Uint8Array(16 * this.capacity);
  private derived = new Uint8Array(16 * this.capacity);
  private readonly masks = new Masks();
  private reasons = new Map<number, Reason>();
  /** Only rows that have attributes; rows with equal ones share the object. */
  private readonly attributesByRow = new Map<number, Attributes>();
  private readonly parents = new Map<number, string>();
  private readonly rows = new Map<string, number>();
  /** proposal id -> the live row of the working layer that decides it */
  private readonly decisions = new Map<string, number>();
  private readonly grid: Grid;
  private readonly watchers: Watcher[] = [];
  private readonly changeCount = signal(0);
  readonly layers: string[] = [];
  /** How many live rows of each layer have a mask: a layer without any is not looked at for drawing. */
  readonly maskCounts: number[] = [];
  /** The layer whose decisions and counts are this person's picture: the shared one or the own one, also where it
   *  cannot be written. -1: none. */
  base = -1;

  constructor(readonly image: Size) {
    this.grid = new Grid(image.width);
  }

  /** `watcher` is called in the middle of a change, once a row. Whoever wants to know only that there was one reads
   *  `changes` in an effect. */
  watch(watcher: Watcher): void {
    this.watchers.push(watcher);
  }
  /** How many changes there were: a signal. */
  get changes(): number {
    return this.changeCount.value;
  }

  /** Whether a layer that is neither the base nor a prediction is in the picture: a colleague's, a consensus, an
   *  import. */
  private readonly opened: boolean[] = [];
  private readonly kinds: LayerUse[] = [];

  addLayer(id: string, base: boolean, kind: LayerUse): number {
    const index = this.layers.push(id) - 1;
    this.kinds[index] = kind;
    this.opened[index] = false;
    this.maskCounts[index] = 0;
    if (base) this.base = index;
    return index;
  }

  /** All rows of a layer's pack at once; the mask bits stay views on the pack's bytes. */
  load(layer: number, pack: Pack): void {
    batch(() => this.loadRows(layer, pack));
  }
  private loadRows(layer: number, pack: Pack): void {
    this.reserve(this.count + pack.count);
    const c = pack.columns;
    const bits = this.masks.addSource(c.mask_bits.slice()); // a copy, so that the rest of the pack need not stay
    for (let i = 0; i < pack.count; i++) {
      const row = this.count++;
      this.live[row] = 1;
      this.layer[row] = layer;
      this.kind[row] = c.kind[i];
      this.status[row] = c.status[i];
      this.labelClass[row] = c.label_class[i];
      this.score[row] = c.score[i];
      this.version[row] = c.version[i];
      this.author[row] = c.author[i];
      this.decider[row] = c.decided_by?.[i] ?? 0;
      this.disputed[row] = 0;
      this.box.set(c.box.subarray(4 * i, 4 * i + 4), 4 * row);
      this.ids.set(c.id.subarray(16 * i, 16 * i + 16), 16 * row);
      this.lastOps.set(c.last_op.subarray(16 * i, 16 * i + 16), 16 * row);
      this.derived.set(c.derived_from.subarray(16 * i, 16 * i + 16), 16 * row);
      const m = 4 * i;
      if (c.mask_box[m + 2])
        this.masks.setFrom(
          row,
          bits,
          c.mask_offset[i],
          c.mask_box[m],
          c.mask_box[m + 1],
          c.mask_box[m + 2],
          c.mask_box[m + 3],
        );
      else this.masks.set(row, null);
      const parent = c.parent && uuidAt(c.parent, i);
      if (parent) this.parents.set(row, parent);
      const id = uuidAt(c.id, i) as string;
      this.rows.set(id, row);
      this.decided[row] = this.decisions.get(id) ?? -1;
      this.link(row);
    }
    this.loadAttributes(pack);
    for (const { annotation, ...opinion } of pack.opinions) {
      this.opinions.put(annotation, opinion);
      this.dispute(this.rowOf(annotation));
    }
    const first = this.count - pack.count;
    for (let row = first; row < this.count; row++) this.notifyWatchers(row, null, this.extent(row));
    for (let row = first; row < this.count; row++) this.notifyDecided(row, first);
  }

  /** A decision came with a later pack than its proposal, which goes out of the picture now. */
  private notifyDecided(row: number, first: number): void {
    if (!this.isMine(row)) return;
    const proposal = this.rowOf(this.derivedFrom(row) ?? "");
    if (proposal >= 0 && proposal < first) this.notifyWatchers(proposal, null, null);
  }

  private loadAttributes(pack: Pack): void {
    const codes = pack.columns.attributes;
    const n = pack.attributes.length;
    if (!codes || !n) return;
    const shared = new Map<string, Attributes>();
    for (let i = 0; i < pack.count; i++) {
      const own = codes.subarray(n * i, n * i + n);
      if (own.every((code) => code === 0)) continue;
      const key = own.join();
      const attributesByRow =
        shared.get(key) ??
        Object.fromEntries(
          pack.attributes.flatMap(([name, values], j) => (own[j] ? [[name, values[own[j] - 1]]] : [])),
        );
      shared.set(key, attributesByRow);
      this.attributesByRow.set(this.count - pack.count + i, attributesByRow);
    }
  }

  /** Make the row of an annotation say what `state` says (null: deleted), as of operation `op`. A deleted annotation
   *  that was not known gets a row too: then its last operation is known from now on. */
  put(
    layer: number,
    annotation: string,
    state: AnnotationState | null,
    op: string | null,
    version?: number,
    author = 0,
  ): number {
    const isNew = !this.rows.has(annotation);
    const row = isNew ? this.newRow(layer, annotation) : this.rowOf(annotation);
    const before = this.live[row] ? this.extent(row) : null;
    const proposals = new Set([this.derivedFrom(row), state?.derived_from ?? null]);
    if (before) this.unlink(row);
    putUuid(this.lastOps, row, op);
    this.version[row] = version ?? this.version[row] + 1;
    this.live[row] = state ? 1 : 0;
    if (state) {
      this.decideBy(row, state, author, isNew);
      this.write(row, state);
      this.link(row);
    }
    this.dispute(row);
    this.notifyWatchers(row, before, state ? this.extent(row) : null);
    if (layer === this.base) proposals.forEach((id) => this.notifyProposal(id));
    return row;
  }

  /** A row without a state yet. */
  private newRow(layer: number, annotation: string): number {
    this.reserve(this.count + 1);
    const row = this.count++;
    putUuid(this.ids, row, annotation);
    this.rows.set(annotation, row);
    this.layer[row] = layer;
    this.score[row] = NaN;
    this.live[row] = this.version[row] = 0;
    this.author[row] = this.decider[row] = this.disputed[row] = 0;
    putUuid(this.derived, row, null);
    this.masks.set(row, null);
    this.decided[row] = this.decisions.get(annotation) ?? -1;
    return row;
  }

  /** Who moves a cell has not decided it: only another status, or another proposal, is another decision. */
  private decideBy(row: number, state: AnnotationState, author: number, isNew: boolean): void {
    this.author[row] = author || this.author[row];
    const decides =
      isNew || this.statusOf(row) !== state.status || this.derivedFrom(row) !== state.derived_from;
    if (decides && author) this.decider[row] = author;
  }

  private write(row: number, state: AnnotationState): void {
    const attributes = Object.keys(state.attributes ?? {}).length ? state.attributes : undefined;
    this.kind[row] = KINDS.indexOf(state.kind);
    this.status[row] = STATUSES.indexOf(state.status);
    this.labelClass[row] = state.label_class ?? 0;
    this.box.set(state.box, 4 * row);
    this.masks.set(row, state.mask && { ...state.mask, bits: fromBase64(state.mask.bits) });
    putUuid(this.derived, row, state.derived_from);
    setOrDelete(this.reasons, row, state.reason || undefined);
    setOrDelete(this.attributesByRow, row, attributes);
    setOrDelete(this.parents, row, state.parent || undefined);
  }

  /** A proposal was decided or is open again: it appears or disappears. */
  private notifyProposal(id: string | null): void {
    const proposal = id ? this.rowOf(id) : -1;
    if (proposal >= 0) this.notifyWatchers(proposal, null, null);
  }

  /** The state of a row as it travels; null when it is deleted. */
  stateOf(row: number): AnnotationState | null {
    if (row < 0 || !this.live[row]) return null;
    const mask = this.masks.get(row);
    const box = this.box.subarray(4 * row, 4 * row + 4);
    const [attributes, parent] = [this.attributesByRow.get(row), this.parents.get(row)];
    return {
      ...(attributes ? { attributes } : {}),
      ...(parent ? { parent } : {}),
      kind: this.kindOf(row),
      status: this.statusOf(row),
      label_class: this.labelClass[row] || null,
      box: [box[0], box[1], box[2], box[3]],
      mask: mask && {
        x: mask.x,
        y: mask.y,
        width: mask.width,
        height: mask.height,
        bits: toBase64(mask.bits),
      },
      derived_from: this.derivedFrom(row),
      reason: this.reasons.get(row) ?? "",
      provenance: {},
    };
  }

  /** The last operation on an annotation (null: none yet); undefined: it is not in memory, and only the log can say. */
  headOf(annotation: string): string | null | undefined {
    const row = this.rowOf(annotation);
    return row < 0 ? undefined : this.lastOp(row);
  }

  /** The server's word on who has decided a cell. */
  setDecider(annotation: string, person: number | null | undefined): void {
    const row = this.rowOf(annotation);
    if (row < 0 || !person || this.decider[row] === person) return;
    this.decider[row] = person;
    this.noteChange();
  }

  /** Somebody says something of a cell, or takes it back. */
  giveOpinion(annotation: string, opinion: Opinion): void {
    this.opinions.put(annotation, opinion);
    const row = this.rowOf(annotation);
    if (row < 0) return;
    this.dispute(row);
    this.notifyWatchers(row, null, null);
  }

  /** Whether the cell is disputed follows from its status and the opinions, here as on the server. */
  private dispute(row: number): void {
    if (row < 0) return;
    const isJudged = this.live[row] === 1 && this.kind[row] === CELL;
    const disputed =
      isJudged && this.opinions.dispute(this.idOf(row), this.statusOf(row), this.labelClass[row] || null);
    this.disputed[row] = disputed ? 1 : 0;
  }

  rowOf(annotation: string): number {
    return this.rows.get(annotation) ?? -1;
  }
  idOf(row: number): string {
    return uuidAt(this.ids, row) as string;
  }
  lastOp(row: number): string | null {
    return uuidAt(this.lastOps, row);
  }
  derivedFrom(row: number): string | null {
    return uuidAt(this.derived, row);
  }
  boxOf(row: number): Box {
    return {
      x0: this.box[4 * row],
      y0: this.box[4 * row + 1],
      x1: this.box[4 * row + 2],
      y1: this.box[4 * row + 3],
    };
  }
  maskOf(row: number): Mask | null {
    return this.masks.get(row);
  }
  hasMask(row: number): boolean {
    return this.masks.has(row);
  }
  /** Whether the cell is a point: somebody said where it is, and not how large. */
  isPoint(row: number): boolean {
    return this.kind[row] === CELL && !this.masks.has(row) && isPointBox(this.boxOf(row));
  }
  kindOf(row: number): Kind {
    return KINDS[this.kind[row]];
  }
  statusOf(row: number): Status {
    return STATUSES[this.status[row]];
  }
  reasonOf(row: number): Reason {
    return this.reasons.get(row) ?? "";
  }

  attributesOf(row: number): Attributes {
    return this.attributesByRow.get(row) ?? NOTHING;
  }
  /** The live row of the cell that this one lies in, or -1. */
  parentOf(row: number): number {
    const parent = this.rowOf(this.parents.get(row) ?? "");
    return parent >= 0 && this.live[parent] ? parent : -1;
  }

  isMine(row: number): boolean {
    return this.layer[row] === this.base;
  }
  isProposal(row: number): boolean {
    return this.live[row] === 1 && this.kind[row] === CELL && this.kinds[this.layer[row]] === "prediction";
  }
  isDifference(row: number): boolean {
    return this.kinds[this.layer[row]] === "difference";
  }
  /** The live row of the working layer that decides this proposal, or -1. */
  decisionOf(row: number): number {
    return this.decided[row];
  }
  isUndecided(row: number): boolean {
    return this.isProposal(row) && this.decisionOf(row) < 0;
  }
  /** The person's cell that prompted this proposal, when it is alive in the working layer; else -1. */
  promptOf(row: number): number {
    const prompt = this.derivedFrom(row);
    const cell = prompt ? this.rowOf(prompt) : -1;
    return cell >= 0 && this.live[cell] && this.isMine(cell) ? cell : -1;
  }
  /** Is it drawn and picked? Decided proposals and rejections are kept, but not in the picture. */
  isShown(row: number): boolean {
    return this.wouldShow(row) && !this.hidden?.(row);
  }
  private hidden: ((row: number) => boolean) | null = null;
  /** What a person does not want to see now; null: everything. */
  hide(hidden: ((row: number) => boolean) | null): void {
    this.hidden = hidden;
    batch(() => {
      for (let row = 0; row < this.count; row++) this.notifyWatchers(row, null, null);
    });
  }
  /** Is it in the picture where no filter hides it? */
  wouldShow(row: number): boolean {
    // A rejection is out of the picture, unless somebody says that it is a cell after all.
    if (!this.live[row] || (this.status[row] === REJECTED && !this.disputed[row])) return false;
    if (this.isMine(row)) return true;
    if (this.kinds[this.layer[row]] !== "prediction") return this.opened[this.layer[row]];
    return this.kind[row] !== CELL || this.decided[row] < 0;
  }
  isLayerShown(layer: number): boolean {
    return this.opened[layer];
  }
  showLayer(layer: number, shown: boolean): void {
    this.opened[layer] = shown;
    batch(() => {
      for (let row = 0; row < this.count; row++)
        if (this.layer[row] === layer) this.notifyWatchers(row, null, null);
    });
  }

  /** Rows under a point, the likeliest first: inside its mask, then smaller boxes. Regions only by their edge. */
  pick(at: Point<"image">, reach: number): number[] {
    const near = { x0: at.x - reach, y0: at.y - reach, x1: at.x + reach, y1: at.y + reach };
    const found: { row: number; rank: number; size: number }[] = [];
    for (const row of this.grid.query(near)) {
      if (!this.isShown(row)) continue;
      const box = this.boxOf(row);
      const mask = this.masks.get(row);
      const inMask = mask !== null && covers(mask, at.x, at.y);
      if (!inMask && !contains(box, at, reach)) continue;
      const inner = { x0: box.x0 + reach, y0: box.y0 + reach, x1: box.x1 - reach, y1: box.y1 - reach };
      if (this.kind[row] !== CELL && contains(inner, at)) continue;
      const rankOfBox = this.kind[row] === CELL ? 1 : 2;
      found.push({ row, rank: inMask ? 0 : rankOfBox, size: area(box) });
    }
    found.sort(
      (a, b) => a.rank - b.rank || a.size - b.size || Number(this.isMine(b.row)) - Number(this.isMine(a.row)),
    );
    return found.map((f) => f.row);
  }

  /** Rows that may touch the box; the caller compares. */
  near(box: Box): number[] {
    return this.grid.query(box);
  }

  /** Live rows of a layer whose mask may touch the box. */
  masked(layer: number, box: Box): number[] {
    return this.grid
      .query(box)
      .filter((row) => this.live[row] === 1 && this.layer[row] === layer && this.masks.meets(row, box));
  }

  /** Cells, masks and regions are those in the picture, of all layers that are shown; verdicts are the base layer's. */
  counts(): Counts {
    const counts: Counts = {
      cells: 0,
      masks: 0,
      points: 0,
      cannotTell: 0,
      rejected: 0,
      disputed: 0,
      regions: 0,
      proposals: 0,
      undecided: 0,
    };
    for (let row = 0; row < this.count; row++) {
      if (!this.live[row]) continue;
      if (this.isProposal(row)) {
        counts.proposals++;
        if (this.decided[row] < 0) counts.undecided++;
        continue;
      }
      if (this.isMine(row) && this.disputed[row]) counts.disputed++;
      if (this.isMine(row) && this.status[row] === REJECTED) counts.rejected++;
      else if (this.isListed(row)) this.countShown(row, counts);
    }
    return counts;
  }

  private countShown(row: number, counts: Counts): void {
    if (this.kind[row] !== CELL) {
      counts.regions++;
      return;
    }
    counts.cells++;
    if (this.status[row] === CANNOT_TELL) counts.cannotTell++;
    if (this.status[row] !== CONFIRMED) return;
    if (this.masks.has(row)) counts.masks++;
    if (this.isPoint(row)) counts.points++;
  }

  /** Whether the list of cells has a row: everything that people drew or decided and that is in the picture. */
  isListed(row: number): boolean {
    return this.isShown(row) && this.kinds[this.layer[row]] !== "prediction" && !this.isDifference(row);
  }

  /** What a row covers: its box and its mask. */
  extent(row: number): Box {
    return this.masks.around(row, this.boxOf(row));
  }

  private link(row: number): void {
    this.grid.insert(row, this.extent(row));
    if (this.masks.has(row)) this.maskCounts[this.layer[row]]++;
    if (!this.isMine(row)) return;
    const proposal = this.derivedFrom(row);
    if (proposal) this.decide(proposal, row);
  }

  private unlink(row: number): void {
    this.grid.remove(row, this.extent(row));
    if (this.masks.has(row)) this.maskCounts[this.layer[row]]--;
    if (!this.isMine(row)) return;
    const proposal = this.derivedFrom(row);
    if (proposal && this.decisions.get(proposal) === row) this.decide(proposal, -1);
  }

  private decide(proposal: string, by: number): void {
    if (by < 0) this.decisions.delete(proposal);
    else this.decisions.set(proposal, by);
    const row = this.rows.get(proposal);
    if (row !== undefined) this.decided[row] = by;
  }

  private notifyWatchers(row: number, before: Box | null, after: Box | null): void {
    for (const watcher of this.watchers) watcher(row, before, after);
    this.noteChange();
  }
  private noteChange(): void {
    this.changeCount.value = this.changeCount.peek() + 1;
  }

  private reserve(rows: number): void {
    if (rows <= this.capacity) return;
    while (this.capacity < rows) this.capacity *= 2;
    const wider = <T extends Uint8Array | Uint32Array | Int32Array | Float32Array | Float64Array>(
      old: T,
      per = 1,
    ): T => {
      const next = new (old.constructor as new (n: number) => T)(per * this.capacity);
      next.set(old);
      return next;
    };
    this.live = wider(this.live);
    this.layer = wider(this.layer);
    this.kind = wider(this.kind);
    this.status = wider(this.status);
    this.labelClass = wider(this.labelClass);
    this.score = wider(this.score);
    this.version = wider(this.version);
    this.author = wider(this.author);
    this.decider = wider(this.decider);
    this.disputed = wider(this.disputed);
    this.box = wider(this.box, 4);
    this.decided = wider(this.decided);
    this.ids = wider(this.ids, 16);
    this.lastOps = wider(this.lastOps, 16);
    this.derived = wider(this.derived, 16);
  }
}

export type Counts = {
  cells: number;
  masks: number;
  points: number;
  cannotTell: number;
  rejected: number;
  disputed: number;
  regions: number;
  proposals: number;
  undecided: number;
};

function setOrDelete<T>(map: Map<number, T>, row: number, value: T | undefined): void {
  if (value === undefined) map.delete(row);
  else map.set(row, value);
}
