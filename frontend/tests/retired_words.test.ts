/** Words that were retired (retired_words.json) do not come back as identifiers, files or keys. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import retired from "./retired_words.json";

const WORDS = new Map(Object.entries(retired.words));
const NAMES = new Map(Object.entries(retired.names));
const PLATFORM = new Set(retired.platform);
// api/schema.ts is made from the schema and has the server's words, which the Python tests hold.
const NOT_OURS = new Set(["node_modules", "dist", "retired_words.json", "schema.ts"]);

/** "selectedRow", "SELECTED_ROW" and "selected-row.ts" -> selected, row. */
const wordsOf = (name: string): string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z]+/);

/** What to write instead of a name; undefined: the name is fine. */
function instead(name: string): string | undefined {
  if (PLATFORM.has(name)) return undefined;
  const word = wordsOf(name).find((part) => WORDS.has(part));
  return NAMES.get(name) ?? (word && WORDS.get(word));
}

function filesIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => !NOT_OURS.has(name) && !name.startsWith("."));
  return names.flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  });
}

/** Identifiers, and the strings that are keys of objects. */
function namesIn(file: string, text: string): Set<string> {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    const isKey =
      ts.isStringLiteral(node) && ts.isPropertyAssignment(node.parent) && node.parent.name === node;
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node) || isKey) found.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe("retired words", () => {
  const files = filesIn(".");

  it("name no file or folder", () => {
    expect(files.filter((file) => wordsOf(file).some((word) => WORDS.has(word)))).toEqual([]);
  });

  it("name nothing in the code", () => {
    const found = files
      .filter((file) => /\.(ts|tsx|mjs|js)$/.test(file))
      .flatMap((file) =>
        [...namesIn(basename(file), readFileSync(file, "utf8"))].map((name) => ({ file, name })),
      )
      .filter(({ name }) => instead(name) !== undefined)
      .map(({ file, name }) => `${file}: ${name} -> ${instead(name)}`);
    expect(found).toEqual([]);
  });

  it("are found where they are", () => {
    expect([...namesIn("x.ts", 'const desk = { "look": told, queueMicrotask };')].map(instead)).toEqual([
      "editor",
      WORDS.get("look"),
      WORDS.get("told"),
      undefined,
    ]);
    expect(instead("paintedStage")).toContain("viewport");
    expect(instead("overlook")).toBeUndefined();
  });
});
