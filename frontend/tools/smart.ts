/** Clicks and a box that ask the prompter for one cell's mask. Pure; the step returns what to ask. */
import { boxBetween, insideImage, type Box } from "../geometry/box";
import type { Point, Size } from "../geometry/frames";
import type { Input } from "../editor/input";
import { answer as askPrompter } from "../editor/smart";
import { workerTrouble } from "../editor/store";
import type { Features } from "../editor/interfaces";
import { imagePoint } from "../geometry/frames";
import { pack, unpack, type Patch } from "../geometry/mask";
import { mark, t } from "../locale/locale";
import type { Sketch } from "../render/overlay";
import type { LabelClass } from "../scene/contract";
import type { Click, Prompt } from "../scene/prompt";
import { uuid7 } from "../scene/uuid";
import type { Answered } from "../sync/api";
import type { Press, Sizes, Tool, ToolDefinition } from "../editor/tool";
import { colourOf } from "./picking";

export const MOST_CLICKS = 32;

export type SmartState = {
  /** What has been pointed at; null before the first click. */
  readonly prompt: Prompt | null;
  readonly press: Pressed | null;
};
type Pressed = { readonly from: Point<"image">; readonly to: Point<"image">; readonly inside: boolean };
export type Step = { readonly state: SmartState; readonly ask?: Prompt };
export const IDLE: SmartState = { prompt: null, press: null };

/** Left is inside; right or Alt is outside. A drag is a box, and begins anew. */
export function step(state: SmartState, input: Input, image: Size, slip: number): Step {
  switch (input.kind) {
    case "cancel":
      return { state: state.press ? { ...state, press: null } : IDLE };
    case "down":
      if (state.press) return { state };
      return { state: { ...state, press: { from: input.at, to: input.at, inside: !input.alt } } };
    case "move":
      return { state: state.press ? { ...state, press: { ...state.press, to: input.at } } : state };
    case "up":
      return state.press ? release(state.prompt, state.press, input.at, image, slip) : { state };
  }
}

/** The button is let go: a drag from inside is a box, anything else a click. */
function release(
  prompt: Prompt | null,
  { from, inside }: Pressed,
  to: Point<"image">,
  image: Size,
  slip: number,
): Step {
  const dragged = boxBetween(from, to);
  const isDrag = dragged.x1 - dragged.x0 >= slip || dragged.y1 - dragged.y0 >= slip;
  if (!inside || !isDrag) return click(prompt, { at: from, inside }, image);
  const box = insideImage(dragged, image);
  return box ? asked({ box, clicks: [] }) : { state: { prompt, press: null } };
}

function click(prompt: Prompt | null, added: Click, image: Size): Step {
  const before = prompt ?? { box: null, clicks: [] };
  // The first click says which cell; what is outside of no cell says nothing.
  const isMeant = isIn(image, added.at) && (prompt !== null || added.inside);
  if (!isMeant || before.clicks.length >= MOST_CLICKS) return { state: { prompt, press: null } };
  return asked({ ...before, clicks: [...before.clicks, added] });
}

const isIn = ({ width, height }: Size, { x, y }: Point<"image">): boolean =>
  x >= 0 && y >= 0 && x < width && y < height;

const asked = (prompt: Prompt): Step => ({ state: { prompt, press: null }, ask: prompt });

/** Backspace: without the last click; null when nothing is left to ask. */
export function back(state: SmartState): Step {
  const { prompt } = state;
  if (!prompt) return { state };
  const clicks = prompt.clicks.slice(0, -1);
  if (!prompt.clicks.length || (!prompt.box && !clicks.some((c) => c.inside))) return { state: IDLE };
  return asked({ ...prompt, clicks });
}

/** The box being dragged. */
export function preview(state: SmartState, image: Size, slip: number): Box | null {
  if (!state.press || !state.press.inside) return null;
  const box = boxBetween(state.press.from, state.press.to);
  return box.x1 - box.x0 < slip && box.y1 - box.y0 < slip ? null : insideImage(box, image, 0);
}

type Promised = { readonly prompt: Prompt; readonly labelClass: LabelClass | null };

/** What is pointed at, what the prompter answers, what is kept.
 *
 *  An answer belongs to the prompt that asked for it. Enter before the answer takes the prompt out of the hand: it
 *  becomes a cell as soon as the mask is there, whatever is drawn meanwhile. A box is worth keeping without a mask
 *  too. */
export class SmartTool implements Tool {
  private state = IDLE;
  private mask: Patch | null = null;
  /** The answer that the prompt in hand waits for. */
  private pending: Promise<Answered | null> | null = null;
  /** Kept by Enter before their answer. */
  private promised: readonly Promised[] = [];

  constructor(private readonly editor: Features) {}

  busy(): boolean {
    return this.state.prompt !== null || this.state.press !== null;
  }
  enter(): void {
    void this.editor.smart.getReady();
  }
  cancel(): void {
    this.apply(step(this.state, { kind: "cancel" }, this.editor.store.opened.image, 0));
  }
  input(input: Press, sizes: Sizes): void {
    if (input.kind === "down" && !this.state.prompt) this.editor.store.begin();
    const before = this.state.prompt;
    const result = step(this.state, input, this.editor.store.opened.image, sizes.slip);
    const isAnother =
      result.ask !== undefined && before !== null && result.ask.clicks.length <= before.clicks.length;
    if (isAnother)
      this.editor.store.toasts.show(t("The cell before was left without Enter, so it was not kept."));
    this.apply(result);
  }
  back(): void {
    this.apply(back(this.state));
  }
  complete(): void {
    const { prompt } = this.state;
    if (!prompt) return;
    if (this.pending) this.keepWhenAnswered(prompt, this.pending);
    else if (this.mask) this.commit(this.mask, prompt);
    else if (prompt.box) this.commitBox(prompt.box);
    else
      this.editor.store.toasts.show(
        t("There is no mask to keep. Click in the cell, or drag a box around it."),
      );
  }

  private apply(result: Step): void {
    this.state = result.state;
    if (!result.state.prompt) this.drop();
    if (result.ask) void this.ask(result.ask);
    this.editor.view.redraw();
  }
  private drop(): void {
    this.state = { ...IDLE, press: this.state.press };
    this.mask = this.pending = null;
    if (!this.promised.length) this.editor.smart.asker.drop();
  }

  private commit(patch: Patch, prompt: Prompt): void {
    const mask = pack(patch);
    this.drop();
    if (mask) this.editor.drawing.drawMask(mask, "smart", prompt.box ?? undefined);
  }
  private commitBox(box: NonNullable<Prompt["box"]>): void {
    this.drop();
    this.editor.drawing.draw(box, null, "smart");
    this.editor.store.toasts.show(t("The box is kept without a mask."));
  }

  private async ask(prompt: Prompt): Promise<void> {
    this.mask = null;
    const asked = this.editor.smart.ask(prompt);
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
      this.editor.store.toasts.show(workerTrouble(error));
      if (!prompt.box) this.drop();
    } finally {
      this.editor.view.redraw();
    }
  }
  private sayNothingFound(prompt: Prompt): void {
    this.editor.store.toasts.show(
      prompt.box
        ? t("No cell is found in this box. Enter keeps the box without a mask, Esc drops it.")
        : t("No cell is found there. Drag a box around it, or draw it by hand."),
    );
  }

  /** The prompt leaves the hand, and the next one can be drawn. */
  private keepWhenAnswered(prompt: Prompt, pending: Promise<Answered | null>): void {
    const promised: Promised = { prompt, labelClass: this.editor.store.labelClass };
    this.promised = [...this.promised, promised];
    this.editor.store.promised = this.promised.length;
    this.state = IDLE;
    this.mask = this.pending = null;
    this.editor.view.redraw();
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
        : await this.editor.store.waited(askPrompter(this.editor.store, prompt, 1, uuid7()));
      mask = found.mask;
    } catch (error) {
      trouble = workerTrouble(error);
    }
    this.promised = this.promised.filter((other) => other !== promised);
    this.editor.store.promised = this.promised.length;
    this.settle(prompt, labelClass, mask, trouble);
  }

  private settle(
    prompt: Prompt,
    labelClass: LabelClass | null,
    mask: Answered["mask"],
    trouble: string,
  ): void {
    const { editor } = this;
    if (mask) editor.drawing.drawLate({ mask, box: prompt.box, labelClass });
    else if (prompt.box) {
      editor.drawing.drawLate({ mask: null, box: prompt.box, labelClass });
      const kept = t("The box is kept without a mask.");
      editor.store.toasts.show([trouble, kept].filter((sentence) => sentence !== "").join(" "));
    } else
      editor.store.toasts.show(
        trouble || t("No cell is found there. Drag a box around it, or draw it by hand."),
      );
  }

  sketch(): Partial<Sketch> {
    const { prompt } = this.state;
    const box = preview(this.state, this.editor.store.opened.image, 1) ?? prompt?.box ?? null;
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
      ...(last ? { note: { at: placeOf(last), text: t("Finding the cell …") } } : {}),
    };
  }
}

const placeOf = (prompt: Prompt): Point<"image"> =>
  prompt.clicks.at(-1)?.at ?? imagePoint(prompt.box?.x1 ?? 0, prompt.box?.y0 ?? 0);

export const definition: ToolDefinition = {
  label: mark("Smart"),
  sentence: mark("Smart click: a click or a box gives the mask"),
  keys: ["s"],
  icon: "M11 3v4M11 15v4M3 11h4M15 11h4M13 13l7 7M11 11h.01",
  hint: mark("Click in a cell, or drag a box. Right click or Alt takes a place out. Enter keeps, Esc drops."),
  rightButton: true,
  create: (editor) => new SmartTool(editor),
};
