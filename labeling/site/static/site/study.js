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
