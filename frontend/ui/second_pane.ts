/** The second image: in a pane beside the picture, or over its tissue and below its cells. It follows the camera of the
 *  first one; a drag or the wheel in the pane moves both. */
import { apply, inverse, type Affine } from "../geometry/affine";
import { panBy, toImage, toScreen, zoomAt, imagePoint } from "../geometry/frames";
import { secondPlace, secondView } from "../geometry/second_view";
import { cssOf, stepFromPage } from "../geometry/turn";
import { wheelFactor } from "../canvas/pinch";
import type { Editor } from "../editor/editor";
import { t } from "../locale/locale";
import { Tissue } from "../render/tissue";
import type { Viewport } from "../render/viewport";

export class SecondPane {
  readonly element = document.createElement("div");
  /** Turned with the picture. */
  private readonly upright = document.createElement("div");
  private readonly name = document.createElement("span");
  private readonly cross = document.createElement("div");
  private readonly marks = document.createElement("div");
  /** Takes the clicks of the first picture while places are picked. */
  private readonly shield = document.createElement("div");
  private tissue: { readonly shown: Tissue; readonly element: HTMLElement; readonly id: number } | null =
    null;

  constructor(
    private readonly editor: Editor,
    private readonly viewport: Viewport,
    private readonly middle: HTMLElement,
  ) {
    this.element.className = "bw-second";
    this.upright.className = "bw-upright";
    this.name.className = "badge bw-second-name";
    this.cross.className = "bw-second-cross";
    this.marks.className = "bw-second-marks";
    this.shield.className = "bw-second-shield";
    this.element.append(this.upright, this.name, this.cross);
    middle.append(this.element, this.marks, this.shield);
    this.element.addEventListener("pointerdown", (e) => this.down(e));
    this.element.addEventListener("pointermove", (e) => this.move(e));
    this.element.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    this.shield.addEventListener("pointerdown", (e) => this.pickFirst(e));
  }

  /** What is shown, and where, by the state of the editor. Called once a frame at most. */
  update(): void {
    const { image, mode, opacity, picked } = this.editor.second;
    const isShown = image !== null && mode !== "off";
    this.middle.classList.toggle("has-second", isShown && mode === "beside");
    this.element.hidden = !isShown || mode !== "beside";
    this.shield.hidden = !picked;
    this.marks.hidden = !picked;
    if (!image || !isShown) {
      this.close();
      return;
    }
    if (this.tissue?.id !== image.id) this.open(image);
    const tissue = this.tissue;
    if (!tissue) return;
    if (mode === "beside") this.upright.append(tissue.element);
    else this.viewport.putOverTissue(tissue.element);
    tissue.element.style.opacity = mode === "over" ? String(opacity) : "1";
    this.name.textContent = image.name;
    this.follow(tissue.shown, tissue.element);
    this.mark();
  }

  private open(image: NonNullable<Editor["second"]["image"]>): void {
    this.close();
    const element = document.createElement("div");
    element.className = "bw-second-tissue";
    this.upright.append(element);
    const shown = new Tissue(element, image, image);
    shown.opened.then(
      () => this.update(),
      () => this.editor.store.toasts.show(t("The pixels of {name} could not be read.", { name: image.name })),
    );
    this.tissue = { shown, element, id: image.id };
  }
  private close(): void {
    this.tissue?.shown.close();
    this.tissue?.element.remove();
    this.tissue = null;
  }

  private follow(tissue: Tissue, element: HTMLElement): void {
    const { camera, canvas, turn } = this.editor.view;
    const { style } = this.upright;
    style.width = `${canvas.width}px`;
    style.height = `${canvas.height}px`;
    style.left = `calc(50% - ${canvas.width / 2}px)`;
    style.top = `calc(50% - ${canvas.height / 2}px)`;
    style.transform = cssOf(turn);
    const view = secondView(camera, canvas, this.onto);
    const { a, b, c, d } = view.shape;
    element.style.width = `${view.size.width}px`;
    element.style.height = `${view.size.height}px`;
    element.style.left = `${(canvas.width - view.size.width) / 2}px`;
    element.style.top = `${(canvas.height - view.size.height) / 2}px`;
    element.style.transform = `matrix(${a}, ${b}, ${c}, ${d}, 0, 0)`;
    tissue.follow(view.camera);
  }

  private get onto(): Affine {
    return this.editor.second.onto;
  }

  /** The pointer's place in the other picture, and the places that are picked, with their numbers. */
  private mark(): void {
    const { cursor } = this.editor.store;
    const { picked, waiting } = this.editor.second;
    this.cross.hidden = cursor === null;
    if (cursor) this.put(this.cross, cursor.x, cursor.y);
    if (!picked) return;
    const back = inverse(this.onto);
    const first = [...picked.map((pair) => pair.from), ...(waiting ? [waiting] : [])];
    const second = picked.map((pair) => apply(back, pair.to));
    const right = this.middle.clientWidth / 2;
    const dot = (n: number, x: number, y: number, by: number) => {
      const element = document.createElement("span");
      element.textContent = String(n + 1);
      this.put(element, x, y, by);
      return element;
    };
    this.marks.replaceChildren(
      ...first.map(({ x, y }, n) => dot(n, x, y, 0)),
      ...second.map(({ x, y }, n) => dot(n, x, y, right)),
    );
  }
  private put(element: HTMLElement, x: number, y: number, by = 0): void {
    const place = this.viewport.placeOf(toScreen(imagePoint(x, y), this.editor.view.camera));
    element.style.transform = `translate(${place.x + by}px, ${place.y}px)`;
  }

  /** The pane is as large as the picture, so its places are those of the picture, beside it. */
  private inPicture(e: MouseEvent): { clientX: number; clientY: number } {
    const shift =
      this.element.getBoundingClientRect().left - this.viewport.element.getBoundingClientRect().left;
    return { clientX: e.clientX - shift, clientY: e.clientY };
  }
  private down(e: PointerEvent): void {
    if (!this.editor.second.picked) {
      this.element.setPointerCapture(e.pointerId);
      return;
    }
    const at = secondPlace(this.viewport.pointAt(this.inPicture(e)), this.editor.view.camera, this.onto);
    void this.editor.second.pick(true, at);
  }
  private pickFirst(e: PointerEvent): void {
    void this.editor.second.pick(false, toImage(this.viewport.pointAt(e), this.editor.view.camera));
  }
  private move(e: PointerEvent): void {
    if (!e.buttons || this.editor.second.picked) return;
    const { camera, canvas, turn } = this.editor.view;
    const step = stepFromPage({ x: e.movementX, y: e.movementY }, turn);
    this.editor.view.moveTo(panBy(camera, step.x, step.y, this.editor.store.opened.image, canvas));
  }
  private wheel(e: WheelEvent): void {
    e.preventDefault();
    const { camera, canvas } = this.editor.view;
    const factor = wheelFactor(e.deltaY, e.deltaMode === WheelEvent.DOM_DELTA_LINE, e.ctrlKey);
    const at = this.viewport.pointAt(this.inPicture(e));
    this.editor.view.moveTo(zoomAt(camera, at, factor, this.editor.store.opened.image, canvas));
  }
}
