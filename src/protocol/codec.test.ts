import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeFrames, encodeFrames } from "./codec.ts";

const column = fc.oneof(
  fc.array(fc.integer(), { maxLength: 40 }),
  fc.array(fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })), { maxLength: 40 }),
  fc.nat(1000).map((n) => Array.from({ length: 30 }, (_, i) => n + i)),
  fc.integer().map((n) => Array.from({ length: 20 }, () => n)),
  fc.constant(Array.from({ length: 20 }, () => null)),
);
const frame = fc.record({
  type: fc.string(),
  tasks: column,
  nested: fc.array(fc.record({ at: fc.nat(), data: fc.uint8Array({ maxLength: 30 }), column })),
  nothing: fc.constant(null),
});

test("frames come back as they were", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 4 }), (frames) => {
      expect(decodeFrames(encodeFrames(frames))).toEqual(frames);
    }),
  );
});

test("a message read from the middle of a larger buffer is understood", () => {
  const message = encodeFrames([{ tasks: [5, 3, 9, 1, 1, 2, 4, 4, 4] }]);
  const larger = new Uint8Array(message.length + 3);
  larger.set(message, 3);
  expect(decodeFrames(larger.subarray(3))).toEqual([{ tasks: [5, 3, 9, 1, 1, 2, 4, 4, 4] }]);
});

test("broken messages throw, whatever is cut off or changed", () => {
  const message = encodeFrames([{ tasks: [5, 3, 9, 1, 1, 2, 4, 4, 4], data: new Uint8Array(20) }]);
  for (let cut = 0; cut < message.length - 4; cut++)
    expect(() => decodeFrames(message.subarray(0, cut))).toThrow();
});
