/** The workspace without the site: the built files, a page like the site's and an /api/v1/ that lives in memory.
 *
 *  For developers and screenshots only. Images: 1 empty, 2 with 500 boxes and a colleague's layer, 3 with proposals, 4 with 10,000 boxes,
 *  5 with 100,000 boxes, 6 with 10,000 masks, 7 with 1,000 boxes. What others do is set by POST /dev/: {"down": true}, {"signedOut": true},
 *  {"move": annotation}, {"decide": proposal}. An address with ?lang=de speaks German.   node dev/server.mjs [port] */
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";

const PORT = Number(process.argv[2] ?? 5199);
const DIST = new URL("../dist/", import.meta.url);
const SITE = new URL("../../labeling/site/static/site/", import.meta.url);
/** The tokens and components that the server's pages have, too. */
const siteStyles = async () =>
  (await Promise.all(["tokens.css", "components.css"].map((name) => readFile(new URL(name, SITE))))).join(
    "\n",
  );
const KINDS = ["cell", "region"];
const STATUSES = ["confirmed", "rejected", "cannot_tell", "exhaustive", "ignore"];
const CLASSES = [
  { id: 11, name: "Tumour", color: "#0072b2", key: 1 },
  { id: 12, name: "Lymphocyte", color: "#e69f00", key: 2 },
  { id: 13, name: "Stroma", color: "#009e73", key: 3 },
];
const ATTRIBUTES = [
  { name: "Stain intensity", values: ["0", "1", "2", "3"] },
  { name: "Mitosis", values: ["no", "yes"] },
  { name: "Confidence", values: ["1", "2", "3"] },
];
const ME = { id: 7, name: "Dr A" };
const OTHER = { id: 8, name: "Dr B" };
const CSP =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'self'";
const TYPES = { css: "text/css", js: "text/javascript", wasm: "application/wasm", json: "text/plain" };
const trouble = { down: false, signedOut: false };
const activity = [];

let seed = 7;
const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;

/** Ellipses on a jittered lattice: centre and radii, image pixels. */
function field(count, width, height) {
  const step = Math.sqrt((width * height) / count);
  const found = [];
  for (let y = step / 2; y < height; y += step)
    for (let x = step / 2; x < width && found.length < count; x += step) {
      const r = step * (0.26 + 0.14 * random());
      const squeeze = 0.75 + 0.5 * random();
      found.push({
        x: x + (random() - 0.5) * step * 0.25,
        y: y + (random() - 0.5) * step * 0.25,
        rx: r * squeeze,
        ry: r / squeeze,
      });
    }
  return found;
}
const clampBox = (b, w, h) => [Math.max(0, b[0]), Math.max(0, b[1]), Math.min(w, b[2]), Math.min(h, b[3])];
const boxOf = (e, w, h) =>
  clampBox(
    [e.x - e.rx, e.y - e.ry, e.x + e.rx, e.y + e.ry].map((n) => Math.round(n * 10) / 10),
    w,
    h,
  );
function maskOf(e, w, h) {
  const b = boxOf(e, w, h);
  const [x, y, x1, y1] = [Math.floor(b[0]), Math.floor(b[1]), Math.ceil(b[2]), Math.ceil(b[3])];
  const [width, height] = [x1 - x, y1 - y];
  const bits = Buffer.alloc(Math.ceil((width * height) / 8));
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++)
      if (((x + c + 0.5 - e.x) / e.rx) ** 2 + ((y + r + 0.5 - e.y) / e.ry) ** 2 <= 1) {
        const i = r * width + c;
        bits[i >> 3] |= 0x80 >> (i & 7);
      }
  return { x, y, width, height, bits: bits.toString("base64") };
}
const state = (more) => ({
  kind: "cell",
  status: "confirmed",
  label_class: null,
  mask: null,
  derived_from: null,
  reason: "",
  provenance: {},
  ...more,
});

function layer(kind, more = {}) {
  return {
    id: randomUUID(),
    kind,
    annotator: null,
    seq: 0,
    writable: kind === "working",
    publication: null,
    rows: new Map(),
    log: [],
    ops: new Map(),
    ...more,
  };
}
function add(l, s, score = NaN, author = ME.id) {
  const id = randomUUID();
  l.rows.set(id, { state: s, last_op: randomUUID(), version: 1, score, author });
  return id;
}
function image(id, name, size, count, proposals, masks = false) {
  const [w, h] = size;
  const cells = field(Math.max(1, count || 60), w, h);
  const working = layer("working");
  const layers = [working];
  if (id === 2) {
    layers.push(layer("working", { writable: false, annotator: OTHER }));
    for (const e of cells.slice(0, 200))
      add(
        layers[1],
        state({ box: boxOf({ ...e, x: e.x + 3, y: e.y + 2 }, w, h), label_class: 12 }),
        NaN,
        OTHER.id,
      );
  }
  const classFor = () => CLASSES[Math.floor(random() * 3)].id;
  if (count && !proposals)
    for (const e of cells)
      add(
        working,
        state({ box: boxOf(e, w, h), label_class: classFor(), mask: masks ? maskOf(e, w, h) : null }),
      );
  if (proposals) {
    const certificate = {
      objective: 184223,
      flow: 184223,
      cut: 184223,
      closed: true,
      milliseconds: 14.2,
      ambiguous_share: 0.0312,
      components: 47,
    };
    const models = { detector: "yolov8n round 3", segmenter: "unet-small round 3", prompter: "grabcut" };
    const publication = {
      id: 1,
      round: 3,
      round_number: 3,
      published_at: "2026-11-21T09:12:00Z",
      models,
      certificate,
    };
    const predicted = layer("prediction", { publication });
    layers.push(predicted);
    cells.forEach((e, i) => {
      const box = boxOf(e, w, h);
      const prompt = i % 3 === 0 ? add(working, state({ box, label_class: CLASSES[i % 2].id })) : null;
      add(
        predicted,
        state({ box, label_class: CLASSES[i % 2].id, mask: maskOf(e, w, h), derived_from: prompt }),
        Math.round(random() * 100) / 100,
        0,
      );
    });
  }
  return { id, name, width: w, height: h, cells, layers };
}
const images = [
  image(1, "empty field", [512, 512], 0, false),
  image(2, "500 boxes", [1000, 1000], 500, false),
  image(3, "proposals", [512, 512], 120, true),
  image(4, "10,000 boxes", [4000, 4000], 10_000, false),
  image(5, "100,000 boxes", [12_000, 12_000], 100_000, false),
  image(6, "10,000 masks", [2048, 2048], 10_000, false, true),
  image(7, "1,000 boxes", [1280, 1280], 1_000, false),
];
const layers = new Map(images.flatMap((i) => i.layers.map((l) => [l.id, l])));

function pack(l) {
  const rows = [...l.rows].filter(([, r]) => r.state);
  const n = rows.length;
  const uuids = (get) =>
    Buffer.concat(
      rows.map((r) => (get(r) ? Buffer.from(get(r).replaceAll("-", ""), "hex") : Buffer.alloc(16))),
    );
  const bits = rows.map(([, r]) =>
    r.state.mask ? Buffer.from(r.state.mask.bits, "base64") : Buffer.alloc(0),
  );
  const offsets = [0];
  for (const b of bits) offsets.push(offsets.at(-1) + b.length);
  const flat = (get) => rows.flatMap(([, r]) => get(r));
  const typed = (array) => Buffer.from(array.buffer);
  const columns = [
    ["id", "u8", uuids(([id]) => id), 16 * n],
    ["last_op", "u8", uuids(([, r]) => r.last_op), 16 * n],
    ["derived_from", "u8", uuids(([, r]) => r.state.derived_from), 16 * n],
    ["box", "f64", typed(new Float64Array(flat((r) => r.state.box))), 4 * n],
    ["kind", "u8", typed(new Uint8Array(flat((r) => KINDS.indexOf(r.state.kind)))), n],
    ["status", "u8", typed(new Uint8Array(flat((r) => STATUSES.indexOf(r.state.status)))), n],
    ["label_class", "u32", typed(new Uint32Array(flat((r) => r.state.label_class ?? 0))), n],
    ["score", "f32", typed(new Float32Array(flat((r) => r.score))), n],
    ["version", "u32", typed(new Uint32Array(flat((r) => r.version))), n],
    ["author", "u32", typed(new Uint32Array(flat((r) => r.author))), n],
    [
      "mask_box",
      "i32",
      typed(
        new Int32Array(
          flat((r) =>
            r.state.mask
              ? [r.state.mask.x, r.state.mask.y, r.state.mask.width, r.state.mask.height]
              : [0, 0, 0, 0],
          ),
        ),
      ),
      4 * n,
    ],
    ["mask_offset", "u32", typed(new Uint32Array(offsets)), n + 1],
    ["mask_bits", "u8", Buffer.concat(bits), offsets.at(-1)],
  ];
  let offset = 0;
  const parts = [];
  const described = columns.map(([name, type, bytes, length]) => {
    const column = { name, type, offset, length };
    const padded = Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
    parts.push(padded);
    offset += padded.length;
    return column;
  });
  let header = JSON.stringify({ layer: l.id, seq: l.seq, count: n, columns: described });
  header = header.padEnd(header.length + ((8 - (header.length % 8)) % 8));
  const head = Buffer.alloc(8);
  head.write("BXP1");
  head.writeUInt32LE(header.length, 4);
  return Buffer.concat([head, Buffer.from(header), ...parts]);
}

function take(l, op, author) {
  const now = (annotation) => {
    const r = l.rows.get(annotation);
    return { annotation, version: r?.version ?? 0, last_op: r?.last_op ?? null, state: r?.state ?? null };
  };
  const verdict = (word, error = null) => ({
    op_id: op.op_id,
    verdict: word,
    seq: l.ops.get(op.op_id) ?? null,
    error,
    current: op.effects.map((e) => now(e.annotation)),
  });
  if (l.ops.has(op.op_id)) return verdict("repeated");
  for (const e of op.effects) {
    if ((l.rows.get(e.annotation)?.last_op ?? null) !== e.seen)
      return verdict("stale", { code: "stale_effect", detail: "somebody acted since" });
    const ids =
      e.after?.derived_from &&
      [...l.rows].some(
        ([id, r]) =>
          id !== e.annotation &&
          r.state?.derived_from === e.after.derived_from &&
          // The same operation may take the proposal from the annotation that has decided it.
          !op.effects.some((o) => o.annotation === id && o.after?.derived_from !== e.after.derived_from),
      );
    if (ids)
      return verdict("stale", { code: "already_decided", detail: "somebody has decided this proposal" });
    const b = e.after?.box;
    if (b && !(b[0] >= 0 && b[1] >= 0 && b[0] < b[2] && b[1] < b[3]))
      return verdict("invalid", { code: "bad_box", detail: "the box lies outside the image", field: "box" });
  }
  l.seq++;
  l.ops.set(op.op_id, l.seq);
  const effects = op.effects.map((e) => {
    const before = l.rows.get(e.annotation)?.state ?? null;
    const version = (l.rows.get(e.annotation)?.version ?? 0) + 1;
    l.rows.set(e.annotation, { state: e.after, last_op: op.op_id, version, score: NaN, author: author.id });
    return { annotation: e.annotation, version, before, after: e.after };
  });
  l.log.push({ ...op, layer: l.id, seq: l.seq, author, effects });
  return verdict("accepted");
}

/** What the log says of one annotation. */
function headOf(l, annotation) {
  const row = l.rows.get(annotation);
  const operation = l.log.find((o) => o.op_id === row?.last_op) ?? null;
  return {
    annotation,
    version: row?.version ?? 0,
    last_op: row?.last_op ?? null,
    state: row?.state ?? null,
    author: operation?.author ?? null,
    operation,
    opinions: [],
  };
}

function byOther(l, action, effects) {
  const at = new Date().toISOString();
  return take(
    l,
    {
      op_id: randomUUID(),
      action,
      tool: "select",
      session: randomUUID(),
      undoes: null,
      begun_at: at,
      committed_at: at,
      effects,
    },
    OTHER,
  );
}

/** Large images come in tiles, as from labeling/images/tiles.py; here painted from the cells and kept. */
const SIDE = 512;
const levelsOf = ({ width, height }) => Math.ceil(Math.log2(Math.max(1, Math.max(width, height) / SIDE))) + 1;
const isTiled = ({ width, height }) => Math.max(width, height) > 2048;
const painted = new Map();
function whole(img) {
  if (!painted.has(img.id)) painted.set(img.id, paint(img, 0, 0, 0, Math.max(img.width, img.height)));
  return painted.get(img.id);
}
function tile(img, level, column, row) {
  const key = `${img.id}/${level}/${column}/${row}`;
  if (!painted.has(key)) painted.set(key, paint(img, level, column, row));
  return painted.get(key);
}
function paint(img, level, column, row, side = SIDE) {
  const by = 2 ** level;
  const [left, top] = [column * side, row * side];
  const [w, h] = [img.width, img.height].map((n, i) => Math.min(side, Math.ceil(n / by) - [left, top][i]));
  if (level >= levelsOf(img) || w <= 0 || h <= 0) return null;
  const line = 1 + 3 * w;
  const raw = Buffer.alloc(line * h);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const grain = (((x + left) * 7 + (y + top) * 13) ^ ((x + left) * (y + top))) & 7; // so that it does not pack like a drawing
      raw.set([236 + grain, 207 + grain, 220 + grain], y * line + 1 + 3 * x);
    }
  for (const e of img.cells) {
    const [cx, cy, rx, ry] = [e.x / by - left, e.y / by - top, e.rx / by, e.ry / by];
    if (cx + rx < 0 || cy + ry < 0 || cx - rx > w || cy - ry > h) continue;
    for (let y = Math.max(0, Math.ceil(cy - ry)); y < Math.min(h, cy + ry); y++)
      for (let x = Math.max(0, Math.ceil(cx - rx)); x < Math.min(w, cx + rx); x++)
        if (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1) {
          const at = y * line + 1 + 3 * x;
          raw[at] -= 90;
          raw[at + 1] -= 95;
          raw[at + 2] -= 50;
        }
  }
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(data.length);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([size, body, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(w, 0);
  head.writeUInt32BE(h, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(raw, { level: 1 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
// What a server has cut beforehand: the first view of every image does not wait for our painting.
for (const img of images.filter(isTiled)) {
  const last = levelsOf(img) - 1;
  for (let level = last; level >= Math.max(0, last - 1); level--)
    for (let row = 0; row * SIDE < img.height / 2 ** level; row++)
      for (let column = 0; column * SIDE < img.width / 2 ** level; column++) tile(img, level, column, row);
}
const tilesOf = (img) =>
  isTiled(img) ? { url: `/tiles/${img.id}/`, size: SIDE, levels: levelsOf(img) } : null;
const thumbnailOf = (img) =>
  isTiled(img) ? `/tiles/${img.id}/${levelsOf(img) - 1}/0/0/` : `/pixels/${img.id}.png`;

const page = (id, lang = "en") =>
  `<!doctype html><html lang="${lang}"><head><meta name="csrf-cookie" content="csrftoken"><meta charset="utf-8"><title>Boxwise</title><link rel="stylesheet" href="/static/page.css"><link rel="stylesheet" href="/static/workspace.css"><link rel="preload" as="fetch" crossorigin href="/api/v1/images/${id}/workspace/">${isTiled(images[id - 1]) ? "" : `<link rel="preload" as="image" href="/pixels/${id}.png">`}<script type="module" src="/static/workspace.js"></script></head><body class="workspace"><div id="workspace" data-image="${id}"></div></body></html>`;

const body = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || "{}");
};

createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  const path = url.pathname;
  const answer = (status, content, type = "application/json") => {
    response.writeHead(status, {
      "Content-Type": type,
      "Content-Security-Policy": CSP,
      "Cache-Control": "no-store",
      "Set-Cookie": "csrftoken=dev; Path=/; SameSite=Lax",
    });
    response.end(type === "application/json" ? JSON.stringify(content) : content);
  };
  const problem = (status, code, detail) =>
    answer(status, { type: "about:blank", title: code, status, code, detail });
  try {
    if (path === "/dev/") {
      const wish = await body(request);
      for (const key of Object.keys(trouble)) if (key in wish) trouble[key] = wish[key];
      const holder = (id) => [...layers.values()].find((l) => l.rows.has(id));
      if (wish.move) {
        const l = holder(wish.move);
        const r = l.rows.get(wish.move);
        const box = r.state.box.map((n) => n + 6);
        return answer(
          200,
          byOther(l, "move", [{ annotation: wish.move, seen: r.last_op, after: { ...r.state, box } }]),
        );
      }
      if (wish.decide) {
        const l = [...layers.values()].find(
          (x) =>
            x.kind === "working" &&
            images.some((i) => i.layers.includes(x) && i.layers.includes(holder(wish.decide))),
        );
        const p = holder(wish.decide).rows.get(wish.decide).state;
        return answer(
          200,
          byOther(l, "reject", [
            {
              annotation: randomUUID(),
              seen: null,
              after: { ...p, mask: null, status: "rejected", derived_from: wish.decide },
            },
          ]),
        );
      }
      return answer(200, { ...trouble, activity: activity.length, batches: activity });
    }
    if (path === "/favicon.ico") return answer(200, "", "image/svg+xml");
    if (path.startsWith("/static/")) {
      const name = path.slice(8);
      if (name === "page.css") return answer(200, await siteStyles(), "text/css");
      const type = TYPES[name.split(".").at(-1)] ?? "application/octet-stream";
      return answer(200, await readFile(new URL(name, DIST)), type);
    }
    let match = /^\/images\/(\d+)\/$/.exec(path);
    if (match)
      return answer(200, page(match[1], url.searchParams.get("lang") === "de" ? "de" : "en"), "text/html");
    match = /^\/pixels\/(\d+)\.png$/.exec(path);
    if (match) return answer(200, whole(images[match[1] - 1]), "image/png");
    match = /^\/tiles\/(\d+)\/(\d+)\/(\d+)\/(\d+)\/$/.exec(path);
    if (match) {
      const [id, level, column, row] = match.slice(1).map(Number);
      const png = tile(images[id - 1], level, column, row);
      return png ? answer(200, png, "image/png") : problem(404, "not_found", path);
    }
    if (trouble.down) return request.socket.destroy();
    if (trouble.signedOut) return problem(401, "not_signed_in", "Your session has ended.");
    match = /^\/api\/v1\/images\/(\d+)\/workspace\/$/.exec(path);
    if (match) {
      const i = images[match[1] - 1];
      if (!i) return problem(404, "not_found", "No such image.");
      return answer(200, {
        image: {
          id: i.id,
          name: i.name,
          width: i.width,
          height: i.height,
          um_per_px: 0.25,
          synthetic: true,
          pixels_url: `/pixels/${i.id}.png`,
          tiles: tilesOf(i),
          thumbnail_url: thumbnailOf(i),
          position: i.id,
          count: images.length,
          previous: i.id > 1 ? i.id - 1 : null,
          next: i.id < images.length ? i.id + 1 : null,
        },
        project: {
          id: 3,
          name: "Breast pilot",
          role: "owner",
          records_activity: true,
          url: "/projects/3/",
          classes: CLASSES,
          attributes: ATTRIBUTES,
        },
        person: ME,
        people: [ME, OTHER],
        layers: i.layers.map(({ id, kind, annotator, seq, writable, publication }) => ({
          id,
          kind,
          annotator,
          seq,
          writable,
          publication,
        })),
      });
    }
    if (path === "/api/v1/projects/3/images/") {
      const items = images.map(({ id }) => ({ id, name: `image ${id}` }));
      return answer(200, { items, next: null });
    }
    match = /^\/api\/v1\/images\/(\d+)\/$/.exec(path);
    if (match && request.method === "PATCH") return answer(200, {});
    match = /^\/api\/v1\/layers\/([0-9a-f-]+)\/(pack|operations|heads)\/$/.exec(path);
    if (match) {
      const l = layers.get(match[1]);
      if (!l) return problem(404, "not_found", "No such layer.");
      if (match[2] === "pack") return answer(200, pack(l), "application/octet-stream");
      if (match[2] === "heads")
        return answer(200, { annotations: url.searchParams.getAll("annotation").map((id) => headOf(l, id)) });
      if (request.method === "GET") {
        const [after, limit] = [
          Number(url.searchParams.get("after")),
          Number(url.searchParams.get("limit") ?? 1000),
        ];
        const operations = l.log.filter((o) => o.seq > after).slice(0, limit);
        return answer(200, { layer: l.id, seq: l.seq, operations, more: operations.length === limit });
      }
      if (request.headers["x-csrftoken"] !== "dev") return problem(403, "csrf", "CSRF token missing.");
      const results = (await body(request)).operations.map((op) => take(l, op, ME));
      const has = (word) => results.some((r) => r.verdict === word);
      const declined = has("invalid") ? 422 : 200;
      return answer(has("stale") ? 409 : declined, { layer: l.id, seq: l.seq, results });
    }
    if (path === "/api/v1/activity/") {
      activity.push(await body(request));
      return answer(200, { stored: true });
    }
    return problem(404, "not_found", path);
  } catch (error) {
    return problem(500, "bug", String(error?.stack ?? error));
  }
}).listen(PORT, "127.0.0.1", () => console.log(`http://127.0.0.1:${PORT}/images/3/`));
