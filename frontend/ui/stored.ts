/** Settings that this computer keeps in localStorage: theme, keys and display. */
import type { Command } from "../commands";

/** Name now, and the name of the release before, which is still read. */
type Name = { readonly now: string; readonly before?: string };

const THEME: Name = { now: "boxwise-theme" };
export const KEYS: Name = { now: "boxwise-keys" };
const CHANNELS: Name = { now: "boxwise-channels" };
const COLOUR_BY_OF: Name = { now: "boxwise-colour-by" };
const MOST_CHOICES = 200; // images whose choice of channels is kept; the one that was changed longest ago goes first
export const DISPLAY: Name = { now: "boxwise-display", before: "boxwise-look" };

/** Commands whose names were others in the release before: [before, now]. */
const RENAMED: readonly (readonly [string, Command])[] = [["edit.constrain", "edit.refusion"]];

export function stored<T>(name: Name): T | null {
  try {
    const text = localStorage.getItem(name.now) ?? (name.before ? localStorage.getItem(name.before) : null);
    return JSON.parse(text ?? "null") as T | null;
  } catch {
    return null;
  }
}

export function keep(name: Name, value: unknown): void {
  try {
    localStorage.setItem(name.now, JSON.stringify(value));
  } catch {
    // Private windows may keep nothing; the choice then lasts for this page.
  }
}

/** What somebody chose to see of an image (channel_settings.ts). */
export function choiceOf<T>(person: number, image: number): T | null {
  return stored<Record<string, T>>(CHANNELS)?.[`${person}/${image}`] ?? null;
}

export function keepChoice(person: number, image: number, choice: unknown): void {
  const name = `${person}/${image}`;
  const others = Object.entries(stored<Record<string, unknown>>(CHANNELS) ?? {}).filter(
    ([one]) => one !== name,
  );
  keep(CHANNELS, Object.fromEntries([...others.slice(1 - MOST_CHOICES), [name, choice]]));
}

/** What a person wants the colours of cells to say. */
export const colourByOf = (person: number): string | null =>
  stored<Record<string, string>>(COLOUR_BY_OF)?.[person] ?? null;

export function keepColourBy(person: number, by: string): void {
  keep(COLOUR_BY_OF, { ...stored<Record<string, string>>(COLOUR_BY_OF), [person]: by });
}

/** Keys that a person chose, under the commands' names of now. */
export function withNewNames<T>(overrides: Readonly<Record<string, T>>): Record<string, T> {
  const renamed = new Map<string, string>(RENAMED);
  return Object.fromEntries(
    Object.entries(overrides).map(([command, keys]) => [renamed.get(command) ?? command, keys]),
  );
}

export const isDark = (): boolean => {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

export function setTheme(theme: "light" | "dark"): void {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(THEME.now, theme); // labeling/site/static/site/theme.js reads it too, as plain text
  } catch {
    // as in `keep`
  }
}

export function restoreTheme(): void {
  if (document.documentElement.dataset.accountTheme) return; // theme.js has shown what the account keeps
  try {
    const theme = localStorage.getItem(THEME.now);
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // as in `keep`
  }
}
