import { expect, test } from "bun:test";
import type { FinishedBatch, ToServer } from "../protocol/session.ts";
import { OutputBuffer } from "./output-buffer.ts";
import { type Result, ResultBatcher } from "./result-batcher.ts";
import { exitOf } from "./testing/fake-executor.ts";

type Finished = Extract<ToServer, { type: "finished" }>;

function bench(): {
  batcher: ResultBatcher;
  sent: Finished[];
  add(task: number, more?: Partial<Result>): void;
} {
  const sent: Finished[] = [];
  const batcher = new ResultBatcher((frame) => sent.push(frame));
  return {
    batcher,
    sent,
    add: (task, more = {}) =>
      batcher.add({
        workflow: 1,
        cls: 0,
        task,
        attempt: 1,
        outcome: "ok",
        code: 0,
        exit: exitOf(1),
        nowMs: 0,
        message: null,
        stdout: null,
        stderr: null,
        files: null,
        recoveryFailed: false,
        ...more,
      }),
  };
}

const tasksOf = (frame: Finished): number[][] => frame.batches.map(({ tasks }) => tasks);

test("results are columns, one batch per workflow and class", () => {
  const { batcher, sent, add } = bench();
  const stdout = new OutputBuffer();
  stdout.add(new TextEncoder().encode("hi"));
  add(5, { stdout });
  add(6, { workflow: 2 });
  add(7, { cls: 3, outcome: "input_missing", code: null, exit: null, nowMs: 99, message: "m" });
  add(8, { outcome: "exit", code: 2 });
  batcher.flush();
  expect(sent.map(tasksOf)).toEqual([[[5, 8], [6], [7]]]);
  const [first, , third] = sent[0]!.batches as [FinishedBatch, FinishedBatch, FinishedBatch];
  expect(first).toMatchObject({
    workflow: 1,
    cls: 0,
    tasks: [5, 8],
    attempts: [1, 1],
    outcomes: [0, 1],
    exits: [0, 2],
    startedMs: [1000, 1000],
    wallUs: [500, 500],
    userUs: [20, 20],
    systemUs: [3, 3],
    peakBytes: [4096, 4096],
    outputs: [
      {
        at: 0,
        stdout: new TextEncoder().encode("hi"),
        stderr: null,
        stdoutBytes: 2,
        stderrBytes: 0,
      },
    ],
    messages: [],
    files: [],
  });
  expect(third).toMatchObject({
    cls: 3,
    exits: [null],
    startedMs: [99],
    wallUs: [0],
    peakBytes: [null],
    messages: [[0, "m"]],
  });
});

test("sends at once when idle or when enough is there, otherwise after a moment", async () => {
  const { batcher, sent, add } = bench();
  batcher.settle(true);
  expect(sent).toEqual([]);
  add(1);
  batcher.settle(true);
  expect(sent.map(tasksOf)).toEqual([[[1]]]);
  for (let task = 0; task < 511; task++) add(task);
  batcher.settle(false);
  expect(sent.length).toBe(1);
  add(511);
  batcher.settle(false);
  expect(sent.length).toBe(2);
  expect(sent[1]!.batches[0]!.tasks.length).toBe(512);
  add(1000);
  batcher.settle(false);
  const before = performance.now();
  while (sent.length === 2 && performance.now() < before + 2000) await Bun.sleep(1);
  expect(sent.slice(2).map(tasksOf)).toEqual([[[1000]]]);
});

test("frames are numbered, kept until acknowledged, and sent again in order", () => {
  const { batcher, sent, add } = bench();
  for (const task of [1, 2, 3]) {
    add(task);
    batcher.flush();
  }
  batcher.flush();
  expect(sent.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  batcher.acknowledge(2);
  add(4);
  sent.length = 0;
  batcher.resend();
  expect(sent.map((frame) => [frame.seq, ...tasksOf(frame)])).toEqual([
    [3, [3]],
    [4, [4]],
  ]);
  expect(batcher.pending).toBe(true);
  batcher.acknowledge(9);
  expect(batcher.pending).toBe(false);
  sent.length = 0;
  batcher.resend();
  expect(sent).toEqual([]);
});
