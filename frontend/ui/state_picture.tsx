/** A small picture of an annotation as it was: the tissue around it, and its outline. */
import { t } from "../locale/locale";
import { useEffect, useRef } from "preact/hooks";
import { POINT_RADIUS } from "../render/boxes";
import { rgb } from "../render/palette";
import { outlinePath } from "../render/mask_edges";
import { css, outlineOf } from "../render/outline_colour";
import type { AnnotationState } from "../scene/contract";
import { STATUS_WORDS } from "../editor/words";
import type { Ui } from "./parts";

/** CSS pixels. */
const SIDE = 72;
/** Tissue around the cell, as a share of its size, and at least so many image pixels. */
const MARGIN = 0.35;
const LEAST_REACH = 12;

type Boxed = Pick<AnnotationState, "box">;

/** Middle and half the side of the square that shows all of these states, image pixels. */
export function squareOver(states: readonly (Boxed | null)[]): { x: number; y: number; reach: number } {
  const boxes = states.filter((state) => state !== null).map(({ box }) => box);
  const x0 = Math.min(...boxes.map((box) => box[0]));
  const y0 = Math.min(...boxes.map((box) => box[1]));
  const x1 = Math.max(...boxes.map((box) => box[2]));
  const y1 = Math.max(...boxes.map((box) => box[3]));
  const half = Math.max(x1 - x0, y1 - y0) / 2;
  const reach = Math.ceil(Math.max(half * (1 + 2 * MARGIN), LEAST_REACH));
  return { x: (x0 + x1) / 2, y: (y0 + y1) / 2, reach };
}

/** What a state is, in words: for who cannot see the picture, and below it. */
export function stateWords(ui: Ui, state: AnnotationState | null): string {
  if (!state) return t("not there");
  const { label_class, status } = state;
  const name = label_class === null ? undefined : ui.editor.store.classOf(label_class)?.name;
  const words = status === "confirmed" ? (name ?? t("without class")) : t(STATUS_WORDS[status]);
  return isPoint(state) ? t("{words}, a point", { words }) : words;
}

const isPoint = ({ kind, box, mask }: AnnotationState): boolean =>
  kind === "cell" && !mask && box[0] === box[2] && box[1] === box[3];

type Props = {
  ui: Ui;
  state: AnnotationState | null;
  /** The square in which it is shown: that of the states before and after together. */
  square: { x: number; y: number; reach: number };
};

export function StatePicture({ ui, state, square }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => void draw(ui, canvas.current, state, square), [ui, state, square]);
  return (
    <canvas
      ref={canvas}
      class="bw-state-picture"
      role="img"
      aria-label={stateWords(ui, state)}
      width={SIDE}
      height={SIDE}
    />
  );
}

async function draw(
  ui: Ui,
  canvas: HTMLCanvasElement | null,
  state: AnnotationState | null,
  square: Props["square"],
): Promise<void> {
  const { pixels } = ui.editor.store;
  const isThere = await pixels.readyAround(square, square.reach);
  const context = canvas?.getContext("2d");
  if (!canvas?.isConnected || !context) return;
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  canvas.width = canvas.height = Math.round(SIDE * ratio);
  const scale = canvas.width / (2 * square.reach);
  context.setTransform(
    scale,
    0,
    0,
    scale,
    -scale * (square.x - square.reach),
    -scale * (square.y - square.reach),
  );
  const tissue = isThere ? pixels.around(square, square.reach) : null;
  if (tissue) {
    const data = new ImageData(Uint8ClampedArray.from(tissue.rgba), tissue.width, tissue.height);
    context.drawImage(await createImageBitmap(data), tissue.x, tissue.y);
  }
  if (!state) return;
  const path = isPoint(state) ? dotPath(state, scale / ratio) : outlinePath(state);
  stroke(context, path, colourOf(ui, state), scale / ratio);
}

/** A dot of one size on the screen. `scale`: CSS pixels an image pixel. */
function dotPath({ box }: AnnotationState, scale: number): Path2D {
  const path = new Path2D();
  path.arc(box[0], box[1], POINT_RADIUS / scale, 0, 2 * Math.PI);
  return path;
}

/** Of its class; a cell without one has the colour that such cells have everywhere. */
export function colourOf(ui: Ui, { label_class }: AnnotationState): string {
  const found = label_class === null ? undefined : ui.editor.store.classOf(label_class);
  return found?.color ?? getComputedStyle(document.body).getPropertyValue("--outline").trim();
}

/** As outlines are everywhere: a core, and a casing that is seen on any tissue. `scale`: CSS pixels an image pixel. */
export function stroke(context: CanvasRenderingContext2D, path: Path2D, colour: string, scale: number): void {
  const { core, casing } = outlineOf(rgb(colour));
  context.lineJoin = "round";
  context.lineCap = "round";
  context.lineWidth = 3.4 / scale;
  context.strokeStyle = css(casing);
  context.stroke(path);
  context.lineWidth = 1.8 / scale;
  context.strokeStyle = css(core);
  context.stroke(path);
}
