/** Every text goes through the catalogues, and every language has all of them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { afterEach, describe, expect, it } from "vitest";
import { speak, spoken, t, tn, type Catalogue } from "../locale/locale";

const SOURCES = [
  "canvas",
  "commands",
  "adjudication",
  "gallery",
  "verify",
  "compare",
  "editor",
  "geometry",
  "prompter",
  "render",
  "scene",
  "sync",
  "timing",
  "tools",
  "ui",
  ".",
];
const WORDS = /[A-Za-z]{2,}/;
const SAME_EVERYWHERE = new Set(["px", "µm", "Ctrl"]);
const ATTRIBUTES = ["aria-label", "title", "placeholder", "label", "alt"];

type Texts = { readonly texts: Set<string>; readonly counted: Map<string, string>; readonly bare: string[] };

/** What the sources say through `t`, `mark` and `tn`, and what they say past them. */
function textsOf(): Texts {
  const found: Texts = { texts: new Set(), counted: new Map(), bare: [] };
  for (const folder of SOURCES)
    for (const name of readdirSync(folder)) if (/\.tsx?$/.test(name)) read(join(folder, name), found);
  return found;
}

function read(file: string, found: Texts): void {
  const source = ts.createSourceFile(
    file,
    readFileSync(file, "utf8"),
    ts.ScriptTarget.Latest,
    true,
    ts.ScriptKind.TSX,
  );
  const complain = (node: ts.Node, text: string) => {
    const words = text.trim();
    if (WORDS.test(words) && !SAME_EVERYWHERE.has(words))
      found.bare.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1} ${words}`);
  };
  const walk = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) collect(node, found);
    for (const text of bareTexts(node)) complain(node, text);
    ts.forEachChild(node, walk);
  };
  walk(source);
}

/** The sentences of a call of t, mark or tn. */
function collect(node: ts.CallExpression, found: Texts): void {
  if (!ts.isIdentifier(node.expression)) return;
  const [one, two, three] = node.arguments.map((a) => (ts.isStringLiteralLike(a) ? a.text : undefined));
  const name = node.expression.text;
  if ((name === "t" || name === "mark") && one !== undefined) found.texts.add(one);
  if (name === "tn" && two !== undefined && three !== undefined) found.counted.set(three, two);
}

/** Texts that go to the screen past the catalogues: those of toasts, of the page, of attributes that are read. */
function bareTexts(node: ts.Node): string[] {
  if (ts.isJsxText(node)) return [node.text];
  if (ts.isJsxAttribute(node) && ATTRIBUTES.includes(node.name.getText()))
    return node.initializer && ts.isStringLiteral(node.initializer) ? [node.initializer.text] : [];
  const isToast =
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    node.expression.getText().endsWith("toasts.show");
  return isToast ? literals(node.arguments[0]) : [];
}

function literals(node: ts.Node): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isConditionalExpression(node)) return [...literals(node.whenTrue), ...literals(node.whenFalse)];
  return ts.isTemplateExpression(node) ? [node.getText()] : [];
}

const places = (sentence: string): string[] =>
  [...new Set([...sentence.matchAll(/\{(\w+)\}/g)].map((m) => m[1]))].sort();
const languages = readdirSync("locale")
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -5));
const catalogueOf = (code: string) =>
  JSON.parse(readFileSync(join("locale", `${code}.json`), "utf8")) as Catalogue;

describe("the words of the workspace", () => {
  it("all go through the catalogues", () => {
    expect(textsOf().bare).toEqual([]);
  });

  it("are there in more languages than one", () => {
    expect(languages).toContain("de");
    expect(textsOf().texts.size).toBeGreaterThan(150);
  });

  it.each(languages)("are all in %s, and nothing else is", (code) => {
    const { texts, counted } = textsOf();
    const keys = Object.keys(catalogueOf(code));
    expect(
      [...texts, ...counted.keys()].filter((key) => !keys.includes(key)),
      "missing",
    ).toEqual([]);
    expect(
      keys.filter((key) => !texts.has(key) && !counted.has(key)),
      "said no more",
    ).toEqual([]);
  });

  it.each(languages)("keep their places in %s, in every plural form", (code) => {
    const { counted } = textsOf();
    const categories = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
    for (const [key, words] of Object.entries(catalogueOf(code))) {
      if (typeof words === "string") {
        expect(counted.has(key), key).toBe(false);
        expect(words.trim(), key).not.toBe("");
        expect(places(words), key).toEqual(places(key));
      } else {
        expect(Object.keys(words).sort(), key).toEqual([...categories].sort());
        for (const form of Object.values(words))
          expect(places(key), key).toEqual(expect.arrayContaining(places(form)));
        expect(places(words.other ?? ""), key).toEqual(places(key));
      }
    }
  });
});

describe("a language", () => {
  afterEach(() => speak("en", {}));

  it("is spoken from its file, and what the file lacks is said in English", () => {
    expect(t("Saving {n}…", { n: 3 })).toBe("Saving 3…");
    expect([1, 2].map((n) => tn(n, "{n} cell", "{n} cells"))).toEqual(["1 cell", "2 cells"]);
    speak("pl", {
      "{n} cells": { one: "{n} komórka", few: "{n} komórki", many: "{n} komórek", other: "{n} komórki" },
    });
    expect(spoken()).toBe("pl");
    expect([1, 3, 5].map((n) => tn(n, "{n} cell", "{n} cells"))).toEqual([
      "1 komórka",
      "3 komórki",
      "5 komórek",
    ]);
    expect(t("Saving {n}…", { n: 3 })).toBe("Saving 3…");
  });
});
