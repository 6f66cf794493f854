/** What is selected: one row, or several cells. */
import { effect, untracked } from "@preact/signals-core";
import type { CellSelection, ViewPort } from "./interfaces";
import type { Store } from "./store";

export class Selection implements CellSelection {
  private readonly listeners: ((row: number) => void)[] = [];

  constructor(
    private readonly store: Store,
    private readonly view: ViewPort,
  ) {
    effect(() => {
      void store.cells.changes;
      untracked(() => this.dropWhatIsGone());
    });
  }

  /** Called before another row is selected (or the same one again), so that what belongs to the old one ends. */
  onSelect(listener: (row: number) => void): void {
    this.listeners.push(listener);
  }

  select(wanted: number, reveal = false): void {
    const { store } = this;
    const row = this.decisionShown(wanted);
    for (const listener of this.listeners) listener(row);
    if (row >= 0) store.multiSelected = [];
    if (row !== store.selected) {
      store.selected = row;
      store.painted = -1;
      store.begin();
      if (row >= 0) store.recorder.record("target_opened", store.cells.idOf(row));
    }
    if (row >= 0 && reveal) this.view.reveal(row);
  }
  selectSeveral(rows: readonly number[]): void {
    this.store.multiSelected = rows;
    if (rows.length) this.store.selected = -1;
  }
  /** A proposal that has become a cell in the picture is selected as that cell. */
  private decisionShown(row: number): number {
    const { cells } = this.store;
    if (row < 0 || !cells.isProposal(row)) return row;
    const decision = cells.decisionOf(row);
    return decision >= 0 && cells.isShown(decision) ? decision : row;
  }
  /** The line of the list of proposals that the selection belongs to; -1: none. */
  selectedProposal(): number {
    const { cells, selected } = this.store;
    if (selected < 0 || cells.isProposal(selected)) return selected;
    return cells.rowOf(cells.derivedFrom(selected) ?? "");
  }
  /** The viewport has put the selection on the screen. */
  wasPainted(): void {
    const { store } = this;
    const { selected } = store;
    if (selected < 0 || store.painted === selected) return;
    store.painted = selected;
    const id = store.cells.idOf(selected);
    store.recorder.record("target_presented", id);
    if (store.cells.maskOf(selected)) store.recorder.record("mask_shown", id);
  }

  /** Somebody (perhaps a colleague) changed the cells: a selection that is gone ends. */
  private dropWhatIsGone(): void {
    const { store } = this;
    const { cells } = store;
    if (store.selected >= 0 && !this.isSelectable(store.selected)) store.selected = -1;
    if (store.multiSelected.some((row) => !cells.isShown(row)))
      store.multiSelected = store.multiSelected.filter((row) => cells.isShown(row));
  }
  /** Whether a row can stay selected: it is in the picture, or it is a rejected proposal that the list shows. */
  private isSelectable(row: number): boolean {
    const { cells } = this.store;
    return cells.isShown(row) || (cells.isProposal(row) && !cells.isUndecided(row));
  }
}
