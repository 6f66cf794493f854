/** UUIDs as text and as 16 bytes. New ones are version 7: sorted by the time they were made. */

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

/** The UUID in bytes [at * 16, at * 16 + 16), or null when all are zero. */
export function uuidAt(bytes: Uint8Array, at: number): string | null {
  let text = "";
  let any = 0;
  for (let i = 0; i < 16; i++) {
    const byte = bytes[at * 16 + i];
    any |= byte;
    text += HEX[byte];
    if (i === 3 || i === 5 || i === 7 || i === 9) text += "-";
  }
  return any ? text : null;
}

export function putUuid(bytes: Uint8Array, at: number, uuid: string | null): void {
  if (uuid === null) {
    bytes.fill(0, at * 16, at * 16 + 16);
    return;
  }
  const hex = uuid.replaceAll("-", "");
  for (let i = 0; i < 16; i++) bytes[at * 16 + i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
}

let lastMs = 0;
let counter = 0;

/** RFC 9562 version 7; within one page strictly increasing, also when the clock is set back. */
export function uuid7(now: number = Date.now()): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  if (now > lastMs) {
    lastMs = now;
    counter = random[6] & 0x07;
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = 0;
  }
  const bytes = random;
  let ms = lastMs;
  for (let i = 5; i >= 0; i--) {
    bytes[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = 0x70 | (counter >> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return uuidAt(bytes, 0) as string;
}
