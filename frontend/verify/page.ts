/** Judging the sample of a lot: one cell at a time, by keys or buttons (labeling/site/templates/site/certificate.html).
 *
 *  Nothing tells where a cell comes from: planted errors and proposals look alike. */
import { isTyping } from "../commands/typing";
import { t } from "../locale/locale";
import type { Schemas } from "../scene/contract";
import { ApiError, isTemporary, type Api } from "../sync/api";
import { KEYS, Sample, type Judgement, type SampleCell, type Verdict } from "./sample";

const AGAIN_MS = 2000;
type LabelClass = { readonly id: number; readonly name: string };

export class Verification {
  private readonly sample = new Sample();
  private readonly unsent: Judgement[] = [];
  private shownAt = 0;
  private isFetching = false;
  private isSending = false;
  private isAtEnd = false;
  private progress: Schemas["Progress"] = { judged: 0, total: 0 };

  constructor(
    private readonly root: HTMLElement,
    private readonly api: Api,
    private readonly lot: number,
    private readonly classes: readonly LabelClass[],
  ) {
    for (const button of root.querySelectorAll<HTMLElement>("[data-verdict]"))
      button.addEventListener("click", () => this.judge(button.dataset.verdict as Verdict));
    root.querySelector("[data-back]")?.addEventListener("click", () => this.back());
    window.addEventListener("keydown", (e) => this.key(e));
  }

  /** Read-only, for tests. */
  probes() {
    return {
      state: () => ({
        position: this.sample.current?.position ?? null,
        unsent: this.unsent.length,
        isAtEnd: this.isAtEnd,
        ...this.progress,
      }),
    };
  }

  async fetch(): Promise<void> {
    if (this.isFetching || this.isAtEnd) return;
    this.isFetching = true;
    const wasEmpty = !this.sample.current;
    try {
      const path = `certificates/${this.lot}/cells/?after=${this.sample.after}`;
      const answer = await this.api.get<Schemas["CellsAnswer"]>(path);
      this.sample.add(answer.cells);
      this.isAtEnd = answer.cells.length === 0;
      this.progress = { judged: answer.judged, total: answer.total };
    } finally {
      this.isFetching = false;
    }
    if (wasEmpty) this.show();
  }

  /** Cells that do not arrive are fetched again: without them nobody could go on. */
  private async fetchMore(): Promise<void> {
    try {
      await this.fetch();
    } catch (error) {
      if (!isTemporary(error)) return this.say(error instanceof ApiError ? error.detail : String(error));
      this.say(t("The server does not answer. The next cells are fetched again."));
      setTimeout(() => void this.fetchMore(), AGAIN_MS);
    }
  }

  private show(): void {
    const { root, sample } = this;
    const cell = sample.current;
    for (const button of root.querySelectorAll<HTMLButtonElement>("[data-verdict]")) button.disabled = !cell;
    this.say();
    const picture = root.querySelector("[data-picture]");
    if (!picture) return;
    picture.replaceChildren();
    if (!cell) return;
    picture.append(pictureOf(cell));
    const name = this.classes.find(({ id }) => id === cell.label_class)?.name;
    const label = root.querySelector("[data-class]");
    if (label) label.textContent = name ?? t("cell without class");
    this.shownAt = performance.now();
  }

  private say(text?: string): void {
    const { judged, total } = this.progress;
    const done = this.isAtEnd && !this.sample.current;
    const usual = done
      ? t("Nothing is left to judge. Reload the page to see the result.")
      : t("{judged} of {total} judged", { judged, total });
    const status = this.root.querySelector("[data-status]");
    if (status) status.textContent = text ?? usual;
  }

  private judge(verdict: Verdict): void {
    const judged = this.sample.judge(verdict, performance.now() - this.shownAt);
    if (!judged) return;
    this.unsent.push(judged);
    this.show();
    void this.send();
    // Until a verdict has arrived the server hands out one cell.
    if (this.sample.isShort && this.progress.judged > 0) void this.fetchMore();
  }

  private back(): void {
    if (this.sample.back()) this.show();
  }

  /** One after the other, in the order of judging: only the last verdict may be changed. */
  private async send(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    try {
      while (this.unsent.length) {
        const verdicts = this.unsent.slice(0, 1);
        try {
          this.progress = await this.api.post(`certificates/${this.lot}/cells/`, { verdicts });
          this.unsent.splice(0, 1);
          this.say();
          if (this.sample.isShort) void this.fetchMore();
        } catch (error) {
          if (!isTemporary(error)) {
            this.unsent.splice(0, 1);
            this.say(error instanceof ApiError ? error.detail : undefined);
            continue;
          }
          this.say(t("The server does not answer. Your verdicts are kept on this page and sent again."));
          await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        }
      }
    } finally {
      this.isSending = false;
    }
  }

  private key(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.repeat || isTyping(e.target)) return;
    const verdict = KEYS[e.code];
    if (verdict) this.judge(verdict);
    else if (e.code === "KeyZ") this.back();
    else return;
    e.preventDefault();
  }
}

/** The tissue with the outline of the cell: it comes in the picture, and nothing says where the cell lies. */
function pictureOf(cell: SampleCell): HTMLImageElement {
  const image = document.createElement("img");
  image.src = `data:image/jpeg;base64,${cell.picture}`;
  image.alt = t("The cell and the tissue around it");
  return image;
}

/** Show the first cell. Throws what fetching throws. */
export async function verify(root: HTMLElement, api: Api): Promise<Verification> {
  const project = await api.get<Schemas["ProjectInFull"]>(`projects/${root.dataset.project}/`);
  const made = new Verification(root, api, Number(root.dataset.lot), project.classes);
  await made.fetch();
  return made;
}
