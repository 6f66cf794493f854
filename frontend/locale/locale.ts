/** The words of the workspace in the reader's language. English stands in the source and is the key; every other
 *  language is a file beside this one, `de.json` and so on: English -> the translation, for counted words an object
 *  by plural category (Intl.PluralRules) under the English plural. What a file lacks is shown in English; a test
 *  finds it. */

type Forms = Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>;
export type Catalogue = Readonly<Record<string, string | Forms>>;
type Places = Readonly<Record<string, string | number>>;

let catalogue: Catalogue = {};
let language = "en";
let rules = new Intl.PluralRules("en");

/** From now on in this language. */
export function speak(code: string, words: Catalogue): void {
  language = code;
  catalogue = words;
  rules = new Intl.PluralRules(code);
}
export const spoken = (): string => language;

const filled = (sentence: string, places?: Places): string =>
  places ? sentence.replace(/\{(\w+)\}/g, (all, name: string) => String(places[name] ?? all)) : sentence;

/** A sentence; `{name}` in it is filled from `places`. */
export function t(english: string, places?: Places): string {
  const found = catalogue[english];
  return filled(typeof found === "string" ? found : english, places);
}

/** A counted one; `{n}` is the number. */
export function tn(n: number, one: string, many: string, places?: Places): string {
  const found = catalogue[many];
  const english = n === 1 ? one : many;
  const sentence = typeof found === "object" ? (found[rules.select(n)] ?? found.other ?? english) : english;
  return filled(sentence, { n, ...places });
}

/** Words of a table, translated where they are shown: `t(row.label)`. */
export const mark = <T extends string>(english: T): T => english;

/** The files of all languages, to be fetched; English needs none. */
const files = import.meta.glob<string>("./*.json", { query: "?url", import: "default", eager: true });
export const languages = (): string[] => ["en", ...Object.keys(files).map((path) => path.slice(2, -5))];

/** Fetch and speak the page's language. A file that does not come is no reason to show nothing: then it is English. */
export async function speakAs(code: string): Promise<void> {
  const url = files[`./${code}.json`] ?? files[`./${code.split("-")[0]}.json`];
  if (!url) return;
  try {
    const response = await fetch(new URL(url, import.meta.url), { credentials: "same-origin" });
    if (response.ok) speak(code, (await response.json()) as Catalogue);
  } catch {
    // as above
  }
}
