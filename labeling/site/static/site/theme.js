// Before the first paint, so that nobody who chose dark sees a white flash. A file, as the policy allows no inline script.
try {
  const chosen = localStorage.getItem("boxwise-theme"); // the workspace keeps it under the same name
  if (chosen === "light" || chosen === "dark")
    document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing: the theme is then the system's.
}
