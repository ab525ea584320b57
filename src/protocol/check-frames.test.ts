import { expect, test } from "bun:test";
import { anything, array, assert, property } from "fast-check";
import { checkToServer } from "./check-frames.ts";
import { decodeFrames, encodeFrames } from "./codec.ts";
import type { FinishedBatch, ToServer } from "./session.ts";

const offer = {
  cpus: 2,
  memoryBytes: 1,
  diskBytes: 1,
  gpus: 0,
  maxParallel: null,
  timeLimitSeconds: null,
  scheduler: null,
};
const batch = {
  workflow: 1,
  cls: 1,
  tasks: [0, 1],
  attempts: [1, 1],
  outcomes: [0, 0],
  exits: [0, null],
  startedMs: [1, 2],
  wallUs: [1, 2],
  userUs: [1, 2],
  systemUs: [1, 2],
  peakBytes: [null, 5],
  outputs: [{ at: 1, stdout: new Uint8Array([65]), stderr: null, stdoutBytes: 1, stderrBytes: 0 }],
  messages: [[0, "m"] as [number, string]],
  files: [],
  recoveryFailed: [],
} satisfies FinishedBatch;
const held = [{ workflow: 1, tasks: [3], attempts: [1], started: [true] }];
const good: ToServer[] = [
  { type: "hello", version: 1, instance: "i", host: "h", pid: 1, offer, held },
  { type: "started", workflow: 1, tasks: [0], attempts: [1], startedMs: [5] },
  { type: "finished", seq: 1, batches: [batch] },
  { type: "revoked", workflow: 1, tasks: [0], attempts: [1] },
  {
    type: "spill",
    workflow: 1,
    task: 0,
    attempt: 1,
    stream: "stdout",
    data: new Uint8Array(3),
    at: 0,
  },
  { type: "live", workflow: 1, task: 0, attempt: 1, stream: "stderr", data: new Uint8Array(3) },
  { type: "alive" },
  { type: "leaving" },
  { type: "drained" },
];

test("what a worker sends passes, through bytes too", () => {
  expect(checkToServer(decodeFrames(encodeFrames(good)))).toEqual(good);
});

test("any field left out or of another kind is refused", () => {
  const places: [object, string][] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
    for (const key of Object.keys(value)) {
      if (!["at", "custom", "features", "place"].includes(key) && !Array.isArray(value))
        places.push([value, key]);
      visit((value as Record<string, unknown>)[key]);
    }
  };
  const copy = structuredClone(good);
  visit(copy);
  expect(places.length).toBeGreaterThan(40);
  for (const [object, key] of places as [Record<string, unknown>, string][]) {
    // startedMs of a started frame is for people; the rest is looked at.
    if (key === "startedMs" && object["type"] === "started") continue;
    const kept = object[key];
    for (const other of [undefined, { odd: 1 }]) {
      object[key] = other;
      expect(() => checkToServer(copy), `${key} = ${JSON.stringify(other)}`).toThrow();
    }
    object[key] = kept;
  }
  checkToServer(copy);
});

test("columns of different length and positions outside are refused", () => {
  const bad = [
    { ...batch, attempts: [1] },
    { ...batch, peakBytes: [null, 5, 6] },
    { ...batch, tasks: [0, "1"] },
    { ...batch, tasks: [0, Number.NaN] },
    { ...batch, messages: [[2, "m"]] },
    { ...batch, outputs: [{ ...batch.outputs[0], at: -1 }] },
    { ...batch, files: [[0, null]] },
    { ...batch, recoveryFailed: [2] },
    { ...batch, recoveryFailed: undefined },
  ];
  for (const each of bad)
    expect(() => checkToServer([{ type: "finished", seq: 1, batches: [each] }])).toThrow();
});

test("anything at all: an Error or frames, never something else", () => {
  assert(
    property(array(anything()), (frames) => {
      try {
        checkToServer(frames);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
  );
});
