import { expect, test } from "bun:test";
import { INLINE_LIMIT_BYTES, LOG_LIMIT_BYTES, OutputBuffer } from "./output-buffer.ts";

const bytes = (count: number, fill = 1): Uint8Array => new Uint8Array(count).fill(fill);
const sizes = (chunks: readonly Uint8Array[]): number[] => chunks.map((chunk) => chunk.length);

test("what fits is kept, as a copy", () => {
  const buffer = new OutputBuffer();
  expect(buffer.kept()).toBeNull();
  const reused = bytes(3);
  expect(buffer.add(reused)).toEqual([]);
  reused.fill(9);
  expect(buffer.kept()).toEqual(bytes(3));
  expect(buffer.add(bytes(INLINE_LIMIT_BYTES - 3, 2))).toEqual([]);
  const kept = buffer.kept()!;
  expect([kept.length, kept[2], kept[3]]).toEqual([INLINE_LIMIT_BYTES, 1, 2]);
  // Asked twice (somebody follows), told twice.
  expect(buffer.kept()).toEqual(kept);
  expect(buffer.total).toBe(INLINE_LIMIT_BYTES);
});

test("one byte more, and everything is sent ahead, in order", () => {
  const buffer = new OutputBuffer();
  buffer.add(bytes(2, 1));
  buffer.add(bytes(INLINE_LIMIT_BYTES - 2, 2));
  const last = bytes(1, 3);
  const ahead = buffer.add(last);
  last.fill(9);
  expect(ahead.map((chunk) => [chunk.length, chunk[0]])).toEqual([
    [2, 1],
    [INLINE_LIMIT_BYTES - 2, 2],
    [1, 3],
  ]);
  expect(buffer.kept()).toBeNull();
  expect(sizes(buffer.add(bytes(5)))).toEqual([5]);
  expect(buffer.total).toBe(INLINE_LIMIT_BYTES + 6);
});

test("nothing goes beyond the limit, and the total still counts", () => {
  const buffer = new OutputBuffer();
  const piece = bytes(LOG_LIMIT_BYTES / 4 - 1);
  let sent = 0;
  for (let i = 0; i < 4; i++) for (const chunk of buffer.add(piece)) sent += chunk.length;
  expect(sent).toBe(LOG_LIMIT_BYTES - 4);
  expect(sizes(buffer.add(bytes(10)))).toEqual([4]);
  expect(buffer.add(bytes(10))).toEqual([]);
  expect(buffer.total).toBe(LOG_LIMIT_BYTES - 4 + 20);
});
