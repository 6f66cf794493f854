/** Things to test with: packs, states, drafts. */
import { Cells } from "../scene/cells";
import type { AnnotationState } from "../scene/contract";
import { decodePack, type Pack } from "../scene/pack";
import { putUuid } from "../scene/uuid";

export const IMAGE = { width: 512, height: 512 };
export const uuid = (n: number): string => `00000000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;

export const state = (
  box: [number, number, number, number],
  more: Partial<AnnotationState> = {},
): AnnotationState => ({
  kind: "cell",
  status: "confirmed",
  label_class: null,
  box,
  mask: null,
  derived_from: null,
  reason: "",
  provenance: {},
  ...more,
});

type Row = {
  id: number;
  op: number;
  box: number[];
  derived?: number;
  mask?: [number, number, number, number, Uint8Array];
  score?: number;
  label?: number;
};

/** The bytes of a pack as the server writes them. `spoil` changes the header before it is written. */
export function packBytes(
  rows: Row[],
  seq = 5,
  spoil: (header: { columns: { name: string }[] }) => unknown = (h) => h,
): ArrayBuffer {
  const n = rows.length;
  const uuids = (get: (r: Row) => number | undefined) => {
    const bytes = new Uint8Array(16 * n);
    rows.forEach((r, i) => putUuid(bytes, i, get(r) === undefined ? null : uuid(get(r) as number)));
    return bytes;
  };
  const bits = rows.map((r) => r.mask?.[4] ?? new Uint8Array(0));
  const offsets = [0];
  for (const b of bits) offsets.push((offsets.at(-1) as number) + b.length);
  const all = new Uint8Array(offsets.at(-1) as number);
  bits.forEach((b, i) => all.set(b, offsets[i]));
  const columns: [string, string, ArrayBufferView & { length: number }][] = [
    ["id", "u8", uuids((r) => r.id)],
    ["last_op", "u8", uuids((r) => r.op)],
    ["derived_from", "u8", uuids((r) => r.derived)],
    ["box", "f64", new Float64Array(rows.flatMap((r) => r.box))],
    ["kind", "u8", new Uint8Array(n)],
    ["status", "u8", new Uint8Array(n)],
    ["label_class", "u32", new Uint32Array(rows.map((r) => r.label ?? 0))],
    ["score", "f32", new Float32Array(rows.map((r) => r.score ?? NaN))],
    ["version", "u32", new Uint32Array(n).fill(1)],
    ["author", "u32", new Uint32Array(n)],
    [
      "mask_box",
      "i32",
      new Int32Array(rows.flatMap((r) => (r.mask?.slice(0, 4) as number[] | undefined) ?? [0, 0, 0, 0])),
    ],
    ["mask_offset", "u32", new Uint32Array(offsets)],
    ["mask_bits", "u8", all],
  ];
  let offset = 0;
  const described = columns.map(([name, type, data]) => {
    const column = { name, type, offset, length: data.length };
    offset += Math.ceil(data.byteLength / 8) * 8;
    return column;
  });
  let header = JSON.stringify(spoil({ layer: uuid(900), seq, count: n, columns: described } as never));
  header = header.padEnd(Math.ceil(header.length / 8) * 8);
  const buffer = new ArrayBuffer(8 + header.length + offset);
  const bytes = new Uint8Array(buffer);
  bytes.set(new TextEncoder().encode("BXP1"));
  new DataView(buffer).setUint32(4, header.length, true);
  bytes.set(new TextEncoder().encode(header), 8);
  columns.forEach(([, , data], i) =>
    bytes.set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      8 + header.length + described[i].offset,
    ),
  );
  return buffer;
}
export const packOf = (rows: Row[], seq?: number): Pack => decodePack(packBytes(rows, seq));

/** A page as far as requests look at it: its cookies, the name of the cookie with the CSRF token, and where the site
 *  lies. */
export const pageWith = (cookies: () => string = () => "", base = "/") => ({
  documentElement: { dataset: { base } },
  get cookie() {
    return cookies();
  },
  querySelector: (selector: string) =>
    selector === 'meta[name="csrf-cookie"]' ? { content: "boxwise_csrf_8000" } : null,
});

/** A working layer with cells 1 (prompt of proposal 101) and 2, a prediction layer with proposals 101 and 102. */
export function scene(): Cells {
  const cells = new Cells(IMAGE);
  const mask: [number, number, number, number, Uint8Array] = [12, 12, 4, 2, Uint8Array.of(0xff)];
  cells.load(
    cells.addLayer(uuid(900), true, "working"),
    packOf([
      { id: 1, op: 11, box: [10, 10, 30, 30], label: 5 },
      { id: 2, op: 12, box: [15, 15, 25, 25] },
    ]),
  );
  cells.load(
    cells.addLayer(uuid(901), false, "prediction"),
    packOf([
      { id: 101, op: 21, box: [11, 11, 17, 15], derived: 1, mask, score: 0.2 },
      {
        id: 102,
        op: 22,
        box: [100, 100, 120, 130],
        mask: [100, 100, 8, 1, Uint8Array.of(0x7e)],
        score: 0.9,
        label: 6,
      },
    ]),
  );
  return cells;
}

/** A small generator of random numbers, so that a failure names its seed. */
export const seeded = (seed: number) => () => {
  seed = (seed * 1664525 + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
