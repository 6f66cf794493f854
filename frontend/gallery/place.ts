/** The place of a cell in the tissue: a wider crop, and the way to its image. */
import { t } from "../locale/locale";
import { outlineElement } from "../render/svg_outline";
import type { Schemas } from "../scene/contract";
import { imagePage } from "../sync/addresses";
import type { Api } from "../sync/api";
import type { Crop } from "./sheets";

const CONTEXT = 16; // diameters of the usual cell
const PIXELS = 480;

export class PlaceDialog {
  private readonly dialog: HTMLDialogElement | null;

  constructor(
    private readonly root: HTMLElement,
    private readonly api: Api,
    private readonly project: number,
    private readonly diameter: number,
    private readonly colourOf: (labelClass: number | null) => string | null,
  ) {
    this.dialog = root.querySelector("[data-place]");
  }

  /** Show it, or put it away when it is shown. null: no cell is meant. */
  async toggle(crop: Crop | null): Promise<void> {
    if (this.dialog?.open) {
      this.dialog.close();
      return;
    }
    if (!crop) return;
    const side = CONTEXT * this.diameter;
    const path = `projects/${this.project}/gallery/sheet/?cell=${crop.cell}&side=${side}&pixels=${PIXELS}`;
    const sheet = await this.api.get<Schemas["SheetAnswer"]>(path);
    const [shown] = sheet.crops;
    if (!shown) return;
    const picture = this.root.querySelector("[data-place-picture]");
    picture?.replaceChildren(this.pictureOf(sheet), outlineElement(shown, this.colourOf(shown.label_class)));
    const [x0, y0, x1, y1] = shown.box;
    const link = this.root.querySelector<HTMLAnchorElement>("[data-place-link]");
    if (link) link.href = `${imagePage(shown.image)}#at=${(x0 + x1) / 2},${(y0 + y1) / 2}`;
    this.dialog?.showModal();
  }

  /** The sheet is as wide as ten crops; its first one is shown. */
  private pictureOf(sheet: Schemas["SheetAnswer"]): HTMLElement {
    const image = document.createElement("div");
    image.setAttribute("role", "img");
    image.setAttribute("aria-label", t("The cell and the tissue around it"));
    image.style.cssText = "position:absolute;inset:0";
    image.style.backgroundImage = `url(data:image/jpeg;base64,${sheet.picture})`;
    image.style.backgroundSize = `${100 * sheet.columns}% auto`;
    return image;
  }
}
