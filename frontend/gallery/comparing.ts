/** Cells that were not compared yet: what the gallery says of them, and the job that compares them. */
import { t, tn } from "../locale/locale";
import type { Schemas } from "../scene/contract";
import { ApiError, type Api } from "../sync/api";
import { followJob } from "./follow";

export class Comparing {
  private readonly part: HTMLElement | null;
  private readonly button: HTMLButtonElement | null;

  constructor(
    root: HTMLElement,
    private readonly api: Api,
    private readonly project: number,
    private readonly ended: () => void,
  ) {
    this.part = root.querySelector("[data-comparing]");
    this.button = root.querySelector("[data-compare]");
    this.button?.addEventListener("click", () => void this.start());
  }

  /** What an answer says of the cells that were not compared, or not since people drew more of them. */
  show({ missing, outdated, job, error }: Schemas["LikenessAnswer"]): void {
    this.part?.toggleAttribute("hidden", !missing.length && !outdated.length && job === null);
    if (job !== null) {
      void this.follow(job);
      return;
    }
    const words = missing.length ? wordsOfMissing(missing.length) : wordsOfOutdated(outdated.length);
    this.say(error ? `${words} ${error}` : words);
  }

  private async start(): Promise<void> {
    try {
      const job = await this.api.post<Schemas["JobAnswer"]>(`projects/${this.project}/gallery/likeness/`, {});
      void this.follow(job.id);
    } catch (error) {
      this.say(error instanceof ApiError ? error.detail : t("The server does not answer. Try again."));
    }
  }

  private async follow(job: number): Promise<void> {
    if (this.button) this.button.disabled = true;
    try {
      const { state, error } = await followJob(this.api, job, ({ done, total }) =>
        this.say(t("Cells are being compared: {done} of {total} images", { done, total })),
      );
      if (state === "done") return this.ended();
      if (this.button) this.button.disabled = false;
      this.say(error || t("Comparing has stopped. Start it again."));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.say(whyNot(error));
    }
  }

  private say(text: string): void {
    const words = this.part?.querySelector("[data-comparing-words]");
    if (words) words.textContent = text;
  }
}

const wordsOfMissing = (images: number): string =>
  tn(
    images,
    "The cells of {n} image have not been compared yet: they come last and have no suggestion.",
    "The cells of {n} images have not been compared yet: they come last and have no suggestion.",
  );

const wordsOfOutdated = (images: number): string =>
  tn(
    images,
    "People have drawn cells on {n} image since it was compared: suggestions do not follow from these cells yet.",
    "People have drawn cells on {n} images since they were compared: suggestions do not follow from these cells yet.",
  );

/** Viewers do not see the job. */
const whyNot = ({ status, detail }: ApiError): string =>
  status === 403 || status === 404 ? t("Somebody else compares the cells. Reload the page later.") : detail;
