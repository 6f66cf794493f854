/** Where the readings of an image differ, side by side on the tissue: a third person decides place after place.
 *
 *  The controls stand in the page (labeling/site/templates/site/adjudication.html); here they get their listeners. */
import { wheelFactor } from "../canvas/pinch";
import { isTyping } from "../commands/typing";
import {
  centredOn,
  imagePoint,
  panBy,
  screenPoint,
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
import { nextOpen, sideOf, TAKES, withClass, type Place, type Take } from "./sides";

const SHARE = 0.35; // of the pane that a place fills
const MOST_SCALE = 12;
type Pane = { cells: Cells; viewport: Viewport; places: number[] };

export class Adjudication {
  current: number;
  camera: Camera = { scale: 1, left: 0, top: 0 };
  private readonly panes: Pane[] = [];
  private canvas: Size | null = null;
  private isBusy = false;

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
        sketch: () => ({ ignored: [], others: [] }),
        onResize: () => this.resized(viewport.size),
        onFrame: () => undefined,
      });
      viewport.surface.setAttribute("role", "img");
      viewport.surface.classList.add("can-pan");
      this.panes.push({ cells, viewport, places: found.places });
      this.listenTo(viewport.surface);
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
    const { root, places, current } = this;
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
    this.draw();
  }

  private className(cell: Schemas["SideCell"] | null | undefined): string {
    if (!cell) return t("no cell");
    const found = this.opened.project.classes.find(({ id }) => id === cell.label_class);
    return found?.name ?? t("cell without class");
  }

  private go(place: number): void {
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
    const select = root.querySelector<HTMLSelectElement>("[data-class]");
    select?.addEventListener("change", () => {
      const cell = withClass(this.places[this.current], Number(select.value));
      select.value = "";
      select.blur();
      if (cell) void this.take("edited", [cell]);
    });
    window.addEventListener("keydown", (e) => this.key(e));
  }

  private key(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || isTyping(e.target)) return;
    const key = e.key.toLowerCase();
    const take = TAKES[key];
    if (take) void this.take(take);
    else if (key === "]" || key === "n") this.go(this.current + 1);
    else if (key === "[") this.go(this.current - 1);
    else return;
    e.preventDefault();
  }

  /** A pointer on one pane moves both. */
  private listenTo(surface: HTMLElement): void {
    const place = (e: MouseEvent) => {
      const { left, top } = surface.getBoundingClientRect();
      return screenPoint(e.clientX - left, e.clientY - top);
    };
    surface.addEventListener("pointerdown", (e) => surface.setPointerCapture(e.pointerId));
    surface.addEventListener("pointermove", (e) => {
      if (!surface.hasPointerCapture(e.pointerId) || !this.canvas) return;
      this.camera = panBy(this.camera, e.movementX, e.movementY, this.opened.image, this.canvas);
      this.draw();
    });
    const wheel = (e: WheelEvent) => {
      e.preventDefault();
      const factor = wheelFactor(e.deltaY, e.deltaMode === WheelEvent.DOM_DELTA_LINE, e.ctrlKey);
      if (!this.canvas) return;
      this.camera = zoomAt(this.camera, place(e), factor, this.opened.image, this.canvas);
      this.draw();
    };
    surface.addEventListener("wheel", wheel, { passive: false });
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
