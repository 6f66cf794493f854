/** The tissue itself, by OpenSeadragon: a whole image or a tile pyramid. It follows our camera and decides nothing. */
import OpenSeadragon from "openseadragon";
import type { Camera, Size } from "../geometry/frames";
import type { Tiles } from "../scene/contract";

/** Decoded tiles kept, 1 MiB each: a screen of four million pixels and as much around it. */
const MOST_TILES = 64;

/** Code of a slide whose file is being copied from its storage, and how soon it is asked for again. */
const COPYING = "copy_under_way";
const ASK_AGAIN = 2000;

/** What OpenSeadragon does once a frame; its type definitions leave some of it out. */
type Loop = {
  readonly viewport: { update(): boolean };
  readonly world: { update(viewportChanged: boolean): boolean; needsDraw(): boolean; draw(): void };
  readonly imageLoader: { clear(): void };
};

/** Tiles with what stands behind each address: which channels, for example. */
type TilesSource = Tiles & { readonly query?: string };

export class Tissue {
  private readonly viewer: OpenSeadragon.Viewer;
  private camera: Camera | null = null;
  private closed = false;
  /** Some of the tissue stands on the screen. */
  readonly opened: Promise<void>;

  constructor(
    element: HTMLElement,
    source: { readonly pixels_url: string; readonly tiles?: TilesSource | null },
    private readonly image: Size,
  ) {
    keepStylesOut();
    this.viewer = OpenSeadragon({
      element,
      tileSources: (source.tiles
        ? pyramid(source.tiles, image)
        : {
            type: "image",
            url: source.pixels_url,
            buildPyramid: true,
          }) as OpenSeadragon.Options["tileSources"],
      // Its own WebGL drawer took 105 ms a frame in software where this one takes 16 (measured), and ours keeps the
      // only context.
      drawer: ["canvas"],
      showNavigationControl: false,
      mouseNavEnabled: false,
      animationTime: 0,
      blendTime: 0,
      immediateRender: true,
      visibilityRatio: 0,
      minZoomImageRatio: 0.01,
      maxZoomPixelRatio: 1000,
      preserveImageSizeOnResize: true,
      placeholderFillStyle: "transparent",
      imageLoaderLimit: 6,
      maxImageCacheCount: MOST_TILES,
    } as OpenSeadragon.Options);
    this.opened = new Promise((resolve, reject) => {
      this.viewer.addHandler("open", () => this.apply());
      this.viewer.addOnceHandler("tile-drawn", () => resolve());
      this.viewer.addOnceHandler("tile-load-failed", (event) => {
        const url = (event as unknown as { tile: { getUrl(): string } }).tile.getUrl();
        void this.whyNot(url).then((words) => reject(new TissueProblem(words)));
      });
      this.viewer.addHandler("open-failed", () => reject(new Error("the image could not be read")));
    });
    // OpenSeadragon tells of a new size before it moves its own view: ours comes after.
    this.viewer.addHandler("resize", () => requestAnimationFrame(() => this.followAgain()));
  }

  /** Called within a frame: the tissue moves in this one, with the cells, and not in OpenSeadragon's next. */
  follow(camera: Camera): void {
    this.camera = camera;
    this.apply();
    if (!this.viewer.isOpen()) return;
    const { viewport, world, imageLoader } = this.viewer as unknown as Loop;
    const moved = viewport.update();
    world.update(moved);
    if (!moved && !world.needsDraw()) return;
    imageLoader.clear(); // tiles asked for and not begun: what is still wanted is asked for again
    world.draw();
  }

  private followAgain(): void {
    if (this.camera && this.viewer.isOpen()) this.follow(this.camera);
  }

  private apply(): void {
    if (!this.camera || !this.viewer.isOpen()) return;
    const { clientWidth: width, clientHeight: height } = this.viewer.element; // not as it is seen: it may be turned
    if (!width || !height) return;
    // OpenSeadragon's unit of length is the image's width, in both directions.
    const unit = this.image.width;
    const { left, top, scale } = this.camera;
    const bounds = new OpenSeadragon.Rect(
      left / unit,
      top / unit,
      width / scale / unit,
      height / scale / unit,
    );
    this.viewer.viewport.fitBounds(bounds, true);
  }

  /** Other tiles of the same image. Those of before stay until the new ones are there, so that nothing flashes. */
  show(tiles: TilesSource): void {
    const source = pyramid(tiles, this.image) as unknown as OpenSeadragon.TileSourceOptions;
    this.viewer.addTiledImage({
      tileSource: source,
      success: (event) => this.replaceBy((event as unknown as { item: OpenSeadragon.TiledImage }).item),
    });
  }

  private replaceBy(item: OpenSeadragon.TiledImage): void {
    const { world } = this.viewer;
    const older: OpenSeadragon.TiledImage[] = [];
    for (let i = 0; i < world.getItemCount(); i++)
      if (world.getItemAt(i) !== item) older.push(world.getItemAt(i));
    const remove = () => {
      for (const one of older) if (world.getIndexOfItem(one) !== -1) world.removeItem(one);
    };
    item.addHandler("fully-loaded-change", (event) => {
      if ((event as unknown as { fullyLoaded: boolean }).fullyLoaded) remove();
    });
    this.viewer.forceRedraw();
  }

  /** The server's sentence about a tile; "" where it says none. A slide that is being copied is shown afterwards. */
  private async whyNot(url: string): Promise<string> {
    const answer = await fetch(url).catch(() => null);
    const problem = answer && !answer.ok ? await problemOf(answer) : null;
    if (problem?.code === COPYING) void this.showWhenCopied(url);
    return problem?.detail ?? "";
  }

  private async showWhenCopied(url: string): Promise<void> {
    while (!this.closed) {
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
      const answer = await fetch(url).catch(() => null);
      if (!answer) continue;
      const problem = answer.ok ? null : await problemOf(answer);
      if (problem?.code === COPYING) continue;
      if (answer.ok && !this.closed) this.viewer.world.resetItems(); // asks again for the tiles that failed
      return;
    }
  }

  close(): void {
    this.closed = true;
    this.viewer.destroy();
  }
}

/** The tissue cannot be shown; the message is the server's, or "". */
export class TissueProblem extends Error {}

async function problemOf(answer: Response): Promise<{ code?: string; detail?: string } | null> {
  return (await answer.json().catch(() => null)) as { code?: string; detail?: string } | null;
}

/** Our level 0 is the image itself, OpenSeadragon's the smallest picture of it. */
const pyramid = ({ url, size, levels, query = "" }: TilesSource, { width, height }: Size) => ({
  width,
  height,
  tileSize: size,
  tileOverlap: 0,
  minLevel: 0,
  maxLevel: levels - 1,
  getTileUrl: (level: number, column: number, row: number) =>
    `${url}${levels - 1 - level}/${column}/${row}/${query}`,
});

/** OpenSeadragon adds a style element about an outline unless it finds its own; a strict style-src would report it. */
function keepStylesOut(): void {
  if (document.querySelector("style[data-openseadragon-mobile-css]")) return;
  const stand = document.createElementNS("urn:boxwise", "style"); // found by its name, but no style sheet
  stand.setAttribute("data-openseadragon-mobile-css", "true");
  document.head.append(stand);
}
