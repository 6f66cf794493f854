/** The editor of one image: composes the store and the features. What a person does goes one way, from a command or a
 *  tool to a feature, from there to the store's `commit`, and on to the log and the outbox. */
import { effect } from "@preact/signals-core";
import { t } from "../locale/locale";
import type { LabelClass, Workspace as Opened } from "../scene/contract";
import * as edits from "../scene/edits";
import type { Api } from "../sync/api";
import { Attributes } from "./attributes";
import { Comments } from "./comments";
import { readOnly, unavailableClass } from "./permission";
import { Drawing } from "./drawing";
import { Finish } from "./finish";
import { Guidelines } from "./guidelines";
import { LiveUpdates, PACE, type Pace } from "./live_updates";
import { MaskEdit } from "./mask_edit";
import { MultiSelect } from "./multi_select";
import type { Features } from "./interfaces";
import { dependOn } from "../scene/observed";
import { overruling } from "./overrule";
import { PastOperations } from "./past_operations";
import { Picture } from "./picture";
import { Review } from "./review";
import { SecondImage } from "./second_image";
import { Selection } from "./selection";
import { Smart } from "./smart";
import { OBSERVED, Store } from "./store";
import { Toolbox, type ToolSet } from "./toolbox";
import { undoRedoOf, type UndoRedo } from "./undo";
import { View } from "./view";

export class Editor implements Features {
  readonly store: Store;
  readonly view: View;
  readonly selection: Selection;
  readonly picture: Picture;
  readonly drawing: Drawing;
  readonly attributes: Attributes;
  readonly review: Review;
  readonly multiSelect: MultiSelect;
  readonly maskEdit: MaskEdit;
  readonly smart: Smart;
  readonly toolbox: Toolbox;
  readonly undoRedo: UndoRedo;
  readonly liveUpdates: LiveUpdates;
  readonly finish: Finish;
  readonly comments: Comments;
  readonly past: PastOperations;
  readonly guidelines: Guidelines;
  readonly second: SecondImage;
  /** When the cells are there; rejects when they could not be had. */
  loaded: Promise<void> = Promise.resolve();

  constructor(opened: Opened, api: Api, tools: ToolSet, pace: Pace = PACE) {
    this.store = new Store(opened, api, pace.beatMs);
    this.view = new View(this.store);
    this.selection = new Selection(this.store, this.view);
    this.picture = new Picture(this.store);
    this.drawing = new Drawing(this.store, this.selection);
    this.attributes = new Attributes(this.store, this.selection);
    this.review = new Review(this.store, this.selection, this.attributes);
    this.multiSelect = new MultiSelect(this.store, this.view, this.selection, this.drawing);
    this.maskEdit = new MaskEdit(this.store, this.view, this.selection, this.review, this.attributes);
    this.smart = new Smart(this.store, this.drawing);
    this.toolbox = new Toolbox(tools, this, () => this.leaveTool());
    this.undoRedo = undoRedoOf(this.store, this.selection);
    this.finish = new Finish(this.store);
    this.comments = new Comments(this.store, this.view, this.selection);
    this.guidelines = new Guidelines(this.store);
    this.second = new SecondImage(this.store);
    this.past = new PastOperations(this.store, this.selection);
    this.liveUpdates = new LiveUpdates(this.store, this.view, pace, () => void this.comments.load());
  }

  /** Begin to follow the log and to send. Separate from opening, so that a test decides when time passes. */
  start(): void {
    this.liveUpdates.start();
    this.finish.start();
    void this.comments.load();
    this.guidelines.start();
  }
  stop(): void {
    this.liveUpdates.stop();
    this.finish.stop();
    if (this.store.isLoaded) this.store.outbox.stop();
  }

  /** `onChange`: something that is drawn has changed; `onMove`: only the camera has. -> a function that ends it. */
  watch(onChange: () => void, onMove: () => void): () => void {
    const ends = [
      effect(() => {
        dependOn(this.store, OBSERVED);
        dependOn(this.review, ["order", "rejected", "proposalClass"]);
        dependOn(this.attributes, ["pending"]);
        dependOn(this.multiSelect, ["nudging"]);
        dependOn(this.store.toasts, ["list"]);
        dependOn(this.store.cells, ["changes"]);
        dependOn(this.store.history, ["done", "undone"]);
        dependOn(this.liveUpdates, ["live"]);
        dependOn(this.finish, ["work", "ended", "left", "busy"]);
        dependOn(this.guidelines, ["isOpen", "guideline", "failed"]);
        dependOn(this.second, ["image", "mode", "opacity", "picked", "waiting", "others"]);
        dependOn(this.past, ["operations", "annotation", "hasMore", "isBusy", "failed"]);
        dependOn(this.comments, ["threads", "draft", "text", "showResolved"]);
        const { log, editing } = this.store;
        const { live } = this.liveUpdates;
        if (log) dependOn(log, ["conflicts"]);
        if (editing) dependOn(editing, ["subtract", "constraint"]);
        if (live) dependOn(live, ["others"]);
        onChange();
      }),
      effect(() => {
        dependOn(this.view, ["camera", "canvas", "turn", "sketches"]);
        if (this.store.editing) dependOn(this.store.editing, ["patch"]);
        onMove();
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  // What several features do together

  private leaveTool(): void {
    this.maskEdit.cancel();
    this.multiSelect.endNudge();
  }

  accept(): void {
    if (this.store.multiSelected.length) this.multiSelect.accept();
    else this.review.accept();
  }
  reject(): void {
    if (this.store.onProposal) this.maskEdit.cancel();
    this.review.reject();
  }
  overrule(): void {
    const draft = overruling(this.store);
    if (!draft) return;
    this.store.begin();
    const op = this.store.commit(draft);
    if (op) this.store.toasts.show(t("The dispute is settled."), [op]);
  }
  remove(): void {
    const { store } = this;
    if (store.multiSelected.length) return this.multiSelect.remove();
    if (!store.isMineAndLive(store.selected)) return;
    const isRegion = store.cells.kindOf(store.selected) === "region";
    const op = store.commit(edits.remove(store.cells, store.selected));
    this.selection.select(-1);
    if (op) store.toasts.show(isRegion ? t("Region deleted.") : t("Cell deleted."), [op]);
  }

  undo(): void {
    const { store } = this;
    this.multiSelect.endNudge();
    if (this.maskEdit.undo()) return;
    if (store.editing) store.toasts.show(t("No stroke to undo in this mask. Esc leaves it as it was."));
    else if (store.canWrite) this.undoRedo.undo();
    else store.toasts.show(readOnly(store));
  }
  redo(): void {
    if (this.store.canWrite) this.undoRedo.redo();
    else this.store.toasts.show(readOnly(this.store));
  }

  /** The class sticks for what is drawn next, and is given to what is selected, the box just drawn included. In the
   *  middle of a drag it is the class of what is being drawn. */
  chooseClass(chosen: LabelClass): void {
    const { store } = this;
    const why = unavailableClass(store);
    if (why) return store.toasts.show(why);
    const isSame = store.labelClass === chosen;
    store.labelClass = chosen;
    if (!store.dragging) this.classify(chosen, isSame);
  }
  private classify(chosen: LabelClass, isSame: boolean): void {
    const { store } = this;
    const { cells, selected: row } = store;
    if (store.multiSelected.length) this.multiSelect.classify(chosen);
    else if (store.onProposal) this.review.proposalClass = chosen.id;
    else {
      const why = this.unclassified(chosen, isSame);
      if (why) store.toasts.show(why);
      else if (store.isMineAndLive(row)) store.commit(edits.classify(cells, row, chosen.id));
    }
  }
  /** Why what is selected does not get the class; "": it does, where anything is selected. */
  private unclassified({ id, name }: LabelClass, isSame: boolean): string {
    const { cells, selected: row } = this.store;
    if (row < 0) return isSame ? t("New cells get the class {name} already.", { name }) : "";
    if (cells.kindOf(row) === "region")
      return t("A region has no class. New cells get the class {name}.", { name });
    return cells.labelClass[row] === id ? t("This cell is {name} already.", { name }) : "";
  }
}
