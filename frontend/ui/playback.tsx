/** The work on this image as a film: the cells after each operation of the log, on the tissue, with a time line. */
import { t } from "../locale/locale";
import { useEffect, useRef, useState } from "preact/hooks";
import type { OperationOut, Tail } from "../scene/contract";
import { Playback as Film } from "../scene/playback";
import { summaryOf } from "../scene/operation_summary";
import { outlinePath } from "../render/mask_edges";
import { wordsOf } from "../editor/operation_words";
import { moment } from "../editor/words";
import { keyLabel } from "../commands/keymap";
import type { Ui } from "./parts";
import { colourOf, stroke } from "./state_picture";

/** The whole film takes so long at most, and one operation so long at least; milliseconds. */
const WHOLE = 30_000;
const LEAST_STEP = 40;

export function Playback({ ui }: { ui: Ui }) {
  if (ui.overlays.open !== "playback") return null;
  return <Shown ui={ui} />;
}

function Shown({ ui }: { ui: Ui }) {
  const [film, setFilm] = useState<{ film: Film; log: readonly OperationOut[] } | null>(null);
  const [at, setAt] = useState(0);
  const [isPlaying, setPlaying] = useState(false);
  const [failed, setFailed] = useState(false);
  const slider = useRef<HTMLInputElement>(null);
  useEffect(() => {
    load(ui).then(
      (log) => {
        setFilm({ film: new Film(log), log });
        setAt(log.length);
        slider.current?.focus();
      },
      () => setFailed(true),
    );
  }, [ui]);
  const count = film?.log.length ?? 0;
  useEffect(() => {
    if (!isPlaying || at >= count) {
      setPlaying(false);
      return undefined;
    }
    const timer = setTimeout(() => setAt(at + 1), Math.max(LEAST_STEP, Math.min(500, WHOLE / count)));
    return () => clearTimeout(timer);
  }, [isPlaying, at, count]);
  const play = () => {
    if (!isPlaying && at >= count) setAt(0);
    setPlaying(!isPlaying);
  };
  return (
    <section
      class="bw-playback"
      aria-label={t("Play back the work on this image")}
      onKeyDown={(e) => {
        if (e.key === "Escape") ui.closeOverlay();
        e.stopPropagation();
      }}
    >
      <header class="bw-row">
        <strong class="bw-grow">{t("Play back the work on this image")}</strong>
        <button type="button" class="button is-quiet" onClick={() => ui.closeOverlay()}>
          {t("Close")} <kbd>{keyLabel("Escape")}</kbd>
        </button>
      </header>
      {film && <Picture ui={ui} film={film.film} at={at} />}
      {!film && (
        <p class="bw-muted">
          {failed ? t("The server does not answer. Try again.") : t("Reading the log …")}
        </p>
      )}
      <div class="bw-row">
        <button type="button" class="button is-primary" disabled={!count} onClick={play}>
          {isPlaying ? t("Pause") : t("Play")}
        </button>
        <input
          ref={slider}
          class="bw-grow"
          type="range"
          min={0}
          max={count}
          value={at}
          aria-label={t("Operation")}
          aria-valuetext={t("after {n} of {of} operations", { n: at, of: count })}
          onInput={(e) => {
            setPlaying(false);
            setAt(Number(e.currentTarget.value));
          }}
        />
        <span class="bw-number">{t("{n} of {of}", { n: at, of: count })}</span>
      </div>
      <p role="status" class="bw-muted">
        {film && caption(film.log, at)}
      </p>
    </section>
  );
}

function caption(log: readonly OperationOut[], at: number): string {
  if (!log.length) return t("Nobody has drawn here yet.");
  if (at === 0) return t("before the first operation");
  const { author, committed_at, action, tool, effects, opinions } = log[at - 1];
  const changes = [
    ...effects.map((effect) => ({ ...effect, seen: null })),
    ...(opinions ?? []).map((effect) => ({ ...effect, opinion: true, seen: null })),
  ];
  return `${author.name}, ${moment(committed_at)}: ${wordsOf(summaryOf({ action, tool, changes }))}`;
}

/** The whole log of the layer whose cells are this person's picture. */
async function load(ui: Ui): Promise<OperationOut[]> {
  const { api, opened, cells } = ui.editor.store;
  const layer = opened.layers[cells.base];
  const log: OperationOut[] = [];
  if (!layer) return log;
  for (;;) {
    const after = log.at(-1)?.seq ?? 0;
    const tail = await api.get<Tail>(`layers/${layer.id}/operations/?after=${after}`);
    log.push(...tail.operations);
    if (!tail.more) return log;
  }
}

function Picture({ ui, film, at }: { ui: Ui; film: Film; at: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [tissue, setTissue] = useState<HTMLImageElement | null>(null);
  const { image } = ui.editor.store.opened;
  useEffect(() => {
    const picture = new Image();
    picture.src = image.tiles ? image.thumbnail_url : image.pixels_url;
    picture.decode().then(
      () => setTissue(picture),
      () => undefined, // the cells are shown all the same
    );
  }, [image]);
  useEffect(() => {
    film.go(at);
    if (canvas.current) draw(ui, canvas.current, film, tissue);
  }, [ui, film, at, tissue]);
  return (
    <canvas
      ref={canvas}
      class="bw-playback-picture"
      role="img"
      aria-label={t("{n} cells", { n: film.count })}
    />
  );
}

function draw(ui: Ui, canvas: HTMLCanvasElement, film: Film, tissue: HTMLImageElement | null): void {
  const { image } = ui.editor.store.opened;
  const context = canvas.getContext("2d");
  if (!context) return;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  [canvas.width, canvas.height] = [Math.round(width), Math.round(height)];
  const scale = Math.min(width / image.width, height / image.height);
  const [left, top] = [(width - scale * image.width) / 2, (height - scale * image.height) / 2];
  context.setTransform(scale, 0, 0, scale, left, top);
  if (tissue) context.drawImage(tissue, 0, 0, image.width, image.height);
  for (const [, state] of film.cells) stroke(context, outlinePath(state), colourOf(ui, state), scale / ratio);
}
