/** Channels, planes and colours that somebody chooses to see. */
import { expect, test } from "vitest";
import type { Planes } from "../scene/contract";
import { ChannelSettings } from "../ui/channel_settings";

const PLANES: Planes = {
  tiles: { url: "/tiles/", size: 512, levels: 2 },
  page: 3,
  z: 5,
  t: 2,
  channels: [
    { name: "DAPI", colour: "4060ff", low: 100, high: 4000, least: 0, most: 65_535, shown: true },
    { name: "GFP", colour: "00d060", low: 0.25, high: 0.5, least: 0, most: 1, shown: true },
  ],
  icc: false,
};
const settings = (kept: object | null = null, planes = PLANES) => {
  const reported: unknown[] = [];
  return { reported, settings: new ChannelSettings(planes, kept, (choice) => reported.push(choice)) };
};

test("the first choice is the server's, and its address says so", () => {
  const { settings: s } = settings();
  expect(s.tiles.query).toBe("?page=3&channels=1:4060ff:100:4000,2:00d060:0.25:0.5");
  expect([s.now.slice, s.now.time]).toEqual([2, 0]);
});

test("a plane is time and slice", () => {
  const { settings: s } = settings();
  s.set({ slice: 4, time: 1 });
  expect(s.tiles.query).toContain("?page=10&");
});

test("channels are hidden, coloured and stretched; each change is reported", () => {
  const { settings: s, reported } = settings();
  s.setChannel(1, { shown: false });
  s.setChannel(0, { colour: "#FFFFFF" });
  s.setRange(0, "high", 50);
  expect(s.tiles.query).toBe("?page=3&channels=1:ffffff:100:101");
  s.auto(0);
  expect(s.now.channels[0].high).toBe(4000);
  expect(reported).toHaveLength(4);
});

test("the last channel in the picture cannot be hidden", () => {
  const { settings: s } = settings();
  s.setChannel(1, { shown: false });
  s.setChannel(0, { shown: false });
  expect(s.now.channels.map((c) => c.shown)).toEqual([true, false]);
});

test("numbers are written without an exponent", () => {
  const { settings: s } = settings();
  s.setRange(1, "low", 0.000001);
  expect(s.tiles.query).toContain("2:00d060:0.000001:0.5");
});

test("what was kept comes back, unless the file has other channels by now", () => {
  const { settings: before } = settings();
  before.set({ slice: 1 });
  expect(settings(before.now).settings.now.slice).toBe(1);
  expect(settings({ ...before.now, channels: [] }).settings.now.slice).toBe(2);
  expect(settings({ ...before.now, slice: 99 }).settings.now.slice).toBe(4);
});

test("a colour profile is applied at first, and can be left out", () => {
  const { settings: s } = settings(null, { ...PLANES, channels: [], z: 1, t: 1, page: 1, icc: true });
  expect(s.tiles.query).toBe("?page=1&icc=1");
  s.set({ icc: false });
  expect(s.tiles.query).toBe("?page=1");
});
