/** What the colour of a cell says, what the legend says of it, and who is offered which choice. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { COMMANDS } from "../commands";
import { offeredColours, showNextColours } from "../editor/colour_choice";
import { CellColours, COLOUR_BY, doubtStep, type ColourBy } from "../render/colour_by";
import { DOUBT_COLOURS, OKABE_ITO, palette, rgb, UNKNOWN_COLOUR } from "../render/palette";
import { css, outlineOf } from "../render/outline_colour";
import type { Cells } from "../scene/cells";
import { colourByOf, keepColourBy } from "../ui/stored";
import { state, uuid } from "./build";
import { CLASSES, ME, openEditor, OTHER } from "./editor_setup";

const PREDICTION = 1; // openEditor's second layer
const ROUND = 3;

function coloured(more: { round?: number | null } = {}) {
  const { editor } = openEditor();
  const round = more.round === undefined ? ROUND : more.round;
  const colours = new CellColours({
    classes: CLASSES,
    people: [ME.id, OTHER.id],
    roundOf: (layer) => (layer === PREDICTION ? round : null),
  });
  return { store: editor.store, cells: editor.store.cells, colours };
}

/** The colour that the shaders read for a cell. */
function drawn(colours: CellColours, cells: Cells, annotation: string, by: ColourBy): string {
  const place = colours.placeOf(cells, cells.rowOf(annotation), by);
  const [r, g, b] = palette(CLASSES).outlines.subarray(4 * place);
  return css([r, g, b]);
}
const core = (colour: string): string => css(outlineOf(rgb(colour)).core);
const legendOf = (colours: CellColours, cells: Cells, by: ColourBy) =>
  colours.legend(cells, by).map(({ key, cells: count }) => [key, count]);

describe("the colour of a cell", () => {
  it("by person is that of who drew it, and of nobody for a proposal", () => {
    const { cells, colours } = coloured();
    expect(drawn(colours, cells, uuid(1), "person")).toBe(core(colours.colourOfPerson(ME.id)));
    expect(drawn(colours, cells, uuid(2), "person")).toBe(core(colours.colourOfPerson(OTHER.id)));
    expect(drawn(colours, cells, uuid(102), "person")).toBe(core(UNKNOWN_COLOUR));
    expect(colours.colourOfPerson(ME.id)).not.toBe(colours.colourOfPerson(OTHER.id));
  });
  it("by state tells a proposal, what was accepted, what was drawn, what nobody can tell and what is disputed", () => {
    const { cells, colours } = coloured();
    cells.put(0, uuid(60), state([1, 1, 5, 5], { derived_from: uuid(102) }), uuid(70), 1, ME.id);
    cells.put(0, uuid(61), state([1, 1, 5, 5], { status: "cannot_tell" }), uuid(71), 1, ME.id);
    const disputed = { author: OTHER, verdict: "rejected", label_class: null, reason: "" } as const;
    cells.put(0, uuid(62), state([1, 1, 5, 5]), uuid(72), 1, ME.id);
    cells.giveOpinion(uuid(62), { ...disputed, given_at: "2026-01-01", settled_by: null } as never);
    const places = [uuid(101), uuid(60), uuid(1), uuid(61), uuid(62)];
    expect(places.map((id) => drawn(colours, cells, id, "state"))).toEqual(OKABE_ITO.slice(0, 5).map(core));
  });
  it("by doubt is that of a proposal's doubt, also once it is accepted, and unknown for what was drawn", () => {
    const { cells, colours } = coloured();
    const proposal = cells.rowOf(uuid(102));
    cells.score[proposal] = 0.5;
    expect(drawn(colours, cells, uuid(102), "doubt")).toBe(core(DOUBT_COLOURS[2]));
    cells.put(0, uuid(60), state([1, 1, 5, 5], { derived_from: uuid(102) }), uuid(70), 1, ME.id);
    expect(drawn(colours, cells, uuid(60), "doubt")).toBe(core(DOUBT_COLOURS[2]));
    expect(drawn(colours, cells, uuid(2), "doubt")).toBe(core(UNKNOWN_COLOUR));
    expect([0, 0.19, 0.2, 0.99, 1, NaN].map(doubtStep)).toEqual([0, 0, 1, 4, 4, null]);
  });
  it("by round is that of the round that proposed the cell, of an earlier one, or of a hand", () => {
    const { cells, colours } = coloured();
    cells.put(0, uuid(60), state([1, 1, 5, 5], { derived_from: uuid(102) }), uuid(70), 1, ME.id);
    cells.put(0, uuid(61), state([1, 1, 5, 5], { derived_from: uuid(999) }), uuid(71), 1, ME.id);
    const of = (n: number) => drawn(colours, cells, uuid(n), "round");
    expect(of(60)).toBe(of(101));
    expect(new Set([of(60), of(61), of(2)]).size).toBe(3);
    const counts = new Map(legendOf(colours, cells, "round").map(([key, n]) => [key, n]));
    expect(counts.get(ROUND)).toBe(2); // the open proposal, and the accepted one that was another
    expect(counts.get("earlier")).toBe(1);
    const without = coloured({ round: 0 });
    expect(legendOf(without.colours, without.cells, "round").map(([key]) => key)).toContain(0);
  });
  it.each(COLOUR_BY)(
    "by %s is the one that the legend shows, and every cell in the picture is counted",
    (by) => {
      const { cells, colours } = coloured();
      const legend = colours.legend(cells, by);
      let shown = 0;
      const found = new Set<string>();
      for (let row = 0; row < cells.count; row++) {
        if (!cells.isShown(row) || cells.kindOf(row) !== "cell") continue;
        shown++;
        found.add(drawn(colours, cells, cells.idOf(row), by));
      }
      expect(legend.reduce((sum, line) => sum + line.cells, 0)).toBe(shown);
      expect(new Set(legend.map(({ colour }) => core(colour)))).toEqual(found);
    },
  );
});

describe("the choice of colours", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("goes round by the key", () => {
    const { store } = openEditor().editor;
    const seen = COLOUR_BY.map(() => {
      showNextColours(store);
      return store.colourBy;
    });
    expect(seen).toEqual(["person", "state", "doubt", "round", "class"]);
    expect(COMMANDS["view.colour_by"].keys).toEqual(["Shift+c"]);
  });
  it("shows no persons where a reader sees only the own reading, and no models in a study", () => {
    const alone = openEditor({ apart: true }).editor.store;
    (alone.opened as { people: unknown }).people = [ME];
    expect(offeredColours(alone)).toEqual(["class", "state", "doubt", "round"]);
    expect(offeredColours(openEditor({ apart: true }).editor.store)).toContain("person");
    expect(offeredColours(openEditor({ study: true }).editor.store)).toEqual(["class", "state"]);
  });
  it("is kept for each person who uses this computer", () => {
    const kept = new Map<string, string>();
    vi.stubGlobal("localStorage", {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => kept.set(name, value),
    });
    keepColourBy(ME.id, "doubt");
    keepColourBy(OTHER.id, "person");
    expect([colourByOf(ME.id), colourByOf(OTHER.id), colourByOf(99)]).toEqual(["doubt", "person", null]);
  });
});
