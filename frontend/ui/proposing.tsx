/** Proposing without a round: where to ask for it, and how far it is. */
import { useEffect, useState } from "preact/hooks";
import { t, tn } from "../locale/locale";
import type { JobInFull } from "../scene/contract";
import type { Box } from "../geometry/box";
import type { Ui } from "./parts";

const ASK_MS = 2000;
const LEAST_SIDE = 32; // px of a region, as the server takes it
const AT_WORK: readonly string[] = ["waiting", "running"];

/** What a job says of itself (labeling/rounds/proposing/description.py). */
type Proposals = {
  readonly headline: string;
  readonly tiles: number;
  readonly all_tiles: number;
  readonly cells: number;
  readonly seconds_left: number | null;
  readonly waits_for: string;
  readonly remedy: string;
};

/** Links to the page that asks for models: of the whole image, of what is in view, of the selected region. */
export function ProposeLinks({ ui }: { ui: Ui }) {
  const { store, view } = ui.editor;
  const { proposing, image } = store.opened;
  if (!proposing) return null;
  const { cells, selected } = store;
  const hasRegion = selected >= 0 && cells.kindOf(selected) === "region";
  const part = (box: Box) => regionOf(box, image.width, image.height);
  return (
    <div class="bw-row" data-testid="propose">
      <a class="button" href={proposing.url}>
        {t("Propose now")}
      </a>
      <a
        class="button"
        href={proposing.url}
        onClick={(event) => {
          event.currentTarget.href = withRegion(proposing.url, part(view.visible()));
        }}
      >
        {t("Propose in view")}
      </a>
      {hasRegion && (
        <a class="button" href={withRegion(proposing.url, part(cells.extent(selected)))}>
          {t("Propose in this region")}
        </a>
      )}
    </div>
  );
}

/** The part of a box inside the image as "x,y,width,height", whole pixels; empty where that is too small, or all. */
export function regionOf(box: Box, width: number, height: number): string {
  const [x0, y0] = [Math.max(0, Math.floor(box.x0)), Math.max(0, Math.floor(box.y0))];
  const [x1, y1] = [Math.min(width, Math.ceil(box.x1)), Math.min(height, Math.ceil(box.y1))];
  const isAll = x0 === 0 && y0 === 0 && x1 === width && y1 === height;
  if (isAll || x1 - x0 < LEAST_SIDE || y1 - y0 < LEAST_SIDE) return "";
  return [x0, y0, x1 - x0, y1 - y0].join(",");
}

const withRegion = (url: string, region: string): string => (region ? `${url}&region=${region}` : url);

/** How far the job is that proposes on this image, and what it has proposed. */
export function ProposingCard({ ui }: { ui: Ui }) {
  const { opened, api } = ui.editor.store;
  const wanted = opened.proposing?.job ?? null;
  const [job, setJob] = useState<JobInFull | null>(null);
  useEffect(() => {
    if (wanted === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isGone = false;
    const ask = async () => {
      const found = await api.get<JobInFull>(`jobs/${wanted}/`).catch(() => null); // asked again in a moment
      if (isGone) return;
      if (found) setJob(found);
      if (!found || AT_WORK.includes(found.state)) timer = setTimeout(() => void ask(), ASK_MS);
    };
    void ask();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [wanted]);
  if (!job) return null;
  const about = job.proposals as unknown as Proposals;
  return (
    <section class="panel-card is-stacked is-info" aria-label={t("Propose now")} data-testid="proposing">
      {AT_WORK.includes(job.state) ? <AtWork about={about} /> : <Ended job={job} about={about} />}
    </section>
  );
}

function AtWork({ about }: { about: Proposals }) {
  const minutes = about.seconds_left === null ? null : Math.max(1, Math.round(about.seconds_left / 60));
  return (
    <>
      <p role="status">
        {t("Cells are being proposed.")}{" "}
        {about.all_tiles > 0 && t("Tile {n} of {all}.", { n: about.tiles, all: about.all_tiles })}{" "}
        {minutes !== null && tn(minutes, "About {n} minute left.", "About {n} minutes left.")}
      </p>
      <progress
        value={about.tiles}
        max={Math.max(1, about.all_tiles)}
        aria-label={t("Cells are being proposed.")}
      />
      {about.waits_for && (
        <p class="bw-note">
          {t("It waits: {reason}.", { reason: about.waits_for })} {about.remedy}
        </p>
      )}
    </>
  );
}

function Ended({ job, about }: { job: JobInFull; about: Proposals }) {
  const declined = job.items.find((item) => item.state === "declined");
  return (
    <>
      <p role="status">{job.error || declined?.detail || about.headline}</p>
      {about.cells > 0 && (
        <button type="button" class="button is-primary" onClick={() => location.reload()}>
          {t("Show the proposals")}
        </button>
      )}
    </>
  );
}
