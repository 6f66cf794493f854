/** Where open comments are about a place or a cell of the image: a pin for each thread, which opens it. */
import { t } from "../locale/locale";
import type { Editor } from "../editor/editor";
import { imagePoint, toScreen } from "../geometry/frames";
import type { Viewport } from "../render/viewport";
import type { Thread } from "../scene/contract";

export class Pins {
  readonly element = document.createElement("div");
  private readonly buttons = new Map<number, HTMLButtonElement>();

  constructor(
    private readonly editor: Editor,
    private readonly viewport: Pick<Viewport, "placeOf">,
    private readonly open: (thread: Thread) => void,
  ) {
    this.element.className = "bw-pins";
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", t("Open comments on the picture"));
  }

  update(): void {
    const pinned = this.editor.comments.open.filter((thread) => thread.x !== null);
    const shown = new Set(pinned.map((thread) => thread.id));
    for (const [id, button] of this.buttons)
      if (!shown.has(id)) {
        button.remove();
        this.buttons.delete(id);
      }
    for (const thread of pinned) this.place(thread);
  }

  private place(thread: Thread): void {
    const button = this.buttons.get(thread.id) ?? this.added(thread.id);
    const [first] = thread.comments;
    const at = this.viewport.placeOf(toScreen(this.placeOf(thread), this.editor.view.camera));
    button.style.transform = `translate(${at.x}px, ${at.y}px)`;
    button.textContent = String(thread.comments.length);
    button.title = `${first.author.name}: ${first.text}`;
    button.setAttribute("aria-label", button.title);
    button.onclick = () => this.open(thread);
  }

  private added(id: number): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "bw-pin";
    this.buttons.set(id, button);
    this.element.append(button);
    return button;
  }

  /** Where the cell is by now; where it was when the thread began, once it is deleted. */
  private placeOf({ annotation, x, y }: Thread) {
    const { cells } = this.editor.store;
    const row = annotation ? cells.rowOf(annotation) : -1;
    if (row < 0 || !cells.live[row]) return imagePoint(x ?? 0, y ?? 0);
    const box = cells.boxOf(row);
    return imagePoint((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2);
  }
}
