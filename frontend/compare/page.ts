/** Two rounds on one image, beside each other: two viewports with one camera, and the controls above them.
 *
 *  The controls stand in the page (labeling/site/templates/site/overlay.html); here they get their listeners. */
import {
  fit,
  panBy,
  screenPoint,
  toImage,
  toScreen,
  imagePoint,
  zoomAt,
  type Camera,
  type Point,
  type Size,
} from "../geometry/frames";
import { spoken, t } from "../locale/locale";
import { Viewport } from "../render/viewport";
import { Cells } from "../scene/cells";
import type { Comparison as Opened, ShownClass } from "../scene/contract";
import type { Pack } from "../scene/pack";
import { isTyping } from "../commands/typing";
import { pinch, wheelFactor } from "../canvas/pinch";
import type { Api } from "../sync/api";
import {
  againstReference,
  asPack,
  betweenRounds,
  blocks,
  classOf,
  coverage,
  difference,
  PARTS,
  tally,
  type Found,
  type Part,
  type Tally,
} from "./difference";

type Against = "rounds" | "reference" | "none";

/** Layers of a pane, in the order of drawing. */
const [DIFFERENCE, OUTLINES] = [0, 1];
const STEP = 80; // CSS pixels an arrow key moves

export class Comparison {
  camera: Camera = { scale: 1, left: 0, top: 0 };
  against: Against = "rounds";
  readonly hiddenParts = new Set<Part>();
  outlines = true;
  opacity = 0.6;
  tallies: Tally[] = [];
  private readonly panes: {
    cells: Cells;
    viewport: Viewport;
    surface: HTMLElement;
    tally: Element | null;
  }[] = [];
  private canvas: Size | null = null;
  private isDensity = false;
  private pointer: { pane: number; at: Point<"image"> } | null = null;

  constructor(
    private readonly root: HTMLElement,
    private readonly opened: Opened,
    packs: readonly Pack[],
    reference: Pack | null,
  ) {
    const parts = compared(opened.image, packs, reference);
    const classes = classesOf(root);
    this.tallies = parts.map(tally);
    root.querySelectorAll<HTMLElement>("[data-pane]").forEach((host, pane) => {
      const cells = new Cells(opened.image);
      cells.addLayer("difference", false, "difference");
      cells.addLayer(packs[pane].layer, false, "import");
      cells.load(DIFFERENCE, asPack(parts[pane]));
      cells.load(OUTLINES, packs[pane]);
      cells.showLayer(DIFFERENCE, true);
      cells.showLayer(OUTLINES, true);
      cells.labelClass.fill(0, parts[pane].length, cells.count); // outlines have one colour: fills have meaning here
      const viewport = new Viewport(host, cells, opened.image, classes, {
        camera: () => this.camera,
        sketch: () => ({
          ignored: [],
          others:
            this.pointer && this.pointer.pane !== pane ? [{ at: this.pointer.at, box: null, name: "" }] : [],
        }),
        onResize: () => this.resized(viewport.size),
        onFrame: () => this.showDensity(),
      });
      const { surface } = viewport;
      surface.tabIndex = 0;
      surface.setAttribute("role", "img");
      surface.setAttribute(
        "aria-label",
        t("Round {n} on the tissue; arrow keys move, + and − zoom", { n: opened.rounds[pane].number }),
      );
      surface.classList.add("can-pan");
      this.panes.push({
        cells,
        viewport,
        surface,
        tally: host.parentElement?.querySelector(".tally") ?? null,
      });
      this.listenTo(surface, pane);
    });
    this.controls();
    window.addEventListener("keydown", (e) => this.key(e, true));
    window.addEventListener("keyup", (e) => this.key(e, false));
    this.show();
  }

  get ready(): Promise<unknown> {
    return Promise.all(this.panes.map(({ viewport }) => viewport.opened));
  }

  /** Where an image point of a pane is on the page. */
  toPage(pane: number, x: number, y: number): { x: number; y: number } {
    const at = toScreen(imagePoint(x, y), this.camera);
    const { left, top } = this.panes[pane].surface.getBoundingClientRect();
    return { x: left + at.x, y: top + at.y };
  }

  /** Read-only, for tests. */
  probes() {
    return {
      state: () => ({
        camera: this.camera,
        against: this.against,
        hidden: [...this.hiddenParts],
        outlines: this.outlines,
        opacity: this.opacity,
        tallies: this.tallies,
        density: this.isDensity,
      }),
      toPage: (pane: number, x: number, y: number) => this.toPage(pane, x, y),
    };
  }

  moveTo(camera: Camera): void {
    this.camera = camera;
    this.draw();
  }

  private draw(): void {
    for (const { viewport } of this.panes) viewport.invalidate();
  }

  /** So much is in view that cells are a density: the difference cannot be told from so far. */
  private showDensity(): void {
    const density = this.panes.some(({ viewport }) => viewport.isDensity);
    if (density === this.isDensity) return;
    this.isDensity = density;
    const status = this.root.querySelector("[data-status]");
    if (status)
      status.textContent = density
        ? t("Cells are shown as a density from so far away; zoom in to see the difference.")
        : "";
  }

  private resized(size: Size): void {
    const first = this.canvas === null;
    this.canvas = size;
    if (first) this.camera = fit(this.opened.image, size, 8);
  }

  /** Everything as the controls have it. */
  private show(): void {
    const { root } = this;
    const named = new Map(PARTS.map((part) => [classOf(part), part]));
    const shown = PARTS.filter((part) => partOf(part) === this.against);
    this.panes.forEach(({ cells, viewport, tally }, pane) => {
      cells.hide((row) => {
        const part = named.get(cells.labelClass[row]);
        return part ? partOf(part) !== this.against || this.hiddenParts.has(part) : !this.outlines;
      });
      viewport.setSolid(this.opacity);
      const counts = this.tallies[pane];
      if (tally)
        tally.textContent = shown
          .map((part) => `${labelOf(root, part)} ${counts[part].toLocaleString(spoken())} px`)
          .join(" · ");
    });
    for (const button of root.querySelectorAll<HTMLElement>("[data-against]"))
      press(button, button.dataset.against === this.against);
    for (const button of root.querySelectorAll<HTMLElement>("[data-part]")) {
      button.hidden = button.dataset.of !== this.against;
      press(button, !this.hiddenParts.has(button.dataset.part as Part));
    }
    root.querySelectorAll<HTMLElement>("[data-outlines]").forEach((button) => press(button, this.outlines));
    const slider = root.querySelector<HTMLInputElement>("[data-opacity]");
    if (slider) slider.value = String(Math.round(100 * this.opacity));
    const output = root.querySelector(".opacity output");
    if (output) output.textContent = `${Math.round(100 * this.opacity)} %`;
    this.draw();
  }

  private controls(): void {
    const { root } = this;
    root
      .querySelectorAll<HTMLButtonElement>("[data-against]")
      .forEach((button) =>
        button.addEventListener("click", () => this.compareWith(button.dataset.against as Against)),
      );
    root
      .querySelectorAll<HTMLButtonElement>("[data-part]")
      .forEach((button) => button.addEventListener("click", () => this.toggle(button.dataset.part as Part)));
    root.querySelector("[data-outlines]")?.addEventListener("click", () => this.toggleOutlines());
    root.querySelector<HTMLInputElement>("[data-opacity]")?.addEventListener("input", (e) => {
      this.opacity = Number((e.target as HTMLInputElement).value) / 100;
      this.show();
    });
    root
      .querySelectorAll<HTMLButtonElement>("[data-zoom]")
      .forEach((button) => button.addEventListener("click", () => this.zoom(button.dataset.zoom ?? "")));
  }

  private compareWith(against: Against): void {
    if (against === "reference" && !this.opened.reference) return;
    this.against = against;
    this.show();
  }
  private toggle(part: Part): void {
    if (partOf(part) !== this.against) return;
    if (!this.hiddenParts.delete(part)) this.hiddenParts.add(part);
    this.show();
  }
  private toggleOutlines(): void {
    this.outlines = !this.outlines;
    this.show();
  }
  private zoom(how: string): void {
    const { canvas } = this;
    if (!canvas) return;
    const middle = screenPoint(canvas.width / 2, canvas.height / 2);
    if (how === "fit") this.moveTo(fit(this.opened.image, canvas, 8));
    else this.moveTo(zoomAt(this.camera, middle, how === "in" ? 1.5 : 1 / 1.5, this.opened.image, canvas));
  }

  private key(e: KeyboardEvent, down: boolean): void {
    if (e.defaultPrevented || e.isComposing || hasModifier(e) || isForControl(e)) return;
    const key = e.key.toLowerCase();
    if (key === "h") {
      for (const { viewport } of this.panes) viewport.peeking = down;
      this.draw();
      return;
    }
    const effect = down ? this.effectOf(key) : null;
    if (!effect) return;
    e.preventDefault();
    effect();
  }

  private effectOf(key: string): (() => void) | null {
    const part = PARTS[Number(key) - 1];
    if (part) return () => this.toggle(part);
    const { canvas } = this;
    const pan = (dx: number, dy: number) => () =>
      canvas && this.moveTo(panBy(this.camera, dx, dy, this.opened.image, canvas));
    const go = (id: string) => () => document.getElementById(id)?.click();
    const effects: Record<string, () => void> = {
      d: () => this.compareWith("rounds"),
      f: () => this.compareWith("reference"),
      n: () => this.compareWith("none"),
      o: () => this.toggleOutlines(),
      "0": () => this.zoom("fit"),
      "+": () => this.zoom("in"),
      "=": () => this.zoom("in"),
      "-": () => this.zoom("out"),
      arrowleft: pan(STEP, 0),
      arrowright: pan(-STEP, 0),
      arrowup: pan(0, STEP),
      arrowdown: pan(0, -STEP),
      "[": go("previous-image"),
      "]": go("next-image"),
    };
    return effects[key] ?? null;
  }

  /** Mouse, pen and fingers on one pane move both. */
  private listenTo(surface: HTMLElement, pane: number): void {
    const pointers = new Map<number, Point<"screen">>();
    const place = (e: { clientX: number; clientY: number }) => {
      const { left, top } = surface.getBoundingClientRect();
      return screenPoint(e.clientX - left, e.clientY - top);
    };
    surface.addEventListener("pointerdown", (e) => {
      pointers.set(e.pointerId, place(e));
      surface.setPointerCapture(e.pointerId);
      surface.classList.add("is-panning");
    });
    surface.addEventListener("pointermove", (e) => {
      const at = place(e);
      const before = pointers.get(e.pointerId);
      const { canvas } = this;
      if (before && canvas) {
        pointers.set(e.pointerId, at);
        const other = [...pointers].find(([id]) => id !== e.pointerId)?.[1];
        this.camera = other
          ? pinch(this.camera, [before, other], [at, other], this.opened.image, canvas)
          : panBy(this.camera, at.x - before.x, at.y - before.y, this.opened.image, canvas);
      }
      this.pointer = { pane, at: toImage(at, this.camera) };
      this.draw();
    });
    const up = (e: PointerEvent) => {
      pointers.delete(e.pointerId);
      if (!pointers.size) surface.classList.remove("is-panning");
    };
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"] as const)
      surface.addEventListener(name, up);
    surface.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.draw();
    });
    surface.addEventListener(
      "wheel",
      (e) => {
        e.preventDefault();
        const factor = wheelFactor(e.deltaY, e.deltaMode === WheelEvent.DOM_DELTA_LINE, e.ctrlKey);
        if (this.canvas) this.moveTo(zoomAt(this.camera, place(e), factor, this.opened.image, this.canvas));
      },
      { passive: false },
    );
  }
}

const partOf = (part: Part): Against => (PARTS.indexOf(part) < 3 ? "rounds" : "reference");
const press = (button: HTMLElement, on: boolean) => button.setAttribute("aria-pressed", String(on));
/** A part's words, from its control, without its key. */
const labelOf = (root: HTMLElement, part: Part): string => {
  const button = root.querySelector(`[data-part="${part}"]`);
  return [...(button?.childNodes ?? [])]
    .filter((node) => node.nodeType === Node.TEXT_NODE)
    .map((node) => node.textContent?.trim())
    .join("");
};

/** What each pane paints: between the rounds the same in both, against the reference each round's own. */
function compared(image: Size, packs: readonly Pack[], reference: Pack | null): Found[] {
  const all = new Cells(image);
  const given = reference ? [...packs, reference] : packs;
  given.forEach((pack, layer) => all.load(all.addLayer(`${layer}`, false, "import"), pack));
  const found: Found[] = [[], []];
  for (const box of blocks(image)) {
    const [first, last, truth] = given.map((_, layer) => coverage(all, layer, box));
    const shared = difference(first, last, box, betweenRounds);
    [first, last].forEach((round, pane) => {
      found[pane].push(...shared, ...(truth ? difference(round, truth, box, againstReference) : []));
    });
  }
  return found;
}

/** Outlines and parts in the colours of the page's tokens. */
function classesOf(root: HTMLElement): ShownClass[] {
  const style = getComputedStyle(root);
  const colour = (token: string) => style.getPropertyValue(token).trim();
  return [
    { id: 0, name: "outline", color: colour("--outline"), key: null },
    ...PARTS.map((part) => ({ id: classOf(part), name: part, color: colour(`--part-${part}`), key: null })),
  ];
}

/** Fetch what the page names, and show it. Throws what fetching throws. */
export async function compare(root: HTMLElement, api: Api): Promise<Comparison> {
  const opened = await api.comparison(Number(root.dataset.image), root.dataset.query ?? "");
  const layers = opened.rounds.flatMap(({ layer }) => layer ?? []);
  if (layers.length < 2) throw new Error(t("one of the rounds has published nothing on this image"));
  const [packs, reference] = await Promise.all([
    Promise.all(layers.map((layer) => api.pack(layer))),
    opened.reference ? api.referencePack(opened.image.id) : null,
  ]);
  const status = root.querySelector("[data-status]");
  if (status) status.textContent = "";
  return new Comparison(root, opened, packs, reference);
}

const hasModifier = (e: KeyboardEvent): boolean => e.ctrlKey || e.metaKey || e.altKey;

/** Whether the key is for the control that has the focus. */
function isForControl(e: KeyboardEvent): boolean {
  const isSlider = e.target instanceof HTMLInputElement && e.target.type === "range";
  return isSlider ? e.key.startsWith("Arrow") : isTyping(e.target);
}
