import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, type Api } from "../sync/api";
import { FieldPage } from "../verify/fields";
import { NEAR, Points, STEP } from "../verify/points";

const FRAME = [0.2, 0.2, 0.8, 0.8] as const;

describe("the points of a field", () => {
  it("are set inside the frame alone, and taken away by a click on them", () => {
    const points = new Points(FRAME);
    points.toggle([0.5, 0.5]);
    points.toggle([0.1, 0.5]);
    points.toggle([0.6, 0.6]);
    expect(points.all).toEqual([
      [0.5, 0.5],
      [0.6, 0.6],
    ]);
    points.toggle([0.5 + NEAR / 2, 0.5]);
    expect(points.all).toEqual([[0.6, 0.6]]);
    points.removeLast();
    expect(points.all).toEqual([]);
  });

  it("are set by keys, with a cross that stays in the frame", () => {
    const points = new Points(FRAME);
    points.move(1, 0);
    expect(points.cross).toEqual([0.5 + STEP, 0.5]);
    points.move(1000, -1000);
    expect(points.cross).toEqual([0.8, 0.2]);
    points.toggle(points.cross);
    expect(points.all).toEqual([[0.8, 0.2]]);
  });
});

/** As much of a page as a FieldPage needs. */
function element() {
  const listeners = new Map<string, (e: unknown) => void>();
  return {
    listeners,
    textContent: "",
    disabled: false,
    append: () => undefined,
    replaceChildren: () => undefined,
    setAttribute: () => undefined,
    addEventListener: (name: string, act: (e: unknown) => void) => listeners.set(name, act),
    getBoundingClientRect: () => ({ left: 0, top: 0, width: 100, height: 100 }),
  };
}

describe("the page of a field", () => {
  const parts = {
    "[data-field-picture]": element(),
    "[data-field-done]": element(),
    "[data-field-undo]": element(),
    "[data-status]": element(),
  };
  const root = {
    querySelector: (name: keyof typeof parts) => parts[name],
    querySelectorAll: () => [parts["[data-field-done]"]],
  } as unknown as HTMLElement;
  const field = (position: number) => ({
    field: { position, picture: "", frame: FRAME },
    annotated: position - 1,
    fields: 30,
  });

  beforeEach(() => {
    vi.stubGlobal("document", { createElement: element, createElementNS: element });
  });

  it("sends its points and shows the next field", async () => {
    const sent: unknown[] = [];
    let position = 1;
    const api = {
      get: () => Promise.resolve(field(position)),
      post: (_path: string, body: unknown) => {
        sent.push(body);
        position = 2;
        return Promise.resolve({ annotated: 1, fields: 30 });
      },
    } as unknown as Api;
    const page = new FieldPage(root, api, 7);
    await page.fetch();
    parts["[data-field-picture]"].listeners.get("click")?.({ clientX: 50, clientY: 40 });
    expect(page.probes().state()).toMatchObject({ position: 1, points: 1 });
    parts["[data-field-done]"].listeners.get("click")?.({});
    await vi.waitFor(() => expect(page.probes().state()).toMatchObject({ position: 2, points: 0 }));
    expect(sent).toEqual([{ position: 1, points: [[0.5, 0.4]] }]);
  });

  it("keeps its points where they are declined", async () => {
    const api = {
      get: () => Promise.resolve(field(1)),
      post: () => Promise.reject(new ApiError(400, "invalid", "a point lies outside the field")),
    } as unknown as Api;
    const page = new FieldPage(root, api, 7);
    await page.fetch();
    parts["[data-field-picture]"].listeners.get("click")?.({ clientX: 50, clientY: 40 });
    parts["[data-field-done]"].listeners.get("click")?.({});
    await vi.waitFor(() => expect(parts["[data-status]"].textContent).toBe("a point lies outside the field"));
    expect(page.probes().state()).toMatchObject({ position: 1, points: 1 });
  });
});
