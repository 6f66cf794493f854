// The sheet of keys: as people write them, with those that somebody has changed in the workspace of this browser.
"use strict";

const sheet = document.querySelector(".key-groups");
const SHORT = {
  Mod: sheet.dataset.ctrl,
  Escape: "Esc",
  Delete: sheet.dataset.del,
  Space: sheet.dataset.space,
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
};

function label(key) {
  if (key === "+") return key;
  const parts = key.split("+");
  return parts
    .map(
      (part) => SHORT[part] ?? (part.length === 1 ? part.toUpperCase() : part),
    )
    .join("+");
}

function keysOfThisComputer() {
  try {
    return JSON.parse(localStorage.getItem("boxwise-keys") ?? "{}") ?? {};
  } catch {
    return {}; // a private window keeps none
  }
}

const own = keysOfThisComputer();
for (const place of sheet.querySelectorAll("[data-command]")) {
  const chosen = own[place.dataset.command];
  if (!Array.isArray(chosen)) continue;
  document.querySelector("[data-own-keys]").hidden = false;
  place.replaceChildren(
    ...chosen.map((key) => {
      const made = document.createElement("kbd");
      made.dataset.key = String(key);
      return made;
    }),
  );
}
for (const key of sheet.querySelectorAll("kbd"))
  key.textContent = label(key.dataset.key);

const print = document.querySelector("[data-print]");
print.hidden = false;
print.addEventListener("click", () => window.print());
