/** The binary pack of a layer: "BXP1", header length, JSON header, columns aligned to eight bytes. */
import type { Opinion } from "./contract";

export type PackColumns = {
  id: Uint8Array;
  last_op: Uint8Array;
  derived_from: Uint8Array;
  box: Float64Array;
  kind: Uint8Array;
  status: Uint8Array;
  label_class: Uint32Array;
  score: Float32Array;
  version: Uint32Array;
  author: Uint32Array;
  mask_box: Int32Array;
  mask_offset: Uint32Array;
  mask_bits: Uint8Array;
  /** Only where a row has something to say in them. */
  attributes?: Uint8Array;
  parent?: Uint8Array;
  decided_by?: Uint32Array;
};
/** Name and its values as they occur; the column has one byte a row and name: 0 for nothing, else the value from 1. */
export type AttributeCodes = readonly (readonly [string, readonly string[]])[];
export type Pack = {
  layer: string;
  seq: number;
  count: number;
  columns: PackColumns;
  attributes: AttributeCodes;
  /** On the cells of a shared working layer, also on deleted ones. */
  opinions: readonly PackedOpinion[];
};
export type PackedOpinion = Opinion & { readonly annotation: string };

const TYPES = {
  u8: Uint8Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;

/** Column -> its type, and how many elements it has for a count of rows (-1: not fixed). */
const LAYOUT: Record<keyof PackColumns, [keyof typeof TYPES, (count: number, attributes: number) => number]> =
  {
    id: ["u8", (n) => 16 * n],
    last_op: ["u8", (n) => 16 * n],
    derived_from: ["u8", (n) => 16 * n],
    box: ["f64", (n) => 4 * n],
    kind: ["u8", (n) => n],
    status: ["u8", (n) => n],
    label_class: ["u32", (n) => n],
    score: ["f32", (n) => n],
    version: ["u32", (n) => n],
    author: ["u32", (n) => n],
    mask_box: ["i32", (n) => 4 * n],
    mask_offset: ["u32", (n) => n + 1],
    mask_bits: ["u8", () => -1],
    attributes: ["u8", (n, of) => n * of],
    parent: ["u8", (n) => 16 * n],
    decided_by: ["u32", (n) => n],
  };

const OPTIONAL: readonly (keyof PackColumns)[] = ["attributes", "parent", "decided_by"];

export class BadPack extends Error {}

type Column = {
  readonly name: string;
  readonly type: string;
  readonly offset: number;
  readonly length: number;
};
type Header = {
  readonly layer: string;
  readonly seq: number;
  readonly count: number;
  readonly attributes?: AttributeCodes;
  readonly opinions?: readonly PackedOpinion[];
  readonly columns: readonly Column[];
};

/** Views on the bytes, nothing is copied. Throws BadPack when the bytes are not a pack of this version. */
export function decodePack(buffer: ArrayBuffer): Pack {
  const { header, start } = readHeader(buffer);
  const columns: Partial<Record<keyof PackColumns, unknown>> = {};
  for (const name of Object.keys(LAYOUT) as (keyof PackColumns)[]) {
    const column = header.columns.find((c) => c.name === name);
    if (column || !OPTIONAL.includes(name)) columns[name] = readColumn(buffer, header, start, name, column);
  }
  return {
    layer: header.layer,
    seq: header.seq,
    count: header.count,
    columns: columns as PackColumns,
    attributes: header.attributes ?? [],
    opinions: header.opinions ?? [],
  };
}

/** `start`: where the columns begin, in bytes. */
function readHeader(buffer: ArrayBuffer): { header: Header; start: number } {
  if (buffer.byteLength < 8) throw new BadPack(`a pack has at least 8 bytes, not ${buffer.byteLength}`);
  const magic = new TextDecoder().decode(new Uint8Array(buffer, 0, 4));
  if (magic !== "BXP1") throw new BadPack(`not a pack of version 1: it begins with ${JSON.stringify(magic)}`);
  const headerLength = new DataView(buffer).getUint32(4, true);
  const start = 8 + headerLength;
  if (start > buffer.byteLength || start % 8) throw new BadPack(`the header claims ${headerLength} bytes`);
  const text = new TextDecoder().decode(new Uint8Array(buffer, 8, headerLength));
  return { header: JSON.parse(text) as Header, start };
}

function readColumn(
  buffer: ArrayBuffer,
  header: Header,
  start: number,
  name: keyof PackColumns,
  column: Column | undefined,
): ArrayBufferView {
  const [type, lengthFor] = LAYOUT[name];
  if (column?.type !== type) throw new BadPack(`column ${name} should be ${type}`);
  const expected = lengthFor(header.count, header.attributes?.length ?? 0);
  if (expected >= 0 && column.length !== expected)
    throw new BadPack(`column ${name} has ${column.length} elements, not ${expected}`);
  const offset = start + column.offset;
  const bytes = column.length * TYPES[type].BYTES_PER_ELEMENT;
  if (column.offset % 8 || offset + bytes > buffer.byteLength)
    throw new BadPack(`column ${name} lies outside the pack`);
  return new TYPES[type](buffer, offset, column.length);
}
