/** What holds for the whole of the browser's sources. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/** A method that hands its own arguments on to a part of a part, and does nothing else. */
const PASS_THROUGH = new RegExp(
  [
    /\n {2}(?:readonly |get )*(\w+)\(([^)]*)\)(?:: [^{\n]+)? \{/, // the name and the parameters
    /\n {4}(?:return |void )?this(?:\.\w+){2,}(?:\(([^)]*)\))?;/, // what is called with what
    /\n {2}\}/,
  ]
    .map((part) => part.source)
    .join(""),
  "g",
);

function passThroughs(source: string): string[] {
  const found = [];
  for (const [, name, parameters, handedOn] of source.matchAll(PASS_THROUGH)) {
    const names = parameters.split(",").map((part) => part.split(/[:=]/)[0].trim());
    if (names.join() === (handedOn ?? "").replaceAll(" ", "")) found.push(name);
  }
  return found;
}

/** A colour that a source states itself. Those of cells and regions are data of palette.ts. */
const COLOUR = /"#[0-9a-f]{3,8}"|\brgba?\(\s*\d/i;
const drawn = ["canvas", "editor", "tools", "ui", "render"].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => /\.tsx?$/.test(name) && name !== "palette.ts")
    .map((name) => join(folder, name)),
);

describe("colours", () => {
  it.each(drawn)("%s takes them from tokens.css", (name) => {
    expect(COLOUR.exec(readFileSync(name, "utf8"))?.[0]).toBeUndefined();
  });
  it("would be found out", () => {
    expect(COLOUR.test('c.fillStyle = "#fff";')).toBe(true);
    expect(COLOUR.test('fill("rgba(20, 24, 28, 0.85)")')).toBe(true);
  });
});

/**
 * A function is called at each drawing and would make a new reference each time, which what it left behind does not
 * know.
 */
const REF_OF_A_FUNCTION = /^ +(?:const|let) \w+ = createRef\b/m;
const parts = readdirSync("ui").filter((name) => name.endsWith(".tsx"));

describe("parts of the page", () => {
  it.each(parts)("%s keeps its references from one drawing to the next", (name) => {
    expect(readFileSync(join("ui", name), "utf8")).not.toMatch(REF_OF_A_FUNCTION);
  });
  it("would be found out", () => {
    expect("  const menu = createRef<HTMLDivElement>();").toMatch(REF_OF_A_FUNCTION);
  });
});

const editorFiles = readdirSync("editor").filter((name) => name.endsWith(".ts"));

describe("the editor", () => {
  it.each(editorFiles)("%s has no method that only hands its arguments on", (name) => {
    expect(passThroughs(readFileSync(join("editor", name), "utf8"))).toEqual([]);
  });
  it("would be found out", () => {
    const source = [
      "class A {",
      "  counts(): Counts {",
      "    return this.overview.counts;",
      "  }",
      "  show(text: string, undoes: string[] = []): void {",
      "    this.toasts.show(text, undoes);",
      "  }",
      "  next(): void {",
      "    this.review.next(1);",
      "  }",
      "}",
    ].join("\n");
    expect(passThroughs(source)).toEqual(["counts", "show"]);
  });
});
