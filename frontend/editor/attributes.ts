/** Attributes: of the selected cell, of several selected cells, or of the proposal that is
 *  about to be accepted. */
import { t } from "../locale/locale";
import * as bulk from "../scene/bulk";
import type { Attribute } from "../scene/contract";
import type { Editor } from "./editor";

export class Attributes {
  /** What accepting the selected proposal would say of its cell. */
  pending: Record<string, string> = {};

  constructor(private readonly editor: Editor) {}

  get declared(): readonly Attribute[] {
    return this.editor.opened.project.attributes ?? [];
  }
  /** Rows that an attribute would be set on now. */
  private rows(): readonly number[] {
    const { editor } = this;
    const chosen = editor.multiSelected.length
      ? editor.multiSelected
      : editor.selected >= 0
        ? [editor.selected]
        : [];
    return chosen.filter((row) => editor.isOwnCell(row));
  }
  /** Whether anything that can have attributes is selected. */
  get isPossible(): boolean {
    return (
      this.declared.length > 0 && this.editor.canWrite && (this.rows().length > 0 || this.editor.onProposal)
    );
  }
  /** The value that all the selected have, or null. */
  valueOf(name: string): string | null {
    if (this.editor.onProposal) return this.pending[name] ?? null;
    const found = new Set(this.rows().map((row) => this.editor.cells.attributesOf(row)[name] ?? null));
    return found.size === 1 ? [...found][0] : null;
  }

  /** Say it, or take it back (null). */
  set(name: string, value: string | null): void {
    const { editor } = this;
    if (editor.onProposal) {
      this.pending = bulk.withAttribute(this.pending, name, value);
      editor.notify();
      return;
    }
    const drafts = bulk.attributeAll(editor.cells, this.rows(), name, value);
    if (drafts.length) editor.begin();
    for (const draft of drafts) editor.do(draft);
    editor.notify();
  }

  /** By key: the first value, the next, ..., nothing. */
  cycle(place: number): void {
    const attribute = this.declared[place];
    if (!attribute || !this.isPossible) return; // editor/availability.ts explains it
    const at = attribute.values.indexOf(this.valueOf(attribute.name) ?? "");
    this.set(attribute.name, attribute.values[at + 1] ?? null);
  }

  /** The selected cells that lie in the largest of them become its parts: nuclei in their cell. */
  nest(): void {
    const { editor } = this;
    const draft = bulk.nest(editor.cells, this.rows());
    if (!draft) {
      editor.toast(t("Select a cell together with the nuclei that lie in it."));
      return;
    }
    editor.begin();
    const op = editor.do(draft);
    if (op) editor.toast(t("{n} linked to the cell around.", { n: draft.effects.length }), [op]);
  }
}
