import { describe, expect, it } from "vitest";
import { imagePoint } from "../geometry/frames";
import { unpack } from "../geometry/mask";
import { BrowserPrompter, type Port } from "../prompter/browser";
import { CHANNELS, cut, maskOf, paste, SIDE, type Net, type Read } from "../prompter/crops";
import type { Question, Reply } from "../prompter/worker";

const IMAGE = { width: 300, height: 280 };
const red = (x: number, y: number) => (x * 7 + y * 3) % 256;
/** A picture whose red is known everywhere. */
const read: Read = (x, y, width, height) => {
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) rgba[4 * i] = red(x + (i % width), y + Math.floor(i / width));
  return rgba;
};
const crop = () => new Float32Array(CHANNELS * SIDE * SIDE);
const grey = (data: Float32Array, u: number, v: number) => (data[v * SIDE + u] + 2) * 64;
/** A net that says yes inside a disc of the crop. */
const disc =
  (radius: number, seen: Float32Array[] = []): Net =>
  (data) => {
    seen.push(data);
    const logits = Float32Array.from(
      { length: SIDE * SIDE },
      (_, i) => radius - Math.hypot((i % SIDE) + 0.5 - 32, Math.floor(i / SIDE) + 0.5 - 32),
    );
    return Promise.resolve({ logits, quality: 0 });
  };

describe("the prompter's crop", () => {
  it("is the image itself where a crop pixel is an image pixel, and mirrored beyond the border", () => {
    const data = crop();
    cut({ x: -4, y: 10, side: SIDE }, IMAGE, read, data);
    expect(grey(data, 4, 0)).toBeCloseTo(red(0, 10), 4);
    expect(grey(data, 40, 7)).toBeCloseTo(red(36, 17), 4);
    expect(grey(data, 3, 5)).toBeCloseTo(red(1, 15), 4); // -1 is 1, not 0
  });

  it("takes a large square from the image at half size", () => {
    const data = crop();
    cut({ x: 20, y: 40, side: 2 * SIDE }, IMAGE, read, data);
    const four = [red(30, 60), red(31, 60), red(30, 61), red(31, 61)];
    expect(grey(data, 5, 10)).toBeCloseTo(Math.floor((four.reduce((a, b) => a + b) + 2) / 4), 4);
  });

  it("shows the box as 1 and -1, and clicks as bumps on their own planes", async () => {
    const seen: Float32Array[] = [];
    const prompt = {
      box: { x0: 100, y0: 100, x1: 140, y1: 120 },
      clicks: [
        { at: imagePoint(120, 110), inside: true },
        { at: imagePoint(101, 101), inside: false },
      ],
    };
    await maskOf(prompt, IMAGE, read, disc(10, seen));
    expect(seen).toHaveLength(1);
    const plane = (n: number) => seen[0].subarray(n * SIDE * SIDE, (n + 1) * SIDE * SIDE);
    expect(plane(3)[32 * SIDE + 32]).toBe(1); // the side is 1.6 x 40 = 64, so one pixel is one pixel
    expect(plane(3).filter((v) => v === 1)).toHaveLength(40 * 20);
    expect(plane(3)[0]).toBe(-1);
    expect(plane(4).indexOf(Math.max(...plane(4)))).toBe(31 * SIDE + 31);
    expect(plane(5).indexOf(Math.max(...plane(5)))).toBe(22 * SIDE + 12);
  });

  it("looks once more around what a click found, and wider where the cell fills the view", async () => {
    const click = { box: null, clicks: [{ at: imagePoint(150, 140), inside: true }] };
    const small: Float32Array[] = [];
    await maskOf(click, IMAGE, read, disc(12, small));
    expect(small).toHaveLength(2);
    const large: Float32Array[] = [];
    const found = await maskOf(click, IMAGE, read, disc(30, large));
    expect(large).toHaveLength(4); // 64, 128, 256, then the box
    expect(found !== "no pixels" && found.mask && found.mask.x + found.mask.width <= IMAGE.width).toBe(true);
  });

  it("gives the largest piece in image pixels, and nothing for a net that says no", () => {
    const logits = new Float32Array(SIDE * SIDE).fill(-1);
    for (let v = 20; v < 30; v++) for (let u = 20; u < 40; u++) logits[v * SIDE + u] = 1;
    logits[5 * SIDE + 5] = 1;
    const mask = paste(logits, { x: 100, y: 50, side: SIDE }, IMAGE);
    expect(mask).toMatchObject({ x: 120, y: 70, width: 20, height: 10 });
    expect(unpack(mask!).pixels.every((p) => p === 1)).toBe(true);
    expect(paste(new Float32Array(SIDE * SIDE).fill(-1), { x: 100, y: 50, side: SIDE }, IMAGE)).toBeNull();
  });

  it("says so when the pixels are not there", async () => {
    expect(
      await maskOf({ box: { x0: 1, y0: 1, x1: 9, y1: 9 }, clicks: [] }, IMAGE, () => null, disc(5)),
    ).toBe("no pixels");
  });
});

class FakePort implements Port {
  onmessage: Port["onmessage"] = null;
  onerror: Port["onerror"] = null;
  ended = false;
  constructor(private readonly answers: boolean) {}
  say(reply: Reply): void {
    this.onmessage?.({ data: reply } as MessageEvent<Reply>);
  }
  postMessage(question: unknown): void {
    const { id } = question as Question;
    queueMicrotask(() =>
      this.say(
        this.answers
          ? { kind: "answer", id, logits: new Float32Array(SIDE * SIDE).fill(1), quality: 2 }
          : { kind: "error", id, reason: "out of memory" },
      ),
    );
  }
  terminate(): void {
    this.ended = true;
  }
}

describe("the prompter in the browser", () => {
  const pixels = { ready: () => Promise.resolve(true), read };
  const box = { box: { x0: 100, y0: 100, x1: 140, y1: 120 }, clicks: [] };
  const begin = (answers = true) => {
    const port = new FakePort(answers);
    return { port, prompter: new BrowserPrompter(IMAGE, pixels, () => port) };
  };

  it("answers under the name of its weights, and only starts when it is asked to", async () => {
    const { port, prompter } = begin();
    expect(port.onmessage).toBeNull();
    const loading = prompter.load();
    port.say({ kind: "ready", prompter: "boxwise-1-abc" });
    expect(await loading).toBe(true);
    expect(await prompter.mask(box)).toMatchObject({
      prompter: "boxwise-1-abc",
      mask: { x: 88, y: 78, width: 64, height: 64 },
    });
  });

  it("steps aside when it is slow to come, cannot be loaded or fails at work", async () => {
    const slow = begin();
    expect(await slow.prompter.mask(box, 5)).toBeNull();
    slow.port.say({ kind: "ready", prompter: "boxwise-1-abc" });
    expect(await slow.prompter.mask(box, 5), "later it is there").not.toBeNull();
    const broken = begin();
    const loading = broken.prompter.load();
    broken.port.say({ kind: "failed", reason: "no WebAssembly" });
    expect(await loading).toBe(false);
    expect(await broken.prompter.mask(box)).toBeNull();
    expect(broken.port.ended).toBe(true);
    const failing = begin(false);
    void failing.prompter.load();
    failing.port.say({ kind: "ready", prompter: "boxwise-1-abc" });
    expect(await failing.prompter.mask(box)).toBeNull();
    let there = false;
    const late = new FakePort(true);
    const patient = new BrowserPrompter(IMAGE, { read, ready: () => Promise.resolve(there) }, () => late);
    const first = patient.mask(box);
    late.say({ kind: "ready", prompter: "boxwise-1-abc" });
    expect(await first, "the tissue did not come").toBeNull();
    there = true;
    expect(await patient.mask(box), "and then it did").not.toBeNull();
    const none = new BrowserPrompter(IMAGE, pixels, () => {
      throw new Error("no workers here");
    });
    expect(await none.mask(box)).toBeNull();
  });
});
