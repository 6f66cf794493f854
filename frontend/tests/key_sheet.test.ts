/** The sheet of keys that the help prints is made from the commands (`npx vitest run tests/key_sheet.test.ts -u`). */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { COMMAND_NAMES, COMMANDS } from "../commands";

const german = JSON.parse(readFileSync("locale/de.json", "utf8")) as Record<string, string>;
const inLanguages = (english: string) => ({ en: english, de: german[english] });

it("the printed sheet has every command with a key, in its order and in every language", async () => {
  const withKeys = COMMAND_NAMES.filter((command) => COMMANDS[command].keys.length > 0);
  const rows = withKeys.map((command) => {
    const { sentence, group, keys } = COMMANDS[command];
    return { command, sentence: inLanguages(sentence), group: inLanguages(group), keys };
  });
  expect(rows.every(({ sentence, group }) => sentence.de && group.de)).toBe(true);
  await expect(`${JSON.stringify(rows, null, 1)}\n`).toMatchFileSnapshot("../../labeling/site/keys.json");
});
