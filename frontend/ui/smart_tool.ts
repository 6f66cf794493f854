/** The smart tool in hand: what is pointed at, what the prompter answers, what is kept.
 *
 *  An answer belongs to the prompt that asked for it. Enter before the answer takes the prompt out of the hand: it
 *  becomes a cell as soon as the mask is there, whatever is drawn meanwhile. A box is worth keeping without a mask
 *  too. */
import { t } from "../locale/locale";
import { answer as askPrompter } from "../editor/smart";
import { imagePoint, type Point } from "../geometry/frames";
import { pack, unpack, type Patch } from "../geometry/mask";
import type { Sketch } from "../render/overlay";
import { uuid7 } from "../scene/uuid";
import type { Answered } from "../sync/api";
import type { Input } from "../tools/input";
import * as smart from "../tools/smart";
import type { LabelClass } from "../scene/contract";
import type { Editor } from "../editor/editor";
import { colourOf, type Sizes, type ToolController } from "./tool_controller";

type Promised = { readonly prompt: smart.Prompt; readonly labelClass: LabelClass | null };

export class SmartTool implements ToolController {
  private state = smart.IDLE;
  private mask: Patch | null = null;
  /** The answer that the prompt in hand waits for. */
  private pending: Promise<Answered | null> | null = null;
  /** Kept by Enter before their answer. */
  private promised: readonly Promised[] = [];

  constructor(private readonly editor: Editor) {}

  busy(): boolean {
    return this.state.prompt !== null || this.state.press !== null;
  }
  feed(input: Input, sizes: Sizes): void {
    if (input.kind === "down" && !this.state.prompt) this.editor.begin();
    const before = this.state.prompt;
    const step = smart.step(this.state, input, this.editor.opened.image, sizes.slip);
    const isAnother =
      step.ask !== undefined && before !== null && step.ask.clicks.length <= before.clicks.length;
    if (isAnother) this.editor.toast(t("The cell before was left without Enter, so it was not kept."));
    this.take(step);
  }
  back(): void {
    this.take(smart.back(this.state));
  }
  keep(): void {
    const { prompt } = this.state;
    if (!prompt) return;
    if (this.pending) this.keepWhenAnswered(prompt, this.pending);
    else if (this.mask) this.commit(this.mask, prompt);
    else if (prompt.box) this.commitBox(prompt.box);
    else this.editor.toast(t("There is no mask to keep. Click in the cell, or drag a box around it."));
  }

  private take(step: smart.Step): void {
    this.state = step.state;
    if (!step.state.prompt) this.drop();
    if (step.ask) void this.ask(step.ask);
    this.editor.notify("view");
  }
  private drop(): void {
    this.state = { ...smart.IDLE, press: this.state.press };
    this.mask = this.pending = null;
    if (!this.promised.length) this.editor.smartAsker.drop();
  }

  private commit(patch: Patch, prompt: smart.Prompt): void {
    const mask = pack(patch);
    this.drop();
    if (mask) this.editor.drawnMask(mask, "smart", prompt.box ?? undefined);
  }
  private commitBox(box: NonNullable<smart.Prompt["box"]>): void {
    this.drop();
    this.editor.drawn(box, null, "smart");
    this.editor.toast(t("The box is kept without a mask."));
  }

  private async ask(prompt: smart.Prompt): Promise<void> {
    this.mask = null;
    const asked = this.editor.askSmart(prompt);
    this.pending = asked;
    const isCurrent = () => this.state.prompt === prompt && this.pending === asked;
    try {
      const found = await asked;
      if (!isCurrent()) return; // overtaken, dropped, or kept already
      this.pending = null;
      if (!found || found.superseded) {
        void this.ask(prompt); // something else was asked meanwhile, and this is still in the hand
        return;
      }
      this.mask = found.mask && unpack(found.mask);
      if (!found.mask) this.sayNothingFound(prompt);
    } catch (error) {
      if (!isCurrent()) return;
      this.pending = null;
      this.editor.toast(this.editor.sentence(error));
      if (!prompt.box) this.drop();
    } finally {
      this.editor.notify("view");
    }
  }
  private sayNothingFound(prompt: smart.Prompt): void {
    this.editor.toast(
      prompt.box
        ? t("No cell is found in this box. Enter keeps the box without a mask, Esc drops it.")
        : t("No cell is found there. Drag a box around it, or draw it by hand."),
    );
  }

  /** The prompt leaves the hand, and the next one can be drawn. */
  private keepWhenAnswered(prompt: smart.Prompt, pending: Promise<Answered | null>): void {
    const promised: Promised = { prompt, labelClass: this.editor.labelClass };
    this.promised = [...this.promised, promised];
    this.editor.promised = this.promised.length;
    this.state = smart.IDLE;
    this.mask = this.pending = null;
    this.editor.notify("view");
    void this.fulfil(promised, pending);
  }

  private async fulfil(promised: Promised, pending: Promise<Answered | null>): Promise<void> {
    const { prompt, labelClass } = promised;
    let mask: Answered["mask"] = null;
    let trouble = "";
    try {
      const first = await pending.catch(() => null);
      // Something newer was asked by the same hand: this one is asked again, under a name of its own.
      const isAnswered = first !== null && !first.superseded;
      const found = isAnswered
        ? first
        : await this.editor.waited(askPrompter(this.editor, prompt, 1, uuid7()));
      mask = found.mask;
    } catch (error) {
      trouble = this.editor.sentence(error);
    }
    this.promised = this.promised.filter((other) => other !== promised);
    this.editor.promised = this.promised.length;
    this.settle(prompt, labelClass, mask, trouble);
    this.editor.notify();
  }

  private settle(
    prompt: smart.Prompt,
    labelClass: LabelClass | null,
    mask: Answered["mask"],
    trouble: string,
  ): void {
    const { editor } = this;
    if (mask) editor.drawnLate({ mask, box: prompt.box, labelClass });
    else if (prompt.box) {
      editor.drawnLate({ mask: null, box: prompt.box, labelClass });
      const kept = t("The box is kept without a mask.");
      editor.toast([trouble, kept].filter((sentence) => sentence !== "").join(" "));
    } else editor.toast(trouble || t("No cell is found there. Drag a box around it, or draw it by hand."));
  }

  sketch(): Partial<Sketch> {
    const { prompt } = this.state;
    const box = smart.preview(this.state, this.editor.opened.image, 1) ?? prompt?.box ?? null;
    const colour = colourOf(this.editor);
    const waiting = [...this.promised.map((p) => p.prompt), ...(prompt && this.pending ? [prompt] : [])];
    const clicks = [...this.promised.map((p) => p.prompt), ...(prompt ? [prompt] : [])].flatMap(
      (p) => p.clicks,
    );
    const last = waiting.at(-1);
    return {
      ...(box ? { box: { box, colour, region: false } } : {}),
      ...(this.mask ? { patch: { patch: this.mask, colour } } : {}),
      promised: this.promised.flatMap((p) => (p.prompt.box ? [p.prompt.box] : [])),
      marks: clicks.map(({ at, inside }) => ({ at, inside })),
      ...(last ? { note: { at: placeOf(last), text: "…" } } : {}),
    };
  }
}

const placeOf = (prompt: smart.Prompt): Point<"image"> =>
  prompt.clicks.at(-1)?.at ?? imagePoint(prompt.box?.x1 ?? 0, prompt.box?.y0 ?? 0);
