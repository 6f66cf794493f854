// A field is left only when all that was done on it is on the server: once its clock stands it takes no more.
"use strict";
const stop = document.getElementById("study-stop");
stop.addEventListener("submit", (event) => {
  event.preventDefault();
  document.getElementById("study-waits").hidden = false;
  const leave = () => {
    const state = window.boxwise && window.boxwise.state();
    if (!state || state.waiting === 0) stop.submit();
    else setTimeout(leave, 100);
  };
  leave();
});
