/** A map of the cells: those that look alike lie close together. A lasso, or a circle moved by keys, takes some of them
 *  into the gallery. */
import { t, tn } from "../locale/locale";
import { UNCLASSIFIED_COLOUR } from "../render/palette";
import type { LabelClass, Schemas } from "../scene/contract";
import { ApiError, type Api } from "../sync/api";
import { encircled, lassoed, type Place } from "./lasso";
import { Projection } from "./projection";

const DOT = 3; // CSS pixels
const STEP = 0.03; // of the map, a press of an arrow key
const RADII = { least: 0.02, first: 0.08, most: 0.5, by: 1.25 } as const;

type Answer = Schemas["LikenessAnswer"];

export class CellMap {
  private readonly dialog: HTMLDialogElement | null;
  private readonly canvas: HTMLCanvasElement | null;
  private answer: Answer | null = null;
  private readonly projection: Projection;
  private lasso: Place[] = [];
  private circle: Place = [0.5, 0.5];
  private radius: number = RADII.first;

  constructor(
    private readonly root: HTMLElement,
    private readonly api: Api,
    private readonly project: number,
    private readonly classes: readonly LabelClass[],
    private readonly chosen: (answer: Answer, indices: readonly number[]) => void,
    /** There is no map, as no cell has been compared. */
    private readonly notCompared: (answer: Answer) => void,
  ) {
    this.dialog = root.querySelector("[data-map]");
    this.canvas = root.querySelector("[data-map-picture]");
    this.projection = new Projection(root, api, project, () => void this.reload());
    this.listen();
  }

  get isOpen(): boolean {
    return this.dialog?.open ?? false;
  }

  /** Throws what fetching throws. */
  async open(): Promise<void> {
    this.dialog?.showModal();
    this.say(t("The map is being made."));
    try {
      await this.projection.refresh();
      await this.fetch();
    } catch (error) {
      this.dialog?.close();
      throw error;
    }
    if (!this.places.length) {
      this.dialog?.close();
      if (this.answer) this.notCompared(this.answer);
      return;
    }
    this.show();
    this.canvas?.focus();
  }

  /** Another projection of the same cells. */
  private async reload(): Promise<void> {
    if (!this.isOpen) return;
    this.say(t("The map is being made."));
    try {
      await this.fetch();
      this.show();
    } catch (error) {
      this.say(error instanceof ApiError ? error.detail : t("The server does not answer. Try again."));
    }
  }

  private async fetch(): Promise<void> {
    const path = `projects/${this.project}/gallery/likeness/?order=map&projection=${this.projection.chosen}`;
    this.answer = await this.api.get<Answer>(path);
    this.projection.isShown();
  }

  private show(): void {
    this.lasso = [];
    this.say(this.counted());
    this.draw();
  }

  private get places(): readonly Place[] {
    return this.answer?.places ?? [];
  }
  private get inCircle(): number[] {
    return encircled(this.places, this.circle, this.radius);
  }

  private take(indices: readonly number[]): void {
    if (!this.answer || !indices.length) return;
    this.dialog?.close();
    this.chosen(this.answer, indices);
  }

  private counted(): string {
    const n = this.inCircle.length;
    return tn(n, "{n} cell in the circle", "{n} cells in the circle");
  }
  private say(text: string): void {
    const status = this.root.querySelector("[data-map-status]");
    if (status) status.textContent = text;
  }

  private draw(): void {
    const { canvas } = this;
    const c = canvas?.getContext("2d");
    if (!canvas || !c) return;
    const side = canvas.clientWidth * devicePixelRatio;
    canvas.width = side;
    canvas.height = side;
    const dot = DOT * devicePixelRatio;
    const colours = new Map(this.classes.map(({ id, color }) => [id, color]));
    const { suggested = [], classes = [] } = this.answer ?? {};
    for (const [index, [x, y]] of this.places.entries()) {
      c.fillStyle = colours.get(suggested[index] || classes[index]) ?? UNCLASSIFIED_COLOUR;
      c.fillRect(x * (side - dot), y * (side - dot), dot, dot);
    }
    c.strokeStyle = getComputedStyle(canvas).color;
    c.lineWidth = devicePixelRatio;
    c.beginPath();
    if (this.lasso.length) for (const [x, y] of this.lasso) c.lineTo(x * side, y * side);
    else c.arc(this.circle[0] * side, this.circle[1] * side, this.radius * side, 0, 2 * Math.PI);
    c.closePath();
    c.stroke();
  }

  private listen(): void {
    const { canvas } = this;
    if (!canvas) return;
    const placeOf = (e: PointerEvent): Place => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return [(e.clientX - left) / width, (e.clientY - top) / height];
    };
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      canvas.setPointerCapture(e.pointerId);
      this.lasso = [placeOf(e)];
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!this.lasso.length) return;
      this.lasso.push(placeOf(e));
      this.draw();
    });
    canvas.addEventListener("pointerup", () => {
      const found = lassoed(this.places, this.lasso);
      this.lasso = [];
      this.draw();
      if (found.length) this.take(found);
      else this.say(t("No cell lies in the lasso. Draw around some dots."));
    });
    canvas.addEventListener("pointercancel", () => {
      this.lasso = [];
      this.draw();
    });
    canvas.addEventListener("keydown", (e) => this.key(e));
  }

  private key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const [x, y] = this.circle;
    const moves: Record<string, Place> = {
      ArrowLeft: [x - STEP, y],
      ArrowRight: [x + STEP, y],
      ArrowUp: [x, y - STEP],
      ArrowDown: [x, y + STEP],
    };
    const moved = moves[e.key];
    if (moved) this.circle = [within(moved[0]), within(moved[1])];
    else if (e.key === "+") this.radius = Math.min(RADII.most, this.radius * RADII.by);
    else if (e.key === "-") this.radius = Math.max(RADII.least, this.radius / RADII.by);
    else if (e.key === "Enter") this.take(this.inCircle);
    else return;
    e.preventDefault();
    e.stopPropagation();
    if (!this.isOpen) return;
    this.say(this.counted());
    this.draw();
  }
}

const within = (value: number): number => Math.min(1, Math.max(0, value));
