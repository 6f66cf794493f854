// Files for the upload form: chosen, dropped anywhere on the page (folders too), or pasted. What is not an image by its
// name is left out of a folder, and said; a single file is always taken, so that the server can say what is wrong.
const form = document.getElementById("upload");
const input = document.getElementById("id_images");
const folder = document.getElementById("id_folder");
const said = form.querySelector("[data-chosen-files]");
const accepted = input.accept.split(",");

const isImage = (file) =>
  accepted.some((ending) => file.name.toLowerCase().endsWith(ending));

function words(name, places) {
  return form.dataset[name].replace(/\{(\w+)\}/g, (_all, key) => places[key]);
}

/** How many files the form has, how large they are together, how many of a folder were left out, and what could not be
 * read, by name. */
function say(leftOut = 0, unreadable = []) {
  const files = [...input.files];
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const places = { n: files.length, mib: (bytes / 2 ** 20).toFixed(1) };
  const sentences = files.length ? [words("chosen", places)] : [];
  if (leftOut) sentences.push(words("leftOut", { n: leftOut }));
  if (unreadable.length)
    sentences.push(words("unreadable", { names: unreadable.join(", ") }));
  said.textContent = sentences.join(". ");
}

/** Add files to those that are chosen already. Of `many` files those that are no images are left out.
 * unreadable: names of others that could not be read */
function add(files, many, unreadable = []) {
  const taken = many ? files.filter(isImage) : files;
  const all = new DataTransfer();
  for (const file of [...input.files, ...taken]) all.items.add(file);
  input.files = all.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  say(files.length - taken.length, unreadable);
  input.scrollIntoView({ block: "center" });
}

/** All files of an entry, which is a file or a folder of entries; what cannot be read goes by its name into
 * `unreadable`, and the others are kept. A folder tells its entries a hundred at a time. */
async function filesOf(entry, unreadable) {
  try {
    return await readable(entry, unreadable);
  } catch {
    unreadable.push(entry.name);
    return [];
  }
}

async function readable(entry, unreadable) {
  if (entry.isFile)
    return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, fail) =>
      reader.readEntries(done, fail),
    );
    if (!some.length) return found;
    for (const one of some) found.push(...(await filesOf(one, unreadable)));
  }
}

input.addEventListener("change", () => say());
form.addEventListener("htmx:afterRequest", (event) => {
  if (event.target === form) said.textContent = "";
});
form.querySelector("[data-folder-row]").hidden = false;
folder.addEventListener("change", () => {
  add([...folder.files], true);
  folder.value = "";
});

const hasFiles = (transfer) => transfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!hasFiles(event.dataTransfer)) return;
  event.preventDefault();
  document.body.classList.add("is-dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("is-dropping");
});
document.addEventListener("drop", async (event) => {
  document.body.classList.remove("is-dropping");
  // A drop on a field for files is the browser's, but for our own, which would lose what is chosen already.
  if (event.target.closest("input[type=file]") && event.target !== input)
    return;
  if (!hasFiles(event.dataTransfer)) return;
  event.preventDefault();
  const entries = [...event.dataTransfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  const loose = entries.length ? [] : [...event.dataTransfer.files]; // not from a disk
  const holdsFolder = entries.some((entry) => entry.isDirectory);
  const unreadable = [];
  const files = await Promise.all(
    entries.map((entry) => filesOf(entry, unreadable)),
  );
  add([...files.flat(), ...loose], holdsFolder, unreadable);
});
document.addEventListener("paste", (event) => {
  // Into a field for text goes text: other programs put a picture of it beside it.
  const isText = event.target.matches?.("textarea, input:not([type=file])");
  const files = [...(event.clipboardData?.files ?? [])];
  if (isText || !files.length) return;
  event.preventDefault();
  add(files, false);
});
