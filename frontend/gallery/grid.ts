/** The cells of a gallery in the page: only those near the view have elements. */
import { t } from "../locale/locale";
import { outlineElement } from "../render/svg_outline";
import type { ShownClass } from "../scene/contract";
import { cellAt, heightOf, placeOf, touching, type Layout, type Range } from "./layout";
import type { Mark } from "./marks";
import type { Crop, Sheet } from "./sheets";
import type { Suggestion } from "./suggestions";

export type Source = {
  readonly layout: (width: number, size: number) => Layout;
  readonly crop: (index: number) => { crop: Crop; sheet: Sheet } | null;
  readonly mark: (index: number) => Mark | undefined;
  readonly isDone: (index: number) => boolean;
  /** Whether keys act on this cell. */
  readonly isCurrent: (index: number) => boolean;
  readonly suggestion: (index: number) => Suggestion | undefined;
  readonly onView: () => void;
  readonly onHover: (index: number) => void;
  readonly onStroke: (index: number, isFirst: boolean) => void;
};

export class CellGrid {
  private readonly view: HTMLElement;
  private readonly host: HTMLElement;
  private readonly slider: HTMLInputElement | null;
  private readonly elements = new Map<number, HTMLElement>();
  private readonly pictured = new Set<number>();
  layout: Layout;

  constructor(
    root: HTMLElement,
    private readonly classes: readonly ShownClass[],
    private readonly source: Source,
  ) {
    this.view = found(root, "[data-view]");
    this.host = found(root, "[data-cells]");
    this.slider = root.querySelector("[data-size]");
    this.layout = this.measured();
    this.view.addEventListener("scroll", () => source.onView(), { passive: true });
    this.slider?.addEventListener("input", () => this.resize());
    new ResizeObserver(() => this.resize()).observe(this.view);
    this.listen();
  }

  get viewed(): { top: number; height: number } {
    return { top: this.view.scrollTop, height: this.view.clientHeight };
  }
  /** The shorter side of a cell's outline on the screen, CSS pixels. */
  pixelsOf(index: number): number {
    const shown = this.source.crop(index)?.crop;
    if (!shown) return 0;
    const [x0, y0, x1, y1] = shown.box;
    return (Math.min(x1 - x0, y1 - y0) / shown.side) * this.layout.size;
  }
  scrollTo(index: number): void {
    this.view.scrollTop = placeOf(this.layout, index).top;
  }

  /** Scroll as little as shows this cell whole. */
  show(index: number): void {
    const { top } = placeOf(this.layout, index);
    const { scrollTop, clientHeight } = this.view;
    if (top < scrollTop) this.view.scrollTop = top;
    else if (top + this.layout.size > scrollTop + clientHeight)
      this.view.scrollTop = top + this.layout.size - clientHeight;
  }

  /** Draw what is near the view. -> those cells. */
  draw(): Range {
    const { top, height } = this.viewed;
    const near = touching(this.layout, top - height / 2, 2 * height);
    for (const [index, element] of this.elements) {
      if (index >= near.first && index < near.end) continue;
      element.remove();
      this.elements.delete(index);
      this.pictured.delete(index);
    }
    for (let index = near.first; index < near.end; index++) this.drawCell(index);
    return near;
  }

  private drawCell(index: number): void {
    let element = this.elements.get(index);
    if (!element) {
      element = document.createElement("div");
      element.className = "gallery-cell";
      const { left, top } = placeOf(this.layout, index);
      const { size } = this.layout;
      element.style.cssText = `left:${left}px;top:${top}px;width:${size}px;height:${size}px`;
      this.elements.set(index, element);
      this.host.append(element);
    }
    if (!this.pictured.has(index)) this.drawPicture(index, element);
    this.drawState(index, element);
  }

  private drawState(index: number, element: HTMLElement): void {
    const mark = this.source.mark(index);
    element.classList.toggle("is-marked", mark?.kind === "reject" || mark?.kind === "cannot_tell");
    element.classList.toggle("is-chosen", mark?.kind === "class");
    element.classList.toggle("is-done", this.source.isDone(index));
    element.classList.toggle("is-current", this.source.isCurrent(index));
    const badge = element.querySelector(".badge");
    const words = mark ? this.wordsOf(mark) : this.suggested(index);
    if (badge && badge.textContent !== words) badge.textContent = words;
    if (badge) badge.toggleAttribute("hidden", !words);
  }

  private drawPicture(index: number, element: HTMLElement): void {
    const shown = this.source.crop(index);
    if (!shown) return;
    const { crop, sheet } = shown;
    const [column, row] = crop.at;
    const size = this.layout.size;
    element.style.backgroundImage = `url(${sheet.url})`;
    element.style.backgroundSize = `${sheet.columns * size}px auto`;
    element.style.backgroundPosition = `${-column * size}px ${-row * size}px`;
    const badge = document.createElement("span");
    badge.className = "badge";
    badge.hidden = true;
    element.replaceChildren(outlineElement(crop, this.colourOf(crop.label_class)), badge);
    this.pictured.add(index);
  }

  /** "stroma? 93 %"; nothing for a cell that is decided or has no suggestion. */
  private suggested(index: number): string {
    const suggestion = this.source.isDone(index) ? undefined : this.source.suggestion(index);
    if (!suggestion) return "";
    const { label, chance } = suggestion;
    const ofClass = this.classes.find(({ id }) => id === label)?.name ?? t("cell");
    return `${label < 0 ? t("no cell") : ofClass}? ${Math.round(100 * chance)} %`;
  }

  private wordsOf(mark: Mark): string {
    if (mark.kind === "class") return this.classes.find(({ id }) => id === mark.labelClass)?.name ?? "";
    return mark.kind === "cannot_tell" ? t("cannot tell") : t("wrong");
  }

  /** Of a class; null for a cell without a class. */
  colourOf(labelClass: number | null): string | null {
    return this.classes.find(({ id }) => id === labelClass)?.color ?? null;
  }

  private measured(): Layout {
    const layout = this.source.layout(this.view.clientWidth, Number(this.slider?.value ?? 112));
    this.host.style.height = `${heightOf(layout)}px`;
    return layout;
  }

  /** Another size: the first cell in view stays in view. */
  resize(): void {
    const first = touching(this.layout, this.view.scrollTop, 1).first;
    this.layout = this.measured();
    for (const element of this.elements.values()) element.remove();
    this.elements.clear();
    this.pictured.clear();
    this.scrollTo(first);
    this.source.onView();
  }

  private listen(): void {
    const { view, source } = this;
    const indexOf = (e: MouseEvent): number => {
      const { left, top } = this.host.getBoundingClientRect();
      return cellAt(this.layout, e.clientX - left, e.clientY - top);
    };
    let last = -1;
    view.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      last = indexOf(e);
      source.onStroke(last, true);
      if (e.pointerType === "mouse") view.setPointerCapture(e.pointerId);
    });
    view.addEventListener("pointermove", (e) => {
      const index = indexOf(e);
      source.onHover(index);
      if ((e.buttons & 1) === 0 || index === last) return;
      last = index;
      source.onStroke(index, false);
    });
    view.addEventListener("pointerleave", () => source.onHover(-1));
  }
}

function found(root: HTMLElement, selector: string): HTMLElement {
  const element = root.querySelector<HTMLElement>(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return element;
}
