/**
 * Session frames as bytes. A message is a JSON text with everything bulky taken out of it: byte strings and columns of
 * numbers follow in one binary part, and columns that are runs (1, 2, 3, …) or all the same are only described.
 *
 *   u32 length of the JSON (little endian) · JSON, padded with spaces to a multiple of 8 · binary part
 *
 * In the JSON, {"$": kind, …} stands for what was taken out: "b" bytes, "i" int32 column, "f" float64 column, "r" run, "k" constant;
 * "n": positions of nulls in a column, when it has any.
 */

/** Shorter columns stay in the JSON. */
const COLUMN_MIN = 8;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Part {
  at: number;
  bytes: Uint8Array;
}

export function encodeFrames(frames: readonly object[]): Uint8Array<ArrayBuffer> {
  const parts: Part[] = [];
  const state = { size: 0, parts };
  const json = encoder.encode(JSON.stringify(frames.map((frame) => pack(frame, state))));
  const head = 8 * Math.ceil((4 + json.length) / 8);
  const message = new Uint8Array(head + state.size);
  message.fill(0x20, 4, head);
  new DataView(message.buffer).setUint32(0, head - 4, true);
  message.set(json, 4);
  for (const part of parts) message.set(part.bytes, head + part.at);
  return message;
}

/** Throws when the bytes are no message of ours. */
export function decodeFrames(message: Uint8Array): unknown[] {
  if (message.length < 6 || message.length > MAX_MESSAGE_BYTES) throw new Error("bad frame size");
  // Columns are read in place, so the start has to be aligned.
  const aligned = message.byteOffset % 8 === 0 ? message : message.slice();
  const view = new DataView(aligned.buffer, aligned.byteOffset, aligned.byteLength);
  const length = view.getUint32(0, true);
  if (length + 4 > aligned.length) throw new Error("frame is cut off");
  const json: unknown = JSON.parse(decoder.decode(aligned.subarray(4, 4 + length)));
  if (!Array.isArray(json)) throw new Error("frames are not a list");
  const binary = aligned.subarray(4 + length);
  return json.map((frame) => unpack(frame, binary));
}

function pack(value: unknown, state: { size: number; parts: Part[] }): unknown {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Uint8Array) {
    return { $: "b", at: store(value, state), of: value.length };
  }
  if (Array.isArray(value)) {
    if (value.length >= COLUMN_MIN && (typeof value[0] === "number" || value[0] === null)) {
      const column = packColumn(value as (number | null)[], state);
      if (column) return column;
    }
    return value.map((item) => pack(item, state));
  }
  const packed: Record<string, unknown> = {};
  for (const key in value) packed[key] = pack((value as Record<string, unknown>)[key], state);
  return packed;
}

function packColumn(
  column: readonly (number | null)[],
  state: { size: number; parts: Part[] },
): object | null {
  const of = column.length;
  const first = column[0] ?? null;
  let run = true;
  let constant = true;
  let int32 = true;
  const nulls: number[] = [];
  for (let i = 0; i < of; i++) {
    const value = column[i]!;
    if (value !== first) constant = false;
    if (value === null) {
      nulls.push(i);
      run = false;
      continue;
    }
    if (typeof value !== "number") return null;
    if (first === null || value !== first + i) run = false;
    if ((value | 0) !== value || Object.is(value, -0)) int32 = false;
  }
  if (constant) return { $: "k", of, value: first };
  if (run) return { $: "r", of, value: first };
  const data = int32 ? new Int32Array(of) : new Float64Array(of);
  for (let i = 0; i < of; i++) data[i] = column[i] ?? 0;
  const at = store(new Uint8Array(data.buffer), state);
  const packed: Record<string, unknown> = { $: int32 ? "i" : "f", at, of };
  if (nulls.length > 0) packed["n"] = nulls.length > COLUMN_MIN ? packColumn(nulls, state) : nulls;
  return packed;
}

function store(bytes: Uint8Array, state: { size: number; parts: Part[] }): number {
  const at = state.size;
  state.parts.push({ at, bytes });
  state.size = at + 8 * Math.ceil(bytes.length / 8);
  return at;
}

interface Packed {
  $: string;
  of: number;
  at: number;
  value: number | null;
  n?: unknown;
}

function unpack(value: unknown, binary: Uint8Array): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    if (value.length > 0 && typeof value[0] !== "object") return value;
    for (let i = 0; i < value.length; i++) value[i] = unpack(value[i], binary);
    return value;
  }
  if ("$" in value) return unpackColumn(value as Packed, binary);
  const record = value as Record<string, unknown>;
  for (const key in record) {
    const item = record[key];
    if (item !== null && typeof item === "object") record[key] = unpack(item, binary);
  }
  return record;
}

/** Longer arrays that begin with their length are stored sparsely. */
const SIZED_MAX = 10_000;

/** To be filled from the front. */
function columnOf<T>(length: number): T[] {
  // oxlint-disable-next-line unicorn/no-new-array -- Array.from fills what is filled here anyway
  return length <= SIZED_MAX ? new Array<T>(length) : [];
}

function unpackColumn(packed: Packed, binary: Uint8Array): unknown {
  const { of } = packed;
  if (!Number.isInteger(of) || of < 0 || of > MAX_MESSAGE_BYTES) throw new Error("bad column");
  const start = binary.byteOffset + packed.at;
  const inside = (bytes: number): void => {
    if (!(packed.at >= 0 && packed.at + bytes <= binary.length))
      throw new Error("column is cut off");
  };
  switch (packed.$) {
    case "b":
      inside(of);
      return binary.slice(packed.at, packed.at + of);
    case "k": {
      const column = columnOf<number | null>(of);
      for (let i = 0; i < of; i++) column[i] = packed.value;
      return column;
    }
    case "r": {
      const column = columnOf<number>(of);
      const first = packed.value ?? 0;
      for (let i = 0; i < of; i++) column[i] = first + i;
      return column;
    }
    case "i":
    case "f": {
      const size = packed.$ === "i" ? 4 : 8;
      inside(of * size);
      const data =
        packed.$ === "i"
          ? new Int32Array(binary.buffer, start, of)
          : new Float64Array(binary.buffer, start, of);
      // Ten times faster than Array.from, which asks an iterator for each number.
      const column = columnOf<number | null>(of);
      for (let i = 0; i < of; i++) column[i] = data[i]!;
      if (packed.n !== undefined)
        for (const at of unpack(packed.n, binary) as number[]) column[at] = null;
      return column;
    }
    default:
      throw new Error(`unknown column kind ${packed.$}`);
  }
}
