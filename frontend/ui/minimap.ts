/** The whole image, small, with what is in view; a press or drag on it moves there. */
import { centredOn, clamp, imagePoint, within, type Size } from "../geometry/frames";
import { cssOf, fromPage, turnedSize, type Turn } from "../geometry/turn";
import type { Editor } from "../editor/editor";

const LONGER = 150;

export class Minimap {
  readonly element = document.createElement("div");
  /** What is turned with the picture. */
  private readonly upright = document.createElement("div");
  private readonly frame = document.createElement("div");
  private readonly scale: number;

  constructor(private readonly editor: Editor) {
    const { width, height, thumbnail_url, pixels_url } = editor.store.opened.image;
    this.scale = LONGER / Math.max(width, height);
    this.element.className = "bw-minimap";
    this.element.setAttribute("aria-hidden", "true"); // the arrow keys and "whole image" do the same without eyes
    this.upright.className = "bw-minimap-upright";
    this.upright.style.width = `${width * this.scale}px`;
    this.upright.style.height = `${height * this.scale}px`;
    const picture = document.createElement("img");
    picture.alt = "";
    picture.draggable = false;
    picture.src = thumbnail_url || pixels_url;
    this.frame.className = "bw-minimap-view";
    this.upright.append(picture, this.frame);
    this.element.append(this.upright);
    this.element.addEventListener("pointerdown", (e) => {
      this.element.setPointerCapture(e.pointerId);
      this.go(e);
    });
    this.element.addEventListener("pointermove", (e) => e.buttons === 1 && this.go(e));
  }

  update(shown: boolean): void {
    const { image } = this.editor.store.opened;
    const v = this.editor.view.visible();
    const all = v.x0 <= 0 && v.y0 <= 0 && v.x1 >= image.width && v.y1 >= image.height;
    this.element.hidden = !shown || all; // when everything is in view it has nothing to say
    const [x0, x1] = [clamp(v.x0, 0, image.width), clamp(v.x1, 0, image.width)];
    const [y0, y1] = [clamp(v.y0, 0, image.height), clamp(v.y1, 0, image.height)];
    this.follow(this.editor.view.turn);
    const { style } = this.frame;
    style.left = `${x0 * this.scale}px`;
    style.top = `${y0 * this.scale}px`;
    style.width = `${Math.max(3, (x1 - x0) * this.scale)}px`;
    style.height = `${Math.max(3, (y1 - y0) * this.scale)}px`;
  }

  /** Turned like the picture. */
  private follow(turn: Turn): void {
    const { width, height } = this.size(turn);
    this.element.style.width = `${width}px`;
    this.element.style.height = `${height}px`;
    this.upright.style.transform = `translate(-50%, -50%) ${cssOf(turn)}`;
  }

  /** CSS pixels, as it is seen. */
  private size(turn: Turn): Size {
    const { width, height } = this.editor.store.opened.image;
    return turnedSize({ width: width * this.scale, height: height * this.scale }, turn);
  }

  private go(e: PointerEvent): void {
    const { left, top } = this.upright.getBoundingClientRect();
    const { camera, canvas, turn } = this.editor.view;
    const { image } = this.editor.store.opened;
    const place = fromPage({ x: e.clientX - left, y: e.clientY - top }, turn, this.size(turn));
    const at = imagePoint(place.x / this.scale, place.y / this.scale);
    this.editor.view.moveTo(within(centredOn(camera, at, canvas), image, canvas));
  }
}
