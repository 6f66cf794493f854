import { describe, expect, it, vi } from "vitest";
import { boxPath, edgePath } from "../geometry/edges";
import { pack } from "../geometry/mask";
import { Unreachable, type Api } from "../sync/api";
import { Verification } from "../verify/page";
import { FETCH_BELOW, KEYS, Sample, type SampleCell } from "../verify/sample";

const cell = (position: number): SampleCell => ({
  position,
  label_class: null,
  picture: "",
});

describe("the sample of a lot", () => {
  it("is judged in its order, and what is fetched twice is shown once", () => {
    const sample = new Sample();
    sample.add([cell(1), cell(2)]);
    sample.add([cell(2), cell(4)]);
    const judged = [1, 2, 3, 4].map((milliseconds) => sample.judge("right", milliseconds)?.position);
    expect(judged).toEqual([1, 2, 4, undefined]);
    expect(sample.after).toBe(4);
  });

  it("asks for more before it runs out", () => {
    const sample = new Sample();
    sample.add(Array.from({ length: FETCH_BELOW }, (_, n) => cell(n + 1)));
    expect(sample.isShort).toBe(false);
    sample.judge("wrong", 1);
    expect(sample.isShort).toBe(true);
  });

  it("shows the last judged cell again, and no earlier one", () => {
    const sample = new Sample();
    sample.add([cell(1), cell(2), cell(3)]);
    sample.judge("right", 1);
    sample.judge("right", 1);
    expect(sample.back()).toBe(true);
    expect(sample.current?.position).toBe(2);
    expect(sample.back()).toBe(false);
  });

  it("has keys by their place on the keyboard", () => {
    expect(KEYS).toEqual({ KeyA: "right", KeyX: "wrong", KeyU: "unsure" });
  });
});

describe("the page of a sample", () => {
  it("fetches cells again that did not arrive", async () => {
    vi.useFakeTimers();
    let press: (e: object) => void = () => undefined;
    vi.stubGlobal("HTMLElement", class {});
    vi.stubGlobal("window", { addEventListener: (_name: string, act: typeof press) => (press = act) });
    const get = vi
      .fn()
      .mockResolvedValueOnce({ cells: [cell(1)], judged: 0, total: 2 })
      .mockRejectedValueOnce(new Unreachable("no network"))
      .mockResolvedValueOnce({ cells: [cell(2)], judged: 1, total: 2 });
    const api = { get, post: () => Promise.resolve({ judged: 1, total: 2 }) } as unknown as Api;
    const root = { querySelectorAll: () => [], querySelector: () => null } as unknown as HTMLElement;
    const page = new Verification(root, api, 1, []);
    await page.fetch();
    press({ code: "KeyA", target: null, preventDefault: () => undefined });
    await vi.advanceTimersByTimeAsync(100);
    expect([get.mock.calls.length, page.probes().state().position]).toEqual([2, null]);
    await vi.advanceTimersByTimeAsync(2000);
    expect([get.mock.calls.length, page.probes().state().position]).toEqual([3, 2]);
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });
});

describe("the outline of a mask", () => {
  it("follows the edges of its pixels", () => {
    const mask = pack({ x: 3, y: 5, width: 2, height: 1, pixels: new Uint8Array([1, 1]) });
    expect(mask && edgePath(mask)).toBe("M3 5H5M3 6H5M3 5V6M5 5V6");
  });

  it("goes around holes", () => {
    const pixels = new Uint8Array([1, 1, 1, 1, 0, 1, 1, 1, 1]);
    const mask = pack({ x: 0, y: 0, width: 3, height: 3, pixels });
    expect(mask && edgePath(mask)).toContain("M1 1H2");
    expect(boxPath({ x0: 0, y0: 1, x1: 2, y1: 3 })).toBe("M0 1H2V3H0Z");
  });
});
