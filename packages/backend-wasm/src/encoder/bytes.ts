/** Unsigned LEB128, the integer format of WebAssembly binaries. */
export function unsigned(value: number): number[] {
  if (value < 128) return [value];
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}

/** Signed LEB128 of an integer of 32 bits, or of 64. Numbers above 2^31 that mean unsigned words wrap to their signed twin first. */
export function signed(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = typeof rest === 'bigint' ? Number(rest & 0x7fn) : rest & 0x7f;
    rest = typeof rest === 'bigint' ? rest >> 7n : rest >> 7;
    const done = Number(rest) === ((low & 0x40) === 0 ? 0 : -1);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

export function float32(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)];
}

export function float64(value: number): number[] {
  return [...new Uint8Array(Float64Array.of(value).buffer)];
}

/** A UTF-8 name with its length in front. */
export function name(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...unsigned(bytes.length), ...bytes];
}

/** Bytes in a row; kernels of megabytes pass through here, so they stay typed arrays. */
export type Bytes = readonly number[] | Uint8Array;

export function concatenate(parts: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A vector: the number of items, then the items. */
export function vector(items: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  return concatenate([unsigned(items.length), ...items]);
}
