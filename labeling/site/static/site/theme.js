// Before the first paint, so that nobody who chose dark sees a white flash. A file, as the policy allows no inline script.
// The choice is the account's; a browser keeps it too, for pages without an account and for who has chosen nothing yet.
try {
  const root = document.documentElement;
  const chosen =
    root.dataset.accountTheme ?? localStorage.getItem("boxwise-theme");
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing: the theme is then the system's.
}
