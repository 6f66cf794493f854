// What HTML and htmx cannot do alone: the theme, toasts, arrow keys, upload progress, and no polling behind one's back.
"use strict";

const root = document.documentElement;

// -- theme: as the system, light, dark; kept with the account, and on this browser for pages without one
const THEMES = ["system", "light", "dark"];

function showTheme(button, theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  button.title = button.dataset[theme];
  button.setAttribute("aria-label", button.dataset[theme]);
}

function keepTheme(theme) {
  if (!document.querySelector(".who")) return; // nobody has signed in
  const headers = {
    ...JSON.parse(document.body.getAttribute("hx-headers") ?? "{}"),
    "Content-Type": "application/json",
  };
  // Without an answer the browser keeps it, and the next choice is sent again.
  fetch(`${root.dataset.base}api/v1/me/theme/`, {
    method: "POST",
    headers,
    body: JSON.stringify({ theme }),
  }).catch(() => {});
}

for (const button of document.querySelectorAll("[data-theme-toggle]")) {
  button.hidden = false;
  let theme = root.dataset.theme ?? "system";
  showTheme(button, theme);
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    showTheme(button, theme);
    if (theme === "system") localStorage.removeItem("boxwise-theme");
    else localStorage.setItem("boxwise-theme", theme);
    keepTheme(theme);
  });
}

// -- a choice that is made by choosing; its button is for those without JavaScript
for (const select of document.querySelectorAll("[data-submits]")) {
  const button = select.form.querySelector("button");
  if (button) button.hidden = true;
  select.addEventListener("change", () => select.form.submit());
}

// -- a password that somebody wants to read; the button does nothing without JavaScript, so it is hidden until then
for (const button of document.querySelectorAll("[data-shows-password]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const field = document.querySelector(button.dataset.showsPassword);
    const isShown = field.type === "text";
    field.type = isShown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!isShown));
    field.focus();
  });
}

// -- toasts: good news goes by itself, the rest stays until it is closed
/** A sentence that the page holds in its language, with its places filled in. */
function sentence(holder, name, places = {}) {
  return holder.dataset[name].replace(/\{(\w+)\}/g, (_all, key) => places[key]);
}

function toast(text) {
  const made = document.getElementById("toast").content.cloneNode(true);
  made.querySelector("span").textContent = text;
  document.getElementById("toasts").append(made);
}

for (const good of document.querySelectorAll(".toast-card.is-success"))
  setTimeout(() => good.remove(), 8000);

document.addEventListener("click", (event) => {
  const dismiss = event.target.closest("[data-dismiss]");
  if (dismiss) dismiss.closest(".toast-card").remove();
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const field = document.querySelector(copy.dataset.copy);
    field.select();
    navigator.clipboard
      ?.writeText(field.value)
      .then(() => copy.classList.add("copied"));
  }
  const all = event.target.closest("[data-ticks-all]");
  if (all)
    for (const box of document.getElementsByName(all.dataset.ticksAll))
      box.checked = all.checked;
});

// -- arrow keys walk through grids and lists of links
document.addEventListener("keydown", (event) => {
  const here = event.target.closest?.("[data-grid] a, [data-list] a");
  const step = {
    ArrowRight: [1, 0],
    ArrowLeft: [-1, 0],
    ArrowDown: [0, 1],
    ArrowUp: [0, -1],
  }[event.key];
  if (
    !here ||
    !step ||
    event.altKey ||
    event.ctrlKey ||
    event.metaKey ||
    event.shiftKey
  )
    return;
  const all = [
    ...here.closest("[data-grid], [data-list]").querySelectorAll("a"),
  ];
  const top = all[0].getBoundingClientRect().top;
  const columns = Math.max(
    1,
    all.findIndex((a) => a.getBoundingClientRect().top > top + 1),
  );
  const next = all[all.indexOf(here) + step[0] + step[1] * columns];
  if (!next) return;
  event.preventDefault();
  next.focus();
});

// -- what is wider than its place is scrolled by the arrow keys too; what fits is no stop for the Tab key
function openToKeys() {
  for (const wide of document.querySelectorAll(".scroll")) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
    else wide.removeAttribute("tabindex");
  }
}
openToKeys();
window.addEventListener("resize", openToKeys);
document.addEventListener("htmx:afterSwap", openToKeys);

// -- Ctrl+K searches and ? or F1 helps on every page; while somebody types, these keys are letters
const search = document.querySelector("[data-search]");
const help = document.querySelector("[data-help]");
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || !search) return;
  const isMod = event.ctrlKey || event.metaKey;
  const isTyping = event.target.closest?.("input, textarea, select");
  if (isMod && event.key.toLowerCase() === "k") {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (!isMod && !isTyping && ["?", "F1"].includes(event.key)) {
    event.preventDefault();
    help.click();
  }
});

// -- polling rests while nobody looks, and looks at once when somebody is back
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.matches("[data-poll]"))
    event.preventDefault();
});

// -- a list that is fetched anew stays where it was scrolled to
const scrolled = new Map();
document.addEventListener("htmx:beforeSwap", () => {
  for (const list of document.querySelectorAll("[data-keeps]"))
    scrolled.set(list.id, list.scrollTop);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const list of document.querySelectorAll("[data-keeps]"))
    list.scrollTop = scrolled.get(list.id) ?? 0;
});

// -- what went wrong on the way is said
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (event.target.matches("[data-poll]") && status >= 500) return; // the next poll asks again
  const name = { 403: "role", 404: "gone" }[status] ?? "fault";
  toast(sentence(document.getElementById("toasts"), name, { status }));
});
document.addEventListener("htmx:sendError", (event) => {
  if (!event.target.matches("[data-poll]"))
    toast(sentence(document.getElementById("toasts"), "unreachable"));
});

// -- upload
const upload = document.getElementById("upload");
if (upload) {
  const files = upload.querySelector("input[type=file]");
  const bar = upload.querySelector(".upload-bar");
  files.addEventListener("change", () => {
    const most = Number(upload.dataset.mostFiles);
    const tooMany = files.files.length > most;
    files.setCustomValidity(
      tooMany
        ? sentence(upload, "tooMany", { most, n: files.files.length })
        : "",
    );
    if (tooMany) files.reportValidity();
  });
  const show = (words, share) => {
    bar.hidden = false;
    bar.querySelector("progress").value = share * 100;
    bar.querySelector("span").textContent = words;
  };
  let whole = 0; // htmx reports the answer's bytes by the same event: what is not of the upload's size is the answer
  upload.addEventListener("htmx:beforeRequest", () => (whole = 0));
  upload.addEventListener("htmx:xhr:progress", (event) => {
    const { loaded, total, lengthComputable } = event.detail;
    whole ||= total;
    if (!lengthComputable || total !== whole) return;
    const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
    const places = { done: mib(loaded), total: mib(total) };
    const isSent = loaded >= total;
    show(sentence(upload, isSent ? "sent" : "far", places), loaded / total);
  });
  upload.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== upload) return;
    bar.hidden = true;
    if (event.detail.successful) files.value = "";
  });
}
