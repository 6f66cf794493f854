/** Another image of the same tissue, as one with another stain: shown beside the picture or over it, and registered by
 *  places that somebody clicks in both. */
import { affineOf, type Affine, type Pair, type Vector } from "../geometry/affine";
import { t } from "../locale/locale";
import type { SecondImage as Shown, ShownImage } from "../scene/contract";
import { observed } from "../scene/observed";
import { ApiError } from "../sync/api";
import type { Store } from "./store";

export const LEAST_LANDMARKS = 3;
const MOST_LISTED = 200;
export const MODES = ["off", "beside", "over"] as const;
export type Mode = (typeof MODES)[number];
type Named = { readonly id: number; readonly name: string };

type Observable = {
  image: Shown | null;
  mode: Mode;
  /** Of the second image where it lies over the first, 0 to 1. */
  opacity: number;
  /** The pairs that are clicked so far; null: nothing is being registered. */
  picked: readonly Pair[] | null;
  /** The place in the first image that waits for its place in the second. */
  waiting: Vector | null;
  /** The other images of the project; null: not asked for yet. */
  others: readonly Named[] | null;
};
const INITIAL = (): Observable => ({
  image: null,
  mode: "off",
  opacity: 0.5,
  picked: null,
  waiting: null,
  others: null,
});

export class SecondImage extends observed(INITIAL) {
  /** The server keeps a second image for this one, perhaps another than the one that is shown. */
  private isKept: boolean;

  constructor(private readonly store: Store) {
    super();
    this.image = store.opened.second ?? null;
    this.isKept = this.image !== null;
  }

  /** Who may say which image it is, and register it. */
  get canRegister(): boolean {
    const { role, archived_at } = this.store.opened.project;
    const isStudy = Boolean(this.store.opened.study);
    return (role === "owner" || role === "manager") && !archived_at && !isStudy;
  }
  get isRegistered(): boolean {
    return (this.image?.landmarks.length ?? 0) >= LEAST_LANDMARKS;
  }
  get isInSight(): boolean {
    return this.image !== null && this.mode !== "off";
  }

  /** From the first image to the second, image pixels. Until they are registered: middle on middle, at one scale. */
  get onto(): Affine {
    const { image } = this;
    const first = this.store.opened.image;
    if (!image) return { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 };
    const pairs = image.landmarks.map(([x, y, u, v]) => ({ from: { x, y }, to: { x: u, y: v } }));
    return affineOf(pairs) ?? middleOnMiddle(first, image);
  }

  show(mode: Mode): void {
    this.mode = mode;
    if (mode !== "beside") this.endRegistering(); // places are clicked in both pictures
  }
  /** Hidden, beside the picture, over it, and hidden again. */
  next(): void {
    this.show(MODES[(MODES.indexOf(this.mode) + 1) % MODES.length]);
  }

  /** What can be chosen: the image that is chosen among them, also where the list is not there yet or too long. */
  get choices(): readonly Named[] {
    const listed = this.others ?? [];
    const { image } = this;
    return image && !listed.some(({ id }) => id === image.id) ? [image, ...listed] : listed;
  }

  async list(): Promise<void> {
    if (this.others) return;
    const { project, image } = this.store.opened;
    const path = `projects/${project.id}/images/?limit=${MOST_LISTED}`;
    const page = await this.asked(() => this.store.api.get<{ items: Named[] }>(path));
    if (page) this.others = page.items.filter((other) => other.id !== image.id);
  }

  /** Show this image beside the picture; null: none. It is kept once it is registered. */
  async choose(id: number | null): Promise<void> {
    this.endRegistering();
    if (id === null) return this.forget();
    const opened = await this.asked(() =>
      this.store.api.get<{ image: ShownImage }>(`images/${id}/workspace/`),
    );
    if (!opened) return;
    this.image = { ...opened.image, landmarks: [] };
    this.show("beside");
  }
  private async forget(): Promise<void> {
    if (this.isKept && !(await this.keep(null))) return;
    this.isKept = false;
    this.image = null;
    this.show("off");
  }

  register(): void {
    this.show("beside");
    this.picked = [];
    this.waiting = null;
  }
  endRegistering(): void {
    this.picked = null;
    this.waiting = null;
  }
  /** A place was clicked, image pixels of the first or the second image. */
  async pick(inSecond: boolean, at: Vector): Promise<void> {
    if (!this.picked || !this.image) return;
    if (!inSecond) {
      this.waiting = at;
      return;
    }
    if (!this.waiting) {
      this.store.toasts.show(t("Click the place in the left picture first."));
      return;
    }
    this.picked = [...this.picked, { from: this.waiting, to: at }];
    this.waiting = null;
    if (this.picked.length >= LEAST_LANDMARKS) await this.finish(this.picked, this.image);
  }
  private async finish(pairs: readonly Pair[], image: Shown): Promise<void> {
    this.endRegistering();
    if (!affineOf(pairs)) {
      this.store.toasts.show(t("The three places lie in one line. Click three that form a triangle."));
      return;
    }
    const landmarks = pairs.map(({ from, to }): [number, number, number, number] => [
      from.x,
      from.y,
      to.x,
      to.y,
    ]);
    if (!(await this.keep({ image: image.id, landmarks }))) return;
    this.isKept = true;
    this.image = { ...image, landmarks };
    this.store.toasts.show(t("The two images are registered. They now move together."));
  }
  private async keep(registration: object | null): Promise<boolean> {
    const path = `images/${this.store.opened.image.id}/`;
    return (await this.asked(() => this.store.api.patch<object>(path, { registration }))) !== null;
  }

  private async asked<T>(ask: () => Promise<T>): Promise<T | null> {
    try {
      return await ask();
    } catch (error) {
      const detail = error instanceof ApiError ? error.detail : t("The server does not answer. Try again.");
      this.store.toasts.show(detail);
      return null;
    }
  }
}

type Measured = { readonly width: number; readonly height: number; readonly um_per_px: number | null };

function middleOnMiddle(first: Measured, second: Measured): Affine {
  const areScalesKnown = first.um_per_px !== null && second.um_per_px !== null;
  const scale = areScalesKnown ? first.um_per_px / second.um_per_px : second.width / first.width;
  const e = (second.width - scale * first.width) / 2;
  const f = (second.height - scale * first.height) / 2;
  return { a: scale, b: 0, c: 0, d: scale, e, f };
}
