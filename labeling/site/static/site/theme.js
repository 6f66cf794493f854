// Before the first paint, so that nobody who chose dark sees a white flash. A file, as the policy allows no inline script.
(() => {
  const chosen = localStorage.getItem("boxwise-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
