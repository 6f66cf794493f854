/** The shipped prompter in this browser. Whatever is missing (WebAssembly, the net, the pixels) makes it step
 *  aside: the server's worker is asked instead. */
import type { Size } from "../geometry/frames";
import type { Pixels } from "../render/pixels";
import type { Answered } from "../sync/api";
import type { Prompt } from "../scene/prompt";
import { maskOf } from "./crops";
import type { Question, Reply } from "./worker";

/** So long a click waits for the net to be loaded before the server is asked. */
export const PATIENCE_MS = 3000;
export type Port = Pick<Worker, "postMessage" | "terminate"> & {
  onmessage: ((event: MessageEvent<Reply>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
};
type Answer = { readonly logits: Float32Array; readonly quality: number };

export class BrowserPrompter {
  /** Its name once it is loaded. */
  name: string | null = null;
  /** So many masks were made here. */
  answered = 0;
  /** From the question to the last of them. */
  milliseconds = 0;
  /** What it was asked last, for the browser tests. */
  last: Prompt | null = null;
  private port: Port | null = null;
  private net: Promise<boolean> | null = null;
  private asked = 0;
  private readonly waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: Error) => void }
  >();

  constructor(
    private readonly image: Size,
    private readonly pixels: Pick<Pixels, "read" | "ready">,
    private readonly start: () => Port = startWorker,
  ) {}

  /** The net is loaded once, and never tried again where it cannot be had; the pixels are, when they did not come. */
  async load(): Promise<boolean> {
    const pixels = this.pixels.ready();
    return (await (this.net ??= this.begin())) && (await pixels);
  }

  private begin(): Promise<boolean> {
    return new Promise((resolve) => {
      try {
        this.port = this.start();
      } catch {
        resolve(false);
        return;
      }
      this.port.onerror = () => this.giveUp(resolve);
      this.port.onmessage = ({ data }) => {
        if (data.kind === "ready") {
          this.name = data.prompter;
          resolve(true);
        } else if (data.kind === "failed") this.giveUp(resolve);
        else this.settle(data);
      };
    });
  }

  private giveUp(resolve: (loaded: boolean) => void): void {
    this.name = null;
    this.port?.terminate();
    this.port = null;
    resolve(false);
    this.net = Promise.resolve(false);
    for (const { reject } of this.waiting.values()) reject(new Error("the browser's prompter has ended"));
    this.waiting.clear();
  }

  private settle(reply: Extract<Reply, { kind: "answer" | "error" }>): void {
    const one = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if (reply.kind === "answer") one?.resolve(reply);
    else one?.reject(new Error(reply.reason));
  }

  /** The mask, or null: ask somebody else. */
  async mask(prompt: Prompt, patience = PATIENCE_MS): Promise<Answered | null> {
    const begun = performance.now();
    this.last = prompt;
    const enough = new Promise<false>((resolve) => setTimeout(() => resolve(false), patience));
    if (!(await Promise.race([this.load(), enough]))) return null;
    try {
      const found = await maskOf(
        prompt,
        this.image,
        (x, y, w, h) => this.pixels.read(x, y, w, h),
        (crop) => this.run(crop),
      );
      if (found === "no pixels") return null;
      this.answered++;
      this.milliseconds = performance.now() - begun;
      return { ...found, prompter: this.name ?? "", milliseconds: this.milliseconds };
    } catch {
      return null;
    }
  }

  private run(crop: Float32Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!this.port) return reject(new Error("no worker"));
      const id = ++this.asked;
      this.waiting.set(id, { resolve, reject });
      const question: Question = { id, crop };
      this.port.postMessage(question, [crop.buffer]);
    });
  }
}

const startWorker = (): Port => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
