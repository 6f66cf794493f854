/** Where the readings of an image differ, side by side on the tissue: a third person decides place after place.
 *
 *  The controls stand in the page (labeling/site/templates/site/adjudication.html); here they get their listeners. */
import { isTyping } from "../commands/typing";
import {
  centredOn,
  imagePoint,
  panBy,
  toImage,
  within,
  zoomAt,
  type Camera,
  type Size,
} from "../geometry/frames";
import { t } from "../locale/locale";
import { Viewport } from "../render/viewport";
import { Cells } from "../scene/cells";
import type { ShownClass, Schemas, Workspace } from "../scene/contract";
import { ApiError, type Api } from "../sync/api";
import { UNCLASSIFIED_COLOUR } from "../render/palette";
import type { Sketch } from "../render/overlay";
import { editActOf, OutlineEdit, type EditAct } from "./outline_edit";
import { listenTo, type Hover, type PaneInput } from "./pointer";
import { cellToEdit, nextOpen, sideOf, TAKES, withClass, type Place, type Take } from "./sides";

const SHARE = 0.35; // of the pane that a place fills
const MOST_SCALE = 12;
type Pane = { cells: Cells; viewport: Viewport; places: number[] };

export class Adjudication {
  current: number;
  camera: Camera = { scale: 1, left: 0, top: 0 };
  private readonly panes: Pane[] = [];
  private canvas: Size | null = null;
  private isBusy = false;
  /** The outline that is made here; null: sides are taken as they are. */
  private edit: OutlineEdit | null = null;
  /** The pane under the pointer and where it is; null: it is elsewhere. */
  private hovered: (Hover & { readonly side: number }) | null = null;

  constructor(
    private readonly root: HTMLElement,
    private readonly api: Api,
    private readonly opened: Workspace,
    readonly places: Place[],
  ) {
    this.current = nextOpen(places, -1) ?? 0;
    const classes: ShownClass[] = [
      {
        id: 0,
        name: "",
        color: getComputedStyle(root).getPropertyValue("--outline").trim(),
        key: null,
      },
      ...opened.project.classes,
    ];
    root.querySelectorAll<HTMLElement>("[data-pane]").forEach((host, side) => {
      const cells = new Cells(opened.image);
      cells.addLayer("side", false, "import");
      const found = sideOf(places, side);
      cells.load(0, found.pack);
      cells.showLayer(0, true);
      const viewport = new Viewport(host, cells, opened.image, classes, {
        camera: () => this.camera,
        sketch: () => this.sketch(side),
        onResize: () => this.resized(viewport.size),
        onFrame: () => undefined,
      });
      viewport.surface.setAttribute("role", "img");
      viewport.surface.classList.add("can-pan");
      this.panes.push({ cells, viewport, places: found.places });
      listenTo(viewport.surface, this.inputOf(side));
    });
    this.controls();
    this.show();
  }

  get ready(): Promise<unknown> {
    return Promise.all(this.panes.map(({ viewport }) => viewport.opened));
  }

  /** Read-only, for tests. */
  probes() {
    return {
      state: () => ({
        current: this.current,
        open: this.places.filter(({ decision }) => !decision).length,
        decisions: this.places.map(({ decision }) => decision),
        camera: this.camera,
        edited: this.edit?.cell() ?? null,
      }),
    };
  }

  private resized(size: Size): void {
    const isFirst = this.canvas === null;
    this.canvas = size;
    if (isFirst) this.frame();
  }

  /** The current place in the middle of both panes. */
  private frame(): void {
    const { canvas, opened } = this;
    const place = this.places[this.current];
    if (!canvas || !place) return;
    const [x0, y0, x1, y1] = place.box;
    const size = Math.max(x1 - x0, y1 - y0, 1);
    const scale = Math.min(MOST_SCALE, (SHARE * Math.min(canvas.width, canvas.height)) / size);
    const middle = imagePoint((x0 + x1) / 2, (y0 + y1) / 2);
    this.camera = within(centredOn({ ...this.camera, scale }, middle, canvas), opened.image, canvas);
    this.draw();
  }
  private draw(): void {
    for (const { viewport } of this.panes) viewport.invalidate();
  }

  private show(): void {
    const { root, places, current, edit } = this;
    const place = places[current];
    const open = places.filter(({ decision }) => !decision).length;
    put(root, "[data-place]", t("Place {n} of {of}", { n: current + 1, of: places.length }));
    put(root, "[data-kind]", wordsOf(place));
    put(root, "[data-open]", open ? t("{n} open", { n: open }) : t("All places are decided."));
    this.panes.forEach(({ cells, places: of, viewport }, side) => {
      cells.hide((row) => of[row] !== current);
      const label = this.className(place.sides[side]);
      viewport.surface.setAttribute("aria-label", label);
      root.querySelectorAll("[data-side]")[side].textContent = label;
    });
    for (const button of root.querySelectorAll<HTMLElement>("[data-take]"))
      button.setAttribute("aria-pressed", String(button.dataset.take === place.decision));
    root.querySelectorAll<HTMLElement>("[data-while]").forEach((row) => {
      row.hidden = (row.dataset.while === "editing") !== (edit !== null);
    });
    put(root, "[data-subtracts]", edit?.isSubtracting ? t("Subtracts") : t("Adds"));
    root.querySelector("[data-edit]")?.setAttribute("aria-pressed", String(place.decision === "edited"));
    this.draw();
  }

  private className(cell: Schemas["SideCell"] | null | undefined): string {
    if (!cell) return t("no cell");
    const found = this.opened.project.classes.find(({ id }) => id === cell.label_class);
    return found?.name ?? t("cell without class");
  }

  private go(place: number): void {
    this.edit = null;
    this.current = (place + this.places.length) % this.places.length;
    this.show();
    this.frame();
  }

  private async take(take: Take, cells: Schemas["StateIn"][] = []): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    const at = this.current;
    try {
      this.places[at] = await this.api.post<Place>(`disagreements/${this.places[at].id}/`, { take, cells });
      put(this.root, "[data-status]", "");
      this.go(nextOpen(this.places, at) ?? at);
    } catch (error) {
      const detail = error instanceof ApiError ? error.detail : t("The server does not answer. Try again.");
      put(this.root, "[data-status]", detail);
    } finally {
      this.isBusy = false;
    }
  }

  private controls(): void {
    const { root } = this;
    for (const button of root.querySelectorAll<HTMLElement>("[data-take]"))
      button.addEventListener("click", () => void this.take(button.dataset.take as Take));
    for (const button of root.querySelectorAll<HTMLElement>("[data-go]"))
      button.addEventListener("click", () => this.go(this.current + Number(button.dataset.go)));
    for (const button of root.querySelectorAll<HTMLElement>("[data-edit]"))
      button.addEventListener("click", () => this.beginEdit());
    for (const button of root.querySelectorAll<HTMLElement>("[data-act]"))
      button.addEventListener("click", () => this.actOnEdit(button.dataset.act as EditAct));
    const select = root.querySelector<HTMLSelectElement>("[data-class]");
    select?.addEventListener("change", () => {
      this.chooseClass(Number(select.value));
      select.value = "";
      select.blur();
    });
    window.addEventListener("keydown", (e) => this.key(e));
  }

  private chooseClass(labelClass: number): void {
    if (this.edit) this.edit.labelClass = labelClass;
    const cell = cellToEdit(this.places[this.current], null);
    if (!this.edit && cell) void this.takeEdited(withClass(cell, labelClass));
    this.show();
  }

  private beginEdit(): void {
    const { hovered, opened } = this;
    const cell = cellToEdit(this.places[this.current], hovered?.side ?? null);
    if (cell) this.edit = new OutlineEdit(cell, opened.image);
    this.show();
  }

  private actOnEdit(act: EditAct): void {
    const { edit } = this;
    if (!edit) return;
    if (act === "keep") this.keepEdit(edit);
    else if (act === "leave") this.edit = null;
    else edit.change(act);
    this.show();
  }

  private keepEdit(edit: OutlineEdit): void {
    const cell = edit.cell();
    if (cell) void this.takeEdited(cell);
    else put(this.root, "[data-status]", t("Nothing of the cell is left. ↑ takes neither side."));
  }

  /** The cell in place of the one that was edited. Others that somebody has put there by a program stay. */
  private takeEdited(cell: Schemas["StateIn"]): Promise<void> {
    const others = this.places[this.current].edited.slice(1).map((one) => withClass(one, one.label_class));
    return this.take("edited", [cell, ...others]);
  }

  private key(e: KeyboardEvent): void {
    if (e.defaultPrevented || isTyping(e.target)) return;
    if (this.edit ? this.editKey(e) : this.sideKey(e)) e.preventDefault();
  }
  /** Whether the key means something while an outline is edited. */
  private editKey(e: KeyboardEvent): boolean {
    const onButton = e.target instanceof HTMLElement && e.target.closest("button, a") !== null;
    const act = editActOf(e);
    if (!act || (onButton && e.key === "Enter")) return false;
    this.actOnEdit(act);
    return true;
  }
  /** Whether the key takes a side, begins to edit or goes to another place. */
  private sideKey(e: KeyboardEvent): boolean {
    if (e.ctrlKey || e.metaKey || e.altKey) return false;
    const key = e.key.toLowerCase();
    const take = TAKES[key];
    if (take) void this.take(take);
    else if (key === "e") this.beginEdit();
    else if (key === "]" || key === "n") this.go(this.current + 1);
    else if (key === "[") this.go(this.current - 1);
    else return false;
    return true;
  }

  /** The edited outline on both sides, so that either may be followed; the brush where the pointer is. */
  private sketch(side: number): Sketch {
    const nothing = { ignored: [], others: [] };
    const { edit, hovered } = this;
    if (!edit) return nothing;
    const found = this.opened.project.classes.find(({ id }) => id === edit.labelClass);
    const patch = { patch: edit.patch, colour: found?.color ?? UNCLASSIFIED_COLOUR };
    if (hovered?.side !== side) return { ...nothing, patch };
    const subtract = hovered.alt !== edit.isSubtracting;
    return { ...nothing, patch, brush: { at: hovered.at, radius: edit.radius, subtract } };
  }

  /** A pointer on one pane moves both; while an outline is edited it paints. */
  private inputOf(side: number): PaneInput {
    return {
      paints: () => this.edit !== null,
      paint: (kind, { at, alt }) => {
        this.edit?.touch({ kind, at: toImage(at, this.camera), alt });
        this.draw();
      },
      lost: () => this.edit?.release(),
      pan: (dx, dy) => this.move((size) => panBy(this.camera, dx, dy, this.opened.image, size)),
      zoom: (at, factor) => this.move((size) => zoomAt(this.camera, at, factor, this.opened.image, size)),
      hover: (hover) => {
        this.hovered = hover && { ...hover, side };
        if (this.edit) this.draw();
      },
    };
  }
  private move(to: (canvas: Size) => Camera): void {
    if (!this.canvas) return;
    this.camera = to(this.canvas);
    this.draw();
  }
}

function wordsOf(place: Place): string {
  if (place.kind === "missing") return t("Is it a cell?");
  return place.kind === "class" ? t("Which class is it?") : t("Where is its edge?");
}

function put(root: HTMLElement, selector: string, text: string): void {
  const found = root.querySelector(selector);
  if (found) found.textContent = text;
}

/** Fetch what the page names, and show it. Throws what fetching throws. */
export async function adjudicate(root: HTMLElement, api: Api): Promise<Adjudication> {
  const image = Number(root.dataset.image);
  const [opened, made] = await Promise.all([
    api.get<Workspace>(`images/${image}/workspace/`),
    api.get<Schemas["ConsensusAnswer"]>(`images/${image}/consensus/`),
  ]);
  return new Adjudication(root, api, opened, [...made.disagreements]);
}
