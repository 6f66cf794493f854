// Feedback on a training field: once a cell is on the server, what the reference says of the one drawn last.
"use strict";
const said = document.getElementById("learning-feedback");
let known = new Map();
let seenSeq = 0;

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

// By the number of the log, which counts what has arrived: a save that begins and ends between two looks is seen too.
setInterval(() => {
  const state = window.boxwise && window.boxwise.state();
  if (!state || state.waiting > 0 || state.seq === seenSeq) return;
  seenSeq = state.seq;
  void ask();
}, 200);
