/** What is said of a cell besides its class: of the selected cell, of those selected together, or of the proposal that is
 *  about to be accepted. */
import { t } from "../locale/locale";
import * as bulk from "../scene/bulk";
import type { Attribute } from "../scene/contract";
import type { Workspace } from "../workspace";

export class Attributes {
  /** What accepting the selected proposal would say of its cell. */
  pending: Record<string, string> = {};

  constructor(private readonly desk: Workspace) {}

  get declared(): readonly Attribute[] {
    return this.desk.opened.project.attributes ?? [];
  }
  /** Rows that an attribute would be set on now. */
  private rows(): readonly number[] {
    const { desk } = this;
    const chosen = desk.many.length ? desk.many : desk.selected >= 0 ? [desk.selected] : [];
    return chosen.filter((row) => desk.isOwnCell(row));
  }
  /** Whether anything is selected that attributes can be said of. */
  get isPossible(): boolean {
    return this.declared.length > 0 && this.desk.canWrite && (this.rows().length > 0 || this.desk.onProposal);
  }
  /** The value that all the selected have, or null. */
  valueOf(name: string): string | null {
    if (this.desk.onProposal) return this.pending[name] ?? null;
    const found = new Set(this.rows().map((row) => this.desk.cells.attributesOf(row)[name] ?? null));
    return found.size === 1 ? [...found][0] : null;
  }

  /** Say it, or take it back (null). */
  set(name: string, value: string | null): void {
    const { desk } = this;
    if (desk.onProposal) {
      this.pending = bulk.saying(this.pending, name, value);
      desk.notify();
      return;
    }
    const drafts = bulk.attributeAll(desk.cells, this.rows(), name, value);
    if (drafts.length) desk.begin();
    for (const draft of drafts) desk.do(draft);
    desk.notify();
  }

  /** By key: the first value, the next, ..., nothing. */
  cycle(place: number): void {
    const attribute = this.declared[place];
    if (!attribute || !this.isPossible) return; // acts/refusals.ts has said why
    const at = attribute.values.indexOf(this.valueOf(attribute.name) ?? "");
    this.set(attribute.name, attribute.values[at + 1] ?? null);
  }

  /** The selected cells that lie in the largest of them become its parts: nuclei in their cell. */
  nest(): void {
    const { desk } = this;
    const draft = bulk.nest(desk.cells, this.rows());
    if (!draft) {
      desk.toast(t("Select a cell together with the nuclei that lie in it."));
      return;
    }
    desk.begin();
    const op = desk.do(draft);
    if (op) desk.toast(t("{n} linked to the cell around.", { n: draft.effects.length }), [op]);
  }
}
