/** Turned and mirrored views: what is seen where, and what the keys do, for each of the eight ways to look. */
import { describe, expect, it } from "vitest";
import { fit, imagePoint, screenPoint, toImage, toScreen } from "../geometry/frames";
import {
  cssOf,
  fromPage,
  mirrored,
  recentred,
  stepFromPage,
  stepToPage,
  toPage,
  turned,
  turnedSize,
  UPRIGHT,
  type Turn,
} from "../geometry/turn";

const QUARTERS = [0, 1, 2, 3] as const;
const TURNS: Turn[] = QUARTERS.flatMap((quarters) => [
  { quarters, isMirrored: false },
  { quarters, isMirrored: true },
]);
const name = ({ quarters, isMirrored }: Turn) => `${90 * quarters} degrees${isMirrored ? ", mirrored" : ""}`;
const NAMED = TURNS.map((turn) => [name(turn), turn] as const);
const FRAMES = [
  { width: 800, height: 600 },
  { width: 311, height: 777 },
];
const PLACES = [
  { x: 0, y: 0 },
  { x: 310.5, y: 12.25 },
  { x: 17, y: 599 },
];
/** What CSS makes of a step: its functions are read from right to left. */
function byCss(css: string, { x, y }: { x: number; y: number }) {
  const degrees = Number(/rotate\((\d+)deg\)/.exec(css)?.[1] ?? 0);
  const across = css.includes("scaleX(-1)") ? -x : x;
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return { x: cos * across - sin * y, y: sin * across + cos * y };
}

function expectStep(step: { x: number; y: number }, x: number, y: number): void {
  expect(step.x).toBeCloseTo(x);
  expect(step.y).toBeCloseTo(y);
}

describe.each(NAMED)("%s", (_, turn) => {
  it("is the same there and back", () => {
    for (const frame of FRAMES)
      for (const place of PLACES) {
        const seen = toPage(fromPage(place, turn, frame), turn, frame);
        expect(seen.x).toBeCloseTo(place.x);
        expect(seen.y).toBeCloseTo(place.y);
        const step = stepToPage(stepFromPage(place, turn), turn);
        expect(step.x).toBeCloseTo(place.x);
        expect(step.y).toBeCloseTo(place.y);
      }
  });
  it("is what the style sheet makes of the canvas", () => {
    for (const step of PLACES) {
      const seen = stepToPage(step, turn);
      const drawn = byCss(cssOf(turn), step);
      expect(drawn.x).toBeCloseTo(seen.x);
      expect(drawn.y).toBeCloseTo(seen.y);
    }
  });
  it("fills the frame: the corners of the canvas are those of the frame", () => {
    for (const frame of FRAMES) {
      const { width, height } = turnedSize(frame, turn);
      const corners = [
        toPage(screenPoint(0, 0), turn, frame),
        toPage(screenPoint(width, height), turn, frame),
      ];
      const [xs, ys] = [corners.map((c) => c.x), corners.map((c) => c.y)];
      expect([Math.min(...xs), Math.max(...xs)]).toEqual([0, frame.width]);
      expect([Math.min(...ys), Math.max(...ys)]).toEqual([0, frame.height]);
    }
  });
  it("turns and mirrors as seen, whatever the view was", () => {
    for (const step of PLACES) {
      const { x, y } = stepToPage(step, turn);
      expectStep(stepToPage(step, mirrored(turn, "horizontal")), -x, y);
      expectStep(stepToPage(step, mirrored(turn, "vertical")), x, -y);
      expectStep(stepToPage(step, turned(turn, 1)), -y, x);
      expectStep(stepToPage(step, turned(turn, -1)), y, -x);
    }
  });
  it("keeps the place in the middle, and its scale", () => {
    const image = { width: 1000, height: 700 };
    const [frame] = FRAMES;
    const camera = { ...fit(image, frame), left: 123, top: -45 };
    const canvas = turnedSize(frame, turn);
    const after = recentred(camera, frame, canvas);
    const middle = toImage(screenPoint(frame.width / 2, frame.height / 2), camera);
    const seen = toPage(toScreen(imagePoint(middle.x, middle.y), after), turn, frame);
    expect(seen.x).toBeCloseTo(frame.width / 2);
    expect(seen.y).toBeCloseTo(frame.height / 2);
    expect(after.scale).toBe(camera.scale);
  });
});

it("comes back after four quarters, and after mirroring twice", () => {
  for (const turn of TURNS) {
    expect(QUARTERS.reduce((now) => turned(now, 1), turn)).toEqual(turn);
    for (const along of ["horizontal", "vertical"] as const)
      expect(mirrored(mirrored(turn, along), along)).toEqual(turn);
  }
  expect(turnedSize(FRAMES[0], UPRIGHT)).toEqual(FRAMES[0]);
});
