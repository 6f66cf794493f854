/** Which projection the map of cells shows: the principal components at once, or UMAP once a job has made it. */
import { spoken, t, tn } from "../locale/locale";
import type { Schemas } from "../scene/contract";
import { ApiError, type Api } from "../sync/api";
import { followJob } from "./follow";

type MapState = Schemas["MapAnswer"];
export type ProjectionName = "pca" | "umap";

export class Projection {
  private readonly choice: HTMLSelectElement | null;
  private readonly make: HTMLButtonElement | null;
  private readonly stop: HTMLButtonElement | null;
  private state: MapState | null = null;
  private followed: number | null = null;

  /** changed: another projection was chosen, or has just been made. */
  constructor(
    private readonly root: HTMLElement,
    private readonly api: Api,
    private readonly project: number,
    private readonly changed: () => void,
  ) {
    this.choice = root.querySelector("[data-projection]");
    this.make = root.querySelector("[data-make-umap]");
    this.stop = root.querySelector("[data-cancel-umap]");
    this.choice?.addEventListener("change", () => this.changed());
    this.make?.addEventListener("click", () => void this.start());
    this.stop?.addEventListener("click", () => void this.cancel());
  }

  get chosen(): ProjectionName {
    return this.choice?.value === "umap" ? "umap" : "pca";
  }

  /** Ask what is kept and what is at work. Throws what fetching throws. */
  async refresh(): Promise<void> {
    this.state = await this.api.get<MapState>(this.address);
    const option = this.choice?.querySelector<HTMLOptionElement>("option[value=umap]");
    if (option) option.disabled = !this.state.cells;
    if (this.choice && !this.state.cells) this.choice.value = "pca";
    if (this.state.job !== null) void this.follow(this.state.job);
    else this.say(this.state.error || this.words());
  }

  /** What is shown, and of which cells. */
  private words(): string {
    if (this.chosen === "pca" || !this.state)
      return t("Shown: principal components, the two directions in which cells differ most.");
    const { cells, of, made_at } = this.state;
    const date = new Date(made_at ?? 0).toLocaleDateString(spoken());
    const shown = tn(
      cells,
      "Shown: UMAP of {n} cell, made on {date}.",
      "Shown: UMAP of {n} cells, made on {date}.",
      {
        date,
      },
    );
    const others = t("Other cells lie among those that they are most like.");
    return cells < of ? `${shown} ${others}` : shown;
  }

  /** After the picture of the chosen one is there. */
  isShown(): void {
    if (this.followed === null) this.say(this.words());
  }

  private get address(): string {
    return `projects/${this.project}/gallery/map/`;
  }

  private async start(): Promise<void> {
    try {
      const job = await this.api.post<Schemas["JobAnswer"]>(this.address, {});
      await this.follow(job.id);
    } catch (error) {
      this.say(error instanceof ApiError ? error.detail : t("The server does not answer. Try again."));
    }
  }

  private async cancel(): Promise<void> {
    if (this.followed === null) return;
    try {
      await this.api.post(`jobs/${this.followed}/cancel/`, {});
    } catch (error) {
      this.say(error instanceof ApiError ? error.detail : t("The server does not answer. Try again."));
    }
  }

  private async follow(job: number): Promise<void> {
    if (this.followed !== null) return;
    this.followed = job;
    this.showWork(true);
    try {
      const { state, error } = await followJob(this.api, job, ({ done, total }) =>
        this.say(progress(done, total)),
      );
      this.followed = null;
      if (state === "done") return await this.arrived();
      this.say(error || t("UMAP was cancelled. What is shown stays."));
    } catch (error) {
      this.say(error instanceof ApiError ? error.detail : t("The server does not answer. Try again."));
    } finally {
      this.followed = null;
      this.showWork(false);
    }
  }

  private async arrived(): Promise<void> {
    await this.refresh();
    if (this.choice) this.choice.value = "umap";
    this.changed();
  }

  private showWork(isAtWork: boolean): void {
    this.make?.toggleAttribute("hidden", isAtWork);
    this.stop?.toggleAttribute("hidden", !isAtWork);
  }

  private say(text: string): void {
    const words = this.root.querySelector("[data-projection-words]");
    if (words) words.textContent = text;
  }
}

/** UMAP tells how far it is once its neighbours are found. */
const progress = (done: number, total: number): string =>
  done
    ? t("UMAP is being made: {percent} %", { percent: Math.round((100 * done) / total) })
    : t("UMAP is being made. It takes about a minute.");
