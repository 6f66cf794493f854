/** Pointing at every cell of a random field, for the claim about missed cells
 *  (labeling/site/templates/site/parts/missed_cells.html). No proposal is shown. */
import { isTyping } from "../commands/typing";
import { t, tn } from "../locale/locale";
import type { Schemas } from "../scene/contract";
import { ApiError, isTemporary, type Api } from "../sync/api";
import { Points, type Point } from "./points";

const SVG = "http://www.w3.org/2000/svg";
const DOT = 0.006; // of the picture
type Field = Schemas["SampleFieldAnswer"];

export class FieldPage {
  private field: Field | null = null;
  private points: Points | null = null;
  private isByKeys = false;
  private isSending = false;
  private progress: Schemas["SampleFieldProgress"] = { annotated: 0, fields: 0 };
  private readonly picture: HTMLElement;

  constructor(
    private readonly root: HTMLElement,
    private readonly api: Api,
    private readonly lot: number,
  ) {
    const picture = root.querySelector<HTMLElement>("[data-field-picture]");
    if (!picture) throw new Error("the page has no place for a field");
    this.picture = picture;
    picture.addEventListener("click", (e) => this.click(e));
    picture.addEventListener("keydown", (e) => this.key(e));
    root.querySelector("[data-field-done]")?.addEventListener("click", () => void this.send());
    root.querySelector("[data-field-undo]")?.addEventListener("click", () => this.undo());
  }

  /** Read-only, for tests. */
  probes() {
    return {
      state: () => ({
        position: this.field?.position ?? null,
        frame: this.field?.frame ?? null,
        points: this.points?.all.length ?? 0,
        ...this.progress,
      }),
    };
  }

  /** Show the next field. Throws what fetching throws. */
  async fetch(): Promise<void> {
    const answer = await this.api.get<Schemas["SampleFieldsAnswer"]>(`certificates/${this.lot}/fields/`);
    this.progress = { annotated: answer.annotated, fields: answer.fields };
    this.field = answer.field;
    this.points = answer.field && new Points(answer.field.frame);
    this.isByKeys = false;
    this.draw();
    this.say(this.field ? this.count() : t("There is no further field. Reload the page to see the result."));
  }

  private count(): string {
    const { annotated, fields } = this.progress;
    const set = this.points?.all.length ?? 0;
    const done = t("{annotated} of {fields} fields done.", { annotated, fields });
    return `${done} ${tn(set, "{n} cell here.", "{n} cells here.")}`;
  }

  private say(text: string): void {
    const status = this.root.querySelector("[data-status]");
    if (status) status.textContent = text;
  }

  private draw(): void {
    const { field, points, root, picture } = this;
    for (const button of root.querySelectorAll<HTMLButtonElement>("button")) button.disabled = !field;
    picture.replaceChildren();
    if (!field || !points) return;
    const image = document.createElement("img");
    image.src = `data:image/jpeg;base64,${field.picture}`;
    image.alt = t("The tissue of a field, with a frame around it");
    image.draggable = false;
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", "0 0 1 1");
    const [x0, y0, x1, y1] = field.frame;
    drawing.append(part("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }));
    for (const [cx, cy] of points.all) drawing.append(part("circle", { cx, cy, r: DOT }));
    if (this.isByKeys) {
      const [x, y] = points.cross;
      drawing.append(part("path", { d: `M${x - 0.02} ${y}H${x + 0.02}M${x} ${y - 0.02}V${y + 0.02}` }));
    }
    picture.append(image, drawing);
  }

  private changed(): void {
    this.draw();
    this.say(this.count());
  }

  private click(e: MouseEvent): void {
    const box = this.picture.getBoundingClientRect();
    const at: Point = [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height];
    if (!this.points || this.isSending) return;
    this.isByKeys = false;
    this.points.toggle(at);
    this.changed();
  }

  private undo(): void {
    if (this.isSending) return;
    this.points?.removeLast();
    this.changed();
  }

  private key(e: KeyboardEvent): void {
    const { points } = this;
    if (!points || this.isSending || e.ctrlKey || e.metaKey || e.altKey || isTyping(e.target)) return;
    const arrow = ARROWS[e.code];
    if (arrow) {
      this.isByKeys = true;
      points.move(...arrow);
    } else if (e.code === "Space") points.toggle(points.cross);
    else if (e.code === "KeyZ") points.removeLast();
    else return;
    e.preventDefault();
    e.stopPropagation(); // the sample above has keys of its own
    this.changed();
  }

  /** The points stay on the page until the server has them. */
  private async send(): Promise<void> {
    const { field, points } = this;
    if (!field || !points || this.isSending) return;
    this.isSending = true;
    try {
      const body = { position: field.position, points: points.all };
      await this.api.post(`certificates/${this.lot}/fields/`, body);
      await this.fetch();
    } catch (error) {
      this.say(error instanceof ApiError && !isTemporary(error) ? error.detail : AGAIN());
      if (error instanceof ApiError && error.code === "annotated_already") await this.fetch();
    } finally {
      this.isSending = false;
    }
  }
}

const AGAIN = (): string => t("The server does not answer. Your points are kept on this page; try again.");
const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function part(name: string, values: Readonly<Record<string, number | string>>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(values)) made.setAttribute(key, String(value));
  return made;
}

/** Show the first field. Throws what fetching throws. */
export async function pointAtCells(root: HTMLElement, api: Api): Promise<FieldPage> {
  const made = new FieldPage(root, api, Number(root.dataset.lot));
  await made.fetch();
  return made;
}
