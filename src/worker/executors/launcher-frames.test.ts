import { expect, test } from "bun:test";
import { createFrameReader, createFrameWriter } from "./launcher-frames.ts";

/** A frame as the launcher writes it: length, type, then fields of the given widths. */
function frame(
  type: number,
  fields: readonly (readonly [number, "u8" | "u32" | "i32" | "f64"])[],
  tail = "",
): Buffer {
  const buffer = Buffer.alloc(5 + fields.length * 8 + tail.length * 3);
  let at = buffer.writeUInt8(type, 4);
  for (const [value, kind] of fields) {
    if (kind === "u8") at = buffer.writeUInt8(value, at);
    else if (kind === "u32") at = buffer.writeUInt32LE(value, at);
    else if (kind === "i32") at = buffer.writeInt32LE(value, at);
    else at = buffer.writeDoubleLE(value, at);
  }
  at += buffer.write(tail, at);
  buffer.writeUInt32LE(at - 4, 0);
  return buffer.subarray(0, at);
}

function exit(
  id: number,
  kind: number,
  step: number,
  value: number,
  peakKib: number,
  what = "",
): Buffer {
  return frame(
    4,
    [
      [id, "u32"],
      [3, "u32"],
      [kind, "u8"],
      [step, "u8"],
      [value, "i32"],
      [1_700_000_000_000.5, "f64"],
      [12, "f64"],
      [34, "f64"],
      [56, "f64"],
      [peakKib, "u32"],
    ],
    what,
  );
}

const STREAM = Buffer.concat([
  frame(1, [
    [1, "u8"],
    [4242, "u32"],
  ]),
  frame(2, [
    [4_000_000_000, "u32"],
    [77, "u32"],
    [1_700_000_000_000.25, "f64"],
  ]),
  frame(
    3,
    [
      [5, "u32"],
      [0, "u8"],
    ],
    "out",
  ),
  frame(3, [
    [5, "u32"],
    [1, "u8"],
  ]),
  exit(5, 0, 2, 3, 1400),
  exit(6, 1, 2, 9, 0),
  exit(7, 2, 1, 2, 0, "/no/ä"),
  exit(8, 2, 2, 99_999, 0, "x"),
  exit(9, 3, 0, 0, 0),
]);

function readInPieces(size: number): unknown[] {
  const seen: unknown[] = [];
  const read = createFrameReader({
    hello: (version, pid) => seen.push(["hello", version, pid]),
    started: (id, pid, ms) => seen.push(["started", id, pid, ms]),
    output: (id, stream, bytes) => seen.push(["output", id, stream, Buffer.from(bytes).toString()]),
    exited: (what, pool) => seen.push(["exited", pool, what]),
  });
  for (let at = 0; at < STREAM.length; at += size) read(STREAM.subarray(at, at + size));
  return seen;
}

const TIMES = { startedMs: 1_700_000_000_000.5, wallUs: 12, userUs: 34, systemUs: 56 };
const NOTHING = {
  exitCode: null,
  signal: null,
  launchError: null,
  dropped: false,
  peakBytes: null,
};

test("reads every frame, in pieces of any size", () => {
  const whole = readInPieces(STREAM.length);
  expect(whole).toEqual([
    ["hello", 1, 4242],
    ["started", 4_000_000_000, 77, 1_700_000_000_000.25],
    ["output", 5, "stdout", "out"],
    ["output", 5, "stderr", ""],
    ["exited", 3, { ...NOTHING, ...TIMES, id: 5, exitCode: 3, peakBytes: 1400 * 1024 }],
    ["exited", 3, { ...NOTHING, ...TIMES, id: 6, signal: 9 }],
    [
      "exited",
      3,
      { ...NOTHING, ...TIMES, id: 7, launchError: { errno: "ENOENT", what: "chdir /no/ä" } },
    ],
    [
      "exited",
      3,
      { ...NOTHING, ...TIMES, id: 8, launchError: { errno: "errno 99999", what: "execve x" } },
    ],
    ["exited", 3, { ...NOTHING, ...TIMES, id: 9, dropped: true }],
  ]);
  for (let size = 1; size < STREAM.length; size++) expect(readInPieces(size)).toEqual(whole);
});

test("refuses what it does not know", () => {
  const handler = { hello() {}, started() {}, output() {}, exited() {} };
  expect(() => createFrameReader(handler)(frame(9, []))).toThrow("unknown type 9");
});

test("writes frames that start with their length, whatever the text", () => {
  const writer = createFrameWriter();
  expect(writer.take()).toBeNull();
  writer.environment(1, ["A=ü", `LONG=${"€".repeat(100_000)}`]);
  writer.width(2, 4);
  writer.start(
    {
      id: 4_294_967_295,
      pool: 9,
      argv: ["a", ""],
      cwd: "/",
      environment: 1,
      extraEnv: ["B=2"],
      captureStdout: true,
      captureStderr: false,
    },
    2,
  );
  writer.kill(7, 15);
  const bytes = Buffer.from(writer.take() ?? []);
  expect(writer.take()).toBeNull();
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32LE(at);
    frames.push(bytes.subarray(at + 4, end));
    at = end;
  }
  const [environment, width, start, kill, ...more] = frames;
  expect(more).toEqual([]);
  expect(environment?.subarray(9).toString()).toBe(`A=ü\0LONG=${"€".repeat(100_000)}\0`);
  expect([...(width ?? [])]).toEqual([4, 2, 0, 0, 0, 4, 0, 0, 0]);
  expect([...(start?.subarray(0, 22) ?? [])]).toEqual([
    2, 255, 255, 255, 255, 2, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0,
  ]);
  expect(start?.subarray(22).toString()).toBe("/\0a\0\0B=2\0");
  expect([...(kill ?? [])]).toEqual([3, 7, 0, 0, 0, 15]);
});
