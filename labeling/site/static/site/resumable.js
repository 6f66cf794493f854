// Large files of the upload form: sent in parts by the tus protocol (labeling/images/resumable/api.py), so that they go
// on after a cut, a reload or a restart of the server. Small files go as they always did.
const form = document.getElementById("upload");
const list = document.getElementById("resumable");
const template = document.getElementById("resumable-row");
const input = form.querySelector("input[type=file]");
const TUS = { "Tus-Resumable": "1.0.0" };
const LONGEST_PAUSE = 30; // seconds
const SPEED_OVER = 15000; // ms of which the mean speed is said
const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
const sleep = (seconds) =>
  new Promise((done) => setTimeout(done, seconds * 1000));
const waiting = []; // uploads that are sent one after the other
let atWork = null;

/** A text of the page with its places filled in. */
function words(name, places = {}) {
  return list.dataset[name].replace(/\{(\w+)\}/g, (_all, key) => places[key]);
}

/** What went wrong for good, in words for the person. */
class Declined extends Error {}

// -- the protocol

function send(method, address, headers = {}, body = undefined, signal) {
  const token = form.elements.csrfmiddlewaretoken.value;
  const all = { ...TUS, "X-CSRFToken": token, ...headers };
  return fetch(address, { method, headers: all, body, signal });
}

async function declined(answer) {
  const problem = await answer.json().catch(() => null);
  return new Declined(problem?.detail ?? words("failed"));
}

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function metadata(file) {
  const said = {
    filename: file.name,
    modified: String(file.lastModified),
    ...facts(),
  };
  const encoder = new TextEncoder();
  return Object.entries(said)
    .map(([name, value]) => `${name} ${base64(encoder.encode(value))}`)
    .join(",");
}

/** What the form says of all its files. */
function facts() {
  const said = {};
  for (const [name, value] of new FormData(form)) {
    const isFact = typeof value === "string" && name !== "csrfmiddlewaretoken";
    if (isFact && value) said[name] = value;
  }
  return said;
}

/** The unfinished upload of the same file, where there is one. */
async function begun(file) {
  const name = encodeURIComponent(file.name.normalize("NFC"));
  const answer = await send("GET", `${list.dataset.uploads}?filename=${name}`);
  if (!answer.ok) throw await declined(answer);
  const { items } = await answer.json();
  const same = (one) =>
    one.size === file.size && one.modified === String(file.lastModified);
  return items.find(same);
}

async function create(file) {
  const answer = await send("POST", list.dataset.uploads, {
    "Upload-Length": String(file.size),
    "Upload-Metadata": metadata(file),
  });
  if (!answer.ok) throw await declined(answer);
  return {
    address: new URL(answer.headers.get("Location")).pathname,
    offset: 0,
  };
}

async function checksum(part) {
  if (!window.crypto?.subtle) return {}; // over plain HTTP a browser computes none
  const digest = await crypto.subtle.digest(
    "SHA-256",
    await part.arrayBuffer(),
  );
  return { "Upload-Checksum": `sha256 ${base64(new Uint8Array(digest))}` };
}

async function offsetOf(address) {
  const answer = await send("HEAD", address);
  if (answer.status === 404) throw new Declined(words("gone"));
  if (!answer.ok) throw new Error(`HEAD answered ${answer.status}`);
  return Number(answer.headers.get("Upload-Offset"));
}

// -- one file

class Upload {
  constructor(file, row) {
    this.file = file;
    this.row = row;
    this.address = null;
    this.offset = 0;
    this.stops = new AbortController();
    this.marks = []; // [ms, bytes], for the speed
  }

  async run() {
    const known = await begun(this.file);
    const there = known
      ? { address: `${list.dataset.upload}${known.id}/`, offset: known.offset }
      : await create(this.file);
    this.address = there.address;
    this.offset = there.offset;
    this.row.dataset.address = there.address;
    let failures = 0;
    while (this.offset < this.file.size) {
      this.show();
      try {
        await this.sendPart();
        failures = 0;
      } catch (error) {
        if (error instanceof Declined || this.stops.signal.aborted) throw error;
        failures += 1;
        this.say(words("waits"));
        await sleep(Math.min(LONGEST_PAUSE, 2 ** (failures - 1)));
        this.offset = await offsetOf(this.address).catch((problem) => {
          if (problem instanceof Declined) throw problem;
          return this.offset; // the server is still away
        });
      }
    }
  }

  /** Raises Declined for good, any other error where it is worth another try. */
  async sendPart() {
    const end = this.offset + Number(list.dataset.part);
    const part = this.file.slice(this.offset, end);
    const headers = {
      "Content-Type": "application/offset+octet-stream",
      "Upload-Offset": String(this.offset),
      ...(await checksum(part)),
    };
    const answer = await send(
      "PATCH",
      this.address,
      headers,
      part,
      this.stops.signal,
    );
    if (answer.ok) {
      this.offset = Number(answer.headers.get("Upload-Offset"));
      return;
    }
    const again = [409, 423, 429, 460].includes(answer.status);
    if (!again && answer.status < 500) throw await declined(answer);
    const problem = await answer
      .clone()
      .json()
      .catch(() => null);
    if (answer.status === 409 && problem?.code !== "wrong_offset")
      throw await declined(answer);
    throw new Error(`the part was answered with ${answer.status}`);
  }

  show() {
    const now = performance.now();
    this.marks.push([now, this.offset]);
    while (this.marks.length > 2 && now - this.marks[0][0] > SPEED_OVER)
      this.marks.shift();
    const [began, from] = this.marks[0];
    const speed = (1000 * (this.offset - from)) / Math.max(1, now - began);
    this.row.querySelector("progress").value =
      (100 * this.offset) / this.file.size;
    const places = { done: mib(this.offset), total: mib(this.file.size) };
    this.say(
      speed > 0
        ? words("speed", { ...places, speed: mib(speed) })
        : words("far", places),
    );
  }

  say(text) {
    this.row.querySelector("[data-how-far]").textContent = text;
  }
}

async function work() {
  if (atWork) return;
  while ((atWork = waiting.shift())) {
    const upload = atWork;
    try {
      await upload.run();
      upload.row.remove();
      showJobs();
    } catch (error) {
      if (upload.stops.signal.aborted) continue;
      upload.say(error instanceof Declined ? error.message : words("failed"));
      upload.row.querySelector("progress").hidden = true;
    }
  }
}

/** The part of the page that says how the files are read. */
function showJobs() {
  window.htmx.ajax("GET", list.dataset.jobs, {
    target: "#uploads",
    swap: "outerHTML",
  });
}

// -- the page

function rowOf(name) {
  const row = template.content.cloneNode(true).querySelector("li");
  row.querySelector("[data-name]").textContent = name;
  list.append(row);
  list.hidden = false;
  return row;
}

list.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-cancel]");
  if (!button) return;
  const row = button.closest("li");
  const own = [atWork, ...waiting].find((upload) => upload?.row === row);
  own?.stops.abort();
  if (own && waiting.includes(own)) waiting.splice(waiting.indexOf(own), 1);
  if (row.dataset.address) await send("DELETE", row.dataset.address);
  row.remove();
  list.hidden = !list.children.length;
});

// Before htmx sees it: what is large is taken out of what the form sends.
document.addEventListener(
  "submit",
  (event) => {
    if (event.target !== form) return;
    const from = Number(list.dataset.from);
    const large = [...input.files].filter((file) => file.size >= from);
    if (!large.length) return;
    for (const file of large) {
      for (const row of list.querySelectorAll("[data-unfinished]"))
        if (row.dataset.unfinished === `${file.name} ${file.size}`)
          row.remove();
      waiting.push(new Upload(file, rowOf(file.name)));
    }
    const small = new DataTransfer();
    for (const file of input.files)
      if (!large.includes(file)) small.items.add(file);
    input.files = small.files;
    if (!small.files.length) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
    work();
  },
  true,
);

addEventListener("beforeunload", (event) => {
  if (atWork) event.preventDefault();
});

/** Uploads of before that can go on, as soon as their file is chosen again. */
async function showUnfinished() {
  const answer = await send("GET", list.dataset.uploads);
  if (!answer.ok) return;
  for (const one of (await answer.json()).items) {
    const row = rowOf(one.name);
    row.dataset.address = `${list.dataset.upload}${one.id}/`;
    row.dataset.unfinished = `${one.name} ${one.size}`;
    row.querySelector("progress").value = (100 * one.offset) / one.size;
    const places = { done: mib(one.offset), total: mib(one.size) };
    row.querySelector("[data-how-far]").textContent = words("again", places);
  }
}

showUnfinished();
