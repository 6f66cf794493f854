// A field is left only when all that was done on it is on the server: once its clock stands it takes no more.
"use strict";
let isLeaving = false; // of two clicks the second would send a field that is finished already
window.addEventListener("pageshow", () => (isLeaving = false)); // back by the browser's history
for (const form of document.querySelectorAll(".study-leave")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isLeaving) return;
    isLeaving = true;
    document.getElementById("study-waits").hidden = false;
    const leave = () => {
      const state = window.boxwise && window.boxwise.state();
      if (!state || state.waiting === 0) form.submit();
      else setTimeout(leave, 100);
    };
    leave();
  });
}

// A field in a time box: the server says how many seconds are left, the page's own clock counts them.
const clock = document.getElementById("study-clock");
if (clock) {
  const end = performance.now() + 1000 * Number(clock.dataset.seconds);
  const show = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left > 0) setTimeout(show, 250);
    else document.getElementById("study-time-over").requestSubmit();
  };
  // Of a page that opens after the end, what is left in the browser is sent first: that needs the editor to be there.
  if (document.readyState === "complete") show();
  else window.addEventListener("load", show);
}
