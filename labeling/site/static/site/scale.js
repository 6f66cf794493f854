// A line along a scale bar: drawn with the pointer or typed, and the scale that follows from it. The server computes it
// again from the ends (images/services.py, measure_scale).
"use strict";

const view = document.getElementById("measure");
const sheet = view.querySelector("svg");
const form = document.getElementById("line");
const shown = document.getElementById("um-per-px");
const ends = ["x0", "y0", "x1", "y1"];

function show() {
  const at = ends.map((name) => Number(form.elements[name].value));
  for (const line of sheet.querySelectorAll("line")) {
    line.setAttribute("x1", at[0]);
    line.setAttribute("y1", at[1]);
    line.setAttribute("x2", at[2]);
    line.setAttribute("y2", at[3]);
  }
  const pixels = Math.hypot(at[2] - at[0], at[3] - at[1]);
  const length = Number(form.elements.um.value);
  shown.textContent =
    pixels > 0 && length > 0 ? (length / pixels).toPrecision(4) : "–";
}

/** Where the pointer is, in pixels of the image. */
function point(event) {
  const box = sheet.getBoundingClientRect();
  const { width, height } = sheet.viewBox.baseVal;
  const x = ((event.clientX - box.left) / box.width) * width;
  const y = ((event.clientY - box.top) / box.height) * height;
  return [
    Math.min(width, Math.max(0, x)).toFixed(1),
    Math.min(height, Math.max(0, y)).toFixed(1),
  ];
}

sheet.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  sheet.setPointerCapture(event.pointerId);
  [form.elements.x0.value, form.elements.y0.value] = point(event);
  [form.elements.x1.value, form.elements.y1.value] = point(event);
  show();
});
sheet.addEventListener("pointermove", (event) => {
  if (!sheet.hasPointerCapture(event.pointerId)) return;
  [form.elements.x1.value, form.elements.y1.value] = point(event);
  show();
});
sheet.addEventListener("pointerup", () => form.elements.um.focus());
form.addEventListener("input", show);
document
  .getElementById("actual-size")
  .addEventListener("change", (event) =>
    view.classList.toggle("actual", event.target.checked),
  );
if (form.elements.x0.value) show();
