/** Whatever happens in the middle of a drag, what was being drawn is there at its end: every tool, every
 *  interruption. */
import { describe, expect, it } from "vitest";
import { imagePoint } from "../geometry/frames";
import { patchOver } from "../geometry/mask";
import * as box from "../tools/box";
import * as brush from "../tools/brush";
import * as extremes from "../tools/extremes";
import type { Input } from "../editor/input";
import * as measure from "../tools/measure";
import * as path from "../tools/path";
import * as polygon from "../tools/polygon";
import * as press from "../canvas/press";
import * as select from "../tools/select";
import * as smart from "../tools/smart";
import * as stamp from "../tools/stamp";
import * as wand from "../tools/wand";

const IMAGE = { width: 200, height: 200 };
type Raw = {
  type: press.Event["type"];
  x: number;
  button?: number;
  buttons?: number;
  id?: number;
  kind?: press.PointerKind;
};

/** What a tool says at the end of what it was fed. */
const TOOLS: Record<string, (inputs: readonly Input[]) => unknown> = {
  box: (inputs) =>
    last<box.Step>(inputs, { state: box.IDLE }, (s, i) => box.step(s.state, i, IMAGE, 2)).commit,
  select: (inputs) => {
    const grabbed = { row: 3, box: { x0: 10, y0: 10, x1: 30, y1: 30 }, editable: true };
    const around = { image: IMAGE, reach: 1, slip: 2, selected: grabbed, pick: () => [3] };
    return last<select.Step>(inputs, { state: select.IDLE }, (s, i) => select.step(s.state, i, around))
      .commit;
  },
  polygon: (inputs) =>
    last<polygon.Step>(inputs, { state: polygon.IDLE }, (s, i) => polygon.step(s.state, i, 1, 1)).commit,
  brush: (inputs) => {
    const patch = patchOver({ x0: 0, y0: 0, x1: 200, y1: 200 }, IMAGE);
    const brushOf = { radius: 3, subtract: false, image: IMAGE };
    const step = last<brush.Step>(inputs, { state: brush.IDLE, patch, stroke: "none" }, (s, i) =>
      brush.step(s.state, i, s.patch, brushOf),
    );
    return [step.stroke, step.patch.pixels.reduce((a, b) => a + b, 0)];
  },
  wand: (inputs) => last<wand.Step>(inputs, { state: wand.IDLE }, (s, i) => wand.step(s.state, i, 1)).commit,
  extremes: (inputs) =>
    last<extremes.Step>(inputs, { state: extremes.IDLE }, (s, i) => extremes.step(s.state, i, IMAGE)).state,
  stamp: (inputs) =>
    last<stamp.Step>(inputs, { state: stamp.IDLE }, (s, i) =>
      stamp.step(s.state, i, { width: 10, height: 10 }, IMAGE),
    ).commit,
  path: (inputs) =>
    last<path.Step>(inputs, { state: path.IDLE }, (s, i) => path.step(s.state, i, 1, 2)).commit,
  measure: (inputs) => inputs.reduce((s, i) => measure.step(s, i), measure.IDLE).line,
  smart: (inputs) =>
    last<smart.Step>(inputs, { state: smart.IDLE }, (s, i) => smart.step(s.state, i, IMAGE, 2)).ask,
};

/** The last step that said something: the button that is let go later says nothing more. */
function last<S extends { state: unknown }>(
  inputs: readonly Input[],
  first: S,
  next: (step: S, input: Input) => S,
): S {
  let informative = first;
  let step = first;
  for (const input of inputs) {
    step = next(step, input);
    if (Object.keys(step).length > 1 || informative === first) informative = step;
  }
  return Object.keys(informative).length > 1 ? informative : step;
}

/** What the tool is fed of these pointer events, as canvas/pointer_input.ts does it. */
function fed(events: readonly Raw[]): Input[] {
  let state: press.PressState = null;
  const inputs: Input[] = [];
  for (const { type, x, button = -1, buttons = 1, id = 1, kind = "mouse" } of events) {
    const step = press.step(state, { type, id, kind, button, buttons }, (b) => b === 0 || b === 5);
    state = step.state;
    const at = { at: imagePoint(x, 20 + x / 4), shift: false, alt: false };
    if (step.meaning === "begin") inputs.push({ kind: "down", ...at });
    if (step.meaning === "move") inputs.push({ kind: "move", ...at });
    if (step.meaning === "end") inputs.push({ kind: "up", ...at });
    if (step.meaning === "interrupted" || step.meaning === "pinch") inputs.push({ kind: "cancel" });
  }
  return inputs;
}

const PLAIN: readonly Raw[] = [
  { type: "down", x: 20, button: 0 },
  { type: "move", x: 40 },
  { type: "move", x: 60 },
  { type: "move", x: 80 },
  { type: "up", x: 80, button: 0, buttons: 0 },
];
const BEFORE = PLAIN.slice(0, 3);
const AFTER = PLAIN.slice(3);
/** Nothing of these ends the drag. A wheel, a lost focus and a key are no pointer events: the tools hear nothing of
 *  them. */
const INTERRUPTIONS: Record<string, readonly Raw[]> = {
  "a right click": [
    { type: "move", x: 60, button: 2, buttons: 3 },
    { type: "move", x: 60, button: 2, buttons: 1 },
  ],
  "a right press that the browser reports as one of its own": [
    { type: "down", x: 60, button: 2, buttons: 3 },
    { type: "move", x: 60, button: 2, buttons: 1 },
  ],
  "a middle click": [
    { type: "move", x: 60, button: 1, buttons: 5 },
    { type: "move", x: 60, button: 1, buttons: 1 },
  ],
  "a lost capture": [{ type: "lostcapture", x: 60, buttons: 0 }],
  "a palm": [
    { type: "down", x: 5, button: 0, id: 2, kind: "touch" },
    { type: "move", x: 7, id: 2, kind: "touch" },
    { type: "up", x: 7, id: 2, kind: "touch", buttons: 0 },
  ],
  "another mouse that passes by": [{ type: "move", x: 5, id: 3, buttons: 0 }],
};

describe.each(Object.keys(TOOLS))("the tool %s", (tool) => {
  const plain = TOOLS[tool](fed(PLAIN));
  it("has a result at the end of a drag", () => {
    expect(plain).toBeTruthy();
  });
  it.each(Object.keys(INTERRUPTIONS))("keeps it after %s", (name) => {
    expect(TOOLS[tool](fed([...BEFORE, ...INTERRUPTIONS[name], ...AFTER]))).toEqual(plain);
  });
  it("keeps it when the right button is still down as the left one is let go", () => {
    const events: Raw[] = [
      ...BEFORE,
      { type: "move", x: 60, button: 2, buttons: 3 },
      { type: "move", x: 80, buttons: 3 },
      { type: "move", x: 80, button: 0, buttons: 2 },
      { type: "up", x: 80, button: 2, buttons: 0 },
    ];
    expect(TOOLS[tool](fed(events))).toEqual(plain);
  });
  it("ends where the pointer comes back without its button, when the end was not heard", () => {
    const events: Raw[] = [...PLAIN.slice(0, 4), { type: "move", x: 80, buttons: 0 }];
    expect(TOOLS[tool](fed(events))).toEqual(plain);
  });
  it("begins with the left button although another one is down", () => {
    const events: Raw[] = [
      { type: "down", x: 20, button: 2, buttons: 2 },
      { type: "move", x: 20, button: 0, buttons: 3 },
      { type: "move", x: 40, buttons: 3 },
      { type: "move", x: 60, button: 2, buttons: 1 },
      ...AFTER,
    ];
    expect(TOOLS[tool](fed(events))).toEqual(plain);
  });
});

describe("a drag", () => {
  it("is ended by the browser only with a word for it, and by a second finger as the beginning of a pinch", () => {
    const state = { id: 1, kind: "touch", button: 0 } as const;
    const event = { id: 1, kind: "touch", button: 0, buttons: 1 } as const;
    expect(press.step(state, { ...event, type: "cancel" }, () => true).meaning).toBe("interrupted");
    expect(press.step(state, { ...event, type: "down", id: 2 }, () => true).meaning).toBe("pinch");
  });
});
