/** Attributes: of the selected cell, of several selected cells, or of the proposal that is
 *  about to be accepted. */
import { t } from "../locale/locale";
import * as bulk from "../scene/bulk";
import type { Attribute } from "../scene/contract";
import type { CellSelection, PendingAttributes } from "./interfaces";
import { observed } from "../scene/observed";
import type { Store } from "./store";

type Observable = {
  /** What accepting the selected proposal would give its cell. */
  pending: Record<string, string>;
};

export class Attributes extends observed((): Observable => ({ pending: {} })) implements PendingAttributes {
  constructor(
    private readonly store: Store,
    selection: CellSelection,
  ) {
    super();
    selection.onSelect((row) => {
      if (row !== store.selected) this.pending = {};
    });
  }

  get declared(): readonly Attribute[] {
    return this.store.opened.project.attributes ?? [];
  }
  /** Rows that an attribute would be set on now. */
  private rows(): readonly number[] {
    const { store } = this;
    const one = store.selected >= 0 ? [store.selected] : [];
    const chosen = store.multiSelected.length ? store.multiSelected : one;
    return chosen.filter((row) => store.isOwnCell(row));
  }
  /** Whether anything that can have attributes is selected. */
  get isPossible(): boolean {
    return (
      this.declared.length > 0 && this.store.canWrite && (this.rows().length > 0 || this.store.onProposal)
    );
  }
  /** The value that all the selected have, or null. */
  commonValue(name: string): string | null {
    if (this.store.onProposal) return this.pending[name] ?? null;
    const found = new Set(this.rows().map((row) => this.store.cells.attributesOf(row)[name] ?? null));
    return found.size === 1 ? [...found][0] : null;
  }

  /** Say it, or take it back (null). */
  set(name: string, value: string | null): void {
    const { store } = this;
    if (store.onProposal) {
      this.pending = bulk.withAttribute(this.pending, name, value);
      return;
    }
    const drafts = bulk.attributeAll(store.cells, this.rows(), name, value);
    if (drafts.length) store.begin();
    for (const draft of drafts) store.commit(draft);
  }

  /** By key: the first value, the next, ..., nothing. */
  cycle(place: number): void {
    const attribute = this.declared[place];
    if (!attribute || !this.isPossible) return; // commands/availability.ts explains it
    const at = attribute.values.indexOf(this.commonValue(attribute.name) ?? "");
    this.set(attribute.name, attribute.values[at + 1] ?? null);
  }

  /** The selected cells that lie in the largest of them become its parts: nuclei in their cell. */
  nest(): void {
    const { store } = this;
    const draft = bulk.nest(store.cells, this.rows());
    if (!draft) {
      store.toasts.show(t("Select a cell together with the nuclei that lie in it."));
      return;
    }
    store.begin();
    const op = store.commit(draft);
    if (op) store.toasts.show(t("{n} linked to the cell around.", { n: draft.effects.length }), [op]);
  }
}
