// Feedback on a training field: once a cell is on the server, what the reference says of the one drawn last.
"use strict";
const said = document.getElementById("learning-feedback");
let known = new Map();
let wasWaiting = false;

async function ask() {
  const answer = await fetch(said.dataset.address, {
    headers: { Accept: "application/json" },
  });
  if (!answer.ok) return;
  const { cells } = await answer.json();
  const now = new Map(cells.map((cell) => [cell.annotation, cell]));
  for (const [name, cell] of now) {
    const before = known.get(name);
    const isNew =
      !before || before.verdict !== cell.verdict || before.given !== cell.given;
    if (isNew)
      said.textContent = said.dataset[cell.verdict].replace(
        "{expected}",
        cell.expected ?? "–",
      );
  }
  known = now;
}

setInterval(() => {
  const state = window.boxwise && window.boxwise.state();
  if (!state) return;
  const waits = state.waiting > 0;
  if (wasWaiting && !waits) void ask();
  wasWaiting = waits;
}, 200);
