/** The gallery: open proposals as crops of one physical scale, decided many at a glance
 *  (labeling/site/templates/site/gallery.html has the controls).
 *
 *  A screen is what lies wholly in view. One act decides it: the marked cells by their marks, the rest is accepted. */
import { t, tn } from "../locale/locale";
import type { Schemas } from "../scene/contract";
import { uuid7 } from "../scene/uuid";
import { ApiError, isTemporary, type Api } from "../sync/api";
import { CellGrid } from "./grid";
import { actOf, type Handlers } from "./keys";
import { layoutOf, whollyIn } from "./layout";
import { leftOut } from "./left_out";
import { markOf, Marks, verdictOf, type Mark } from "./marks";
import { Comparing } from "./comparing";
import { CellMap } from "./map";
import { PlaceDialog } from "./place";
import { Sheets } from "./sheets";
import { isLikenessOrder, markOfSuggestion, Suggestions } from "./suggestions";
import { Views } from "./views";

const CONTEXT = 4; // diameters of the usual cell that a crop shows
const AGAIN_MS = 2000;
type Screen = Schemas["ScreenBody"];
type Listed = Schemas["GalleryAnswer"] | Schemas["LikenessAnswer"];

export class Gallery {
  private readonly marks = new Marks();
  private readonly views = new Views(document.visibilityState === "visible");
  private readonly done = new Set<number>();
  private readonly unsent: Screen[] = [];
  private readonly judged: Screen[] = [];
  private readonly grid: CellGrid;
  private readonly place: PlaceDialog;
  private readonly suggestions: Suggestions;
  private readonly map: CellMap;
  private sheets: Sheets;
  private stroke: number[] = [];
  private hovered = -1;
  private isByKeys = false;
  private isSending = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly api: Api,
    private readonly project: Schemas["ProjectInFull"],
    private listed: Listed,
    private order: Screen["order"],
  ) {
    this.sheets = this.sheetsOf(listed);
    this.suggestions = new Suggestions(api, project.id, () => this.draw());
    const comparing = new Comparing(root, api, project.id, () => location.reload());
    this.map = new CellMap(
      root,
      api,
      project.id,
      project.classes,
      (answer, indices) => this.narrow(answer, indices),
      (answer) => {
        comparing.show(answer);
        this.say(
          answer.total
            ? t("There is no map before the cells have been compared.")
            : t("Nothing is open here."),
        );
      },
    );
    if (isAlike(listed)) this.suggestions.take(listed);
    this.place = new PlaceDialog(root, api, project.id, listed.diameter, (id) => this.grid.colourOf(id));
    this.grid = new CellGrid(root, project.classes, {
      layout: (width, size) => layoutOf(width, size, this.listed.cells.length),
      crop: (index) => this.sheets.cropOf(index),
      mark: (index) => this.marks.of(index),
      isDone: (index) => this.done.has(index),
      isCurrent: (index) => index === this.hovered && this.isByKeys,
      suggestion: (index) => this.suggestions.of(this.listed.cells[index]),
      onView: () => this.draw(),
      onHover: (index) => this.hover(index, false),
      onStroke: (index, isFirst) => this.strokeOver(index, isFirst),
    });
    this.listen();
    this.draw();
    this.say(listed.total ? t("{n} open proposals", { n: listed.total }) : t("Nothing is open here."));
    if (isAlike(listed)) comparing.show(listed);
  }

  private sheetsOf(listed: Listed): Sheets {
    return new Sheets(
      this.api,
      this.project.id,
      listed.cells,
      CONTEXT * listed.diameter,
      () => this.draw(),
      (error) => this.sayWhy(error),
    );
  }

  /** Show these cells of an answer alone. What is on its way to the server goes on. */
  private narrow(answer: Schemas["LikenessAnswer"], indices: readonly number[]): void {
    this.suggestions.take(answer);
    this.listed = {
      ...answer,
      cells: indices.map((index) => answer.cells[index]),
      images: indices.map((index) => answer.images[index]),
      classes: indices.map((index) => answer.classes[index]),
      doubts: indices.map((index) => answer.doubts[index]),
    };
    this.order = "map";
    this.sheets = this.sheetsOf(this.listed);
    this.marks.clear();
    this.done.clear();
    this.stroke = [];
    this.hovered = -1;
    this.views.forget(performance.now());
    this.grid.resize();
    this.grid.scrollTo(0);
    this.draw();
    this.root.querySelector("[data-everything]")?.removeAttribute("hidden");
    this.say(tn(indices.length, "{n} cell of the map", "{n} cells of the map"));
  }

  /** Read-only, for tests. */
  probes() {
    return {
      state: () => ({
        cells: this.listed.cells.length,
        screen: this.screen(),
        done: this.done.size,
        marked: this.marks.size,
        unsent: this.unsent.length,
        isWaiting: this.sheets.isWaiting,
        isDrawn: this.isDrawn,
        order: this.order,
        current: this.hovered,
        suggested: this.suggestedOnScreen().size,
        isSuggesting: this.suggestions.isWaiting,
      }),
    };
  }

  private get canWrite(): boolean {
    return "canWrite" in this.root.dataset;
  }
  /** The cells wholly in view whose pictures are there. */
  private screen(): { first: number; end: number } {
    const { top, height } = this.grid.viewed;
    return whollyIn(this.grid.layout, top, height);
  }
  private get isDrawn(): boolean {
    const { first, end } = this.screen();
    return end > first && this.sheets.hasAll(first, end);
  }

  private draw(): void {
    const { first, end } = this.grid.draw();
    this.sheets.want(first, end);
    if (isLikenessOrder(this.order)) this.suggestions.want(this.listed.cells.slice(first, end));
    const now = performance.now();
    this.views.show(this.isDrawn ? this.screen() : { first: 0, end: 0 }, now);
    const button = this.root.querySelector<HTMLButtonElement>("[data-accept]");
    if (button) button.disabled = !this.isDrawn;
    const take = this.root.querySelector<HTMLButtonElement>("[data-take]");
    if (take) take.disabled = this.suggestedOnScreen().size === 0;
  }

  /** The cells of the screen for which something is suggested with enough certainty, and what it would mark them as. */
  private suggestedOnScreen(): Map<number, Mark> {
    const found = new Map<number, Mark>();
    const { first, end } = this.screen();
    for (let index = first; index < end; index++) {
      const suggestion = this.suggestions.of(this.listed.cells[index]);
      const mark = suggestion && markOfSuggestion(suggestion);
      if (mark && !this.done.has(index) && !this.marks.of(index)) found.set(index, mark);
    }
    return found;
  }

  /** Mark the cells of the screen as suggested. They are decided with the screen, and unmarked like any other. */
  private takeSuggestions(): void {
    if (!this.canWrite || !this.isDrawn) return;
    const found = this.suggestedOnScreen();
    for (const [index, mark] of found) this.marks.set(index, mark);
    this.draw();
    this.say(tn(found.size, "{n} cell is marked as suggested.", "{n} cells are marked as suggested."));
  }

  private hover(index: number, isByKeys: boolean): void {
    this.hovered = index;
    this.isByKeys = isByKeys;
  }

  /** The cell that keys act on, from the one before; the first of the screen where there is none. */
  private moveBy(columns: number, rows: number): void {
    const { layout } = this.grid;
    const { first } = this.screen();
    const from = this.hovered < 0 ? first : this.hovered + columns + rows * layout.columns;
    this.stroke = [];
    this.hover(Math.max(0, Math.min(layout.count - 1, from)), true);
    this.grid.show(this.hovered);
    this.draw();
  }

  /** Cells that look like the one that is meant, the nearest first. */
  private moreLikeThis(): void {
    const cell = this.listed.cells.at(this.hovered);
    if (this.hovered < 0 || !cell) {
      this.say(t("Point at a cell, or go to one with the arrow keys, and press M."));
      return;
    }
    if (this.unsent.length) return this.say(t("Verdicts are on their way. Try again in a moment."));
    location.search = `?order=likeness&like=${cell}`;
  }

  private async openMap(): Promise<void> {
    try {
      await this.map.open();
    } catch (error) {
      this.sayWhy(error);
    }
  }

  private strokeOver(index: number, isFirst: boolean): void {
    if (!this.canWrite || index < 0 || this.done.has(index)) return;
    if (isFirst) {
      this.stroke = this.marks.toggle(index) ? [index] : [];
    } else if (!this.marks.of(index)) {
      this.marks.toggle(index);
      this.stroke.push(index);
    }
    this.draw();
  }

  /** What the marked cells of the last stroke are; without one, the cell under the pointer. */
  private markAs(mark: Parameters<Marks["setAll"]>[1]): void {
    const aimed = this.stroke.length ? this.stroke : [this.hovered];
    const open = aimed.filter((index) => index >= 0 && !this.done.has(index));
    this.marks.setAll(open, mark);
    this.draw();
  }

  // -- deciding

  private decide(): void {
    if (!this.canWrite || !this.isDrawn) return;
    const { first, end } = this.screen();
    const now = performance.now();
    const shown = [];
    const verdicts = [];
    for (let index = first; index < end; index++) {
      if (this.done.has(index) || !this.sheets.cropOf(index)) continue;
      const milliseconds = this.views.millisecondsOf(index, now);
      shown.push({ cell: this.listed.cells[index], pixels: this.grid.pixelsOf(index), milliseconds });
      const mark = this.marks.of(index);
      if (mark) verdicts.push(verdictOf(this.listed.cells[index], mark));
      this.done.add(index);
    }
    if (!shown.length) {
      this.next();
      return;
    }
    const milliseconds = this.views.screenMilliseconds(now);
    const id = uuid7();
    this.unsent.push({ id, order: this.order, milliseconds, shown, verdicts, accepts_rest: true });
    for (let index = first; index < end; index++) this.marks.set(index, null);
    this.next();
    void this.send();
  }

  /** On to the next screen. */
  private next(): void {
    this.stroke = [];
    this.views.nextScreen(performance.now());
    this.grid.scrollTo(this.screen().end);
    this.draw();
  }

  /** One screen after the other; what the server has not answered stays and is sent again. */
  private async send(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    try {
      for (let screen = this.unsent.at(0); screen; screen = this.unsent.at(0)) {
        try {
          const path = `projects/${this.project.id}/gallery/screens/`;
          this.settle(screen, await this.api.post<Schemas["ScreenAnswer"]>(path, screen));
          this.unsent.shift();
        } catch (error) {
          if (!isTemporary(error)) {
            this.giveBack(screen);
            this.unsent.shift();
            this.say(error instanceof ApiError ? error.detail : String(error));
            continue;
          }
          this.say(t("The server does not answer. Your verdicts are kept on this page and sent again."));
          await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        }
      }
    } finally {
      this.isSending = false;
    }
  }

  private settle(screen: Screen, answer: Schemas["ScreenAnswer"]): void {
    this.judged.push(screen);
    if (isLikenessOrder(this.order)) this.suggestions.outdate();
    const undo = this.root.querySelector<HTMLButtonElement>("[data-undo]");
    if (undo) undo.disabled = false;
    const left = Object.entries(answer.left_out);
    const undecided = left.filter(([, why]) => why === "short" || why === "small");
    this.reopen(screen, new Set(undecided.map(([cell]) => cell)));
    const accepted = answer.decided.accept ?? 0;
    const rejected = answer.decided.reject ?? 0;
    const sentences = [tn(accepted, "{n} accepted in bulk.", "{n} accepted in bulk.")];
    if (rejected) sentences.push(tn(rejected, "{n} rejected.", "{n} rejected."));
    if (left.length) sentences.push(leftOut(left.map(([, why]) => why)));
    this.say(sentences.join(" "));
    this.draw();
  }

  /** Cells of a screen are open again, with the marks that they had: the rest accepts no cell marked as wrong. */
  private reopen(screen: Screen, cells: ReadonlySet<string>): void {
    for (const cell of cells) this.done.delete(this.listed.cells.indexOf(cell));
    for (const given of screen.verdicts ?? []) {
      const index = this.listed.cells.indexOf(given.cell); // -1 where the gallery shows others now
      if (index >= 0 && cells.has(given.cell)) this.marks.set(index, markOf(given));
    }
  }
  private giveBack(screen: Screen): void {
    this.reopen(screen, new Set(screen.shown.map(({ cell }) => cell)));
    this.draw();
  }

  private async undo(): Promise<void> {
    if (this.unsent.length) return; // what is on its way is the last act, and is not known yet
    const screen = this.judged.pop();
    if (!screen) return;
    try {
      const path = `projects/${this.project.id}/gallery/screens/${screen.id}/undo/`;
      const { undone, changed } = await this.api.post<Schemas["UndoneAnswer"]>(path, {});
      const words = tn(undone, "{n} cell is open again.", "{n} cells are open again.");
      const stays = changed
        ? tn(
            changed,
            "{n} stays: changed since, or its image is finished.",
            "{n} stay: changed since, or their image is finished.",
          )
        : "";
      this.giveBack(screen);
      if (isLikenessOrder(this.order)) this.suggestions.outdate();
      this.say([words, stays].filter((sentence) => sentence !== "").join(" "));
    } catch (error) {
      this.judged.push(screen);
      this.sayWhy(error);
    }
  }

  // -- the page

  private say(text: string): void {
    const status = this.root.querySelector("[data-status]");
    if (status) status.textContent = text;
  }

  private sayWhy(error: unknown): void {
    this.say(error instanceof ApiError ? error.detail : t("The server does not answer. Try again."));
  }

  private listen(): void {
    const { root } = this;
    root.querySelector("[data-accept]")?.addEventListener("click", () => this.decide());
    root.querySelector("[data-undo]")?.addEventListener("click", () => void this.undo());
    root.querySelector("[data-take]")?.addEventListener("click", () => this.takeSuggestions());
    root.querySelector("[data-map-open]")?.addEventListener("click", () => void this.openMap());
    root.querySelector("[data-everything]")?.addEventListener("click", () => location.reload());
    root.querySelector<HTMLSelectElement>("[data-order-choice]")?.addEventListener("change", (e) => {
      location.search = `?order=${(e.target as HTMLSelectElement).value}`;
    });
    window.addEventListener("keydown", (e) => this.key(e));
    window.addEventListener("beforeunload", (e) => {
      if (this.unsent.length) e.preventDefault();
    });
    document.addEventListener("visibilitychange", () =>
      this.views.inSight(document.visibilityState === "visible", performance.now()),
    );
  }

  private key(e: KeyboardEvent): void {
    if (this.map.isOpen) return;
    actOf(e, this.keys, (digit) => this.classAct(digit))?.();
  }

  private classAct(digit: number): (() => void) | null {
    const chosen = this.project.classes.find(({ key }) => key === digit);
    return chosen ? () => this.markAs({ kind: "class", labelClass: chosen.id }) : null;
  }

  private readonly keys: Handlers = {
    Enter: () => this.decide(),
    KeyX: () => this.markAs({ kind: "reject" }),
    KeyU: () => this.markAs({ kind: "cannot_tell" }),
    KeyZ: () => void this.undo(),
    KeyM: () => this.moreLikeThis(),
    KeyS: () => this.takeSuggestions(),
    KeyP: () => void this.openMap(),
    Space: () => void this.showPlace(),
    ArrowLeft: () => this.moveBy(-1, 0),
    ArrowRight: () => this.moveBy(1, 0),
    ArrowUp: () => this.moveBy(0, -1),
    ArrowDown: () => this.moveBy(0, 1),
  };

  private async showPlace(): Promise<void> {
    try {
      await this.place.toggle(this.sheets.cropOf(this.hovered)?.crop ?? null);
    } catch (error) {
      this.sayWhy(error);
    }
  }
}

const isAlike = (listed: Listed): listed is Schemas["LikenessAnswer"] => "suggested" in listed;

/** Fetch what the page names, and show it. Throws what fetching throws. */
export async function openGallery(root: HTMLElement, api: Api): Promise<Gallery> {
  const project = Number(root.dataset.project);
  const order = (root.dataset.order ?? "doubt") as Screen["order"];
  const like = new URLSearchParams(location.search).getAll("like");
  const kind = isLikenessOrder(order) ? "gallery/likeness" : "gallery";
  const query = [`order=${order}`, ...like.map((cell) => `like=${encodeURIComponent(cell)}`)].join("&");
  const [about, listed] = await Promise.all([
    api.get<Schemas["ProjectInFull"]>(`projects/${project}/`),
    api.get<Listed>(`projects/${project}/${kind}/?${kind === "gallery" ? `order=${order}` : query}`),
  ]);
  return new Gallery(root, api, about, listed, order);
}
