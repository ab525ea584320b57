import { endianness } from "node:os";

/** Lists of integers as blobs: 32 bits each, little-endian (every machine Bun runs on is). */
export function packIntegers(values: ArrayLike<number>): Uint8Array {
  if (endianness() !== "LE") throw new Error("ledgers are written on little-endian machines only");
  // Faster than Int32Array.from, which asks an iterator for each number.
  const packed = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) packed[i] = values[i]!;
  return new Uint8Array(packed.buffer);
}

export function unpackIntegers(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.slice().buffer); // copied: a blob may begin at any address
}

/** Ascending runs of consecutive integers: [3, 4, 5, 9] is [3, 5], [9, 9]. */
export function runsOf(values: readonly number[]): [first: number, last: number][] {
  const runs: [number, number][] = [];
  let run: [number, number] | null = null;
  for (const value of values) {
    if (run !== null && value === run[1] + 1) run[1] = value;
    else runs.push((run = [value, value]));
  }
  return runs;
}
