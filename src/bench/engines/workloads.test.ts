import { expect, test } from "bun:test";
import { toHoldallError } from "../../core/error.ts";
import { WORKLOAD } from "./testing/samples.ts";
import { parseSweeps, sweptWorkloads } from "./workloads.ts";

test("a sweep is every combination of what is listed", () => {
  const sweeps = parseSweeps(["workers=1,2", "tasks=10,100"]);
  expect(sweptWorkloads(WORKLOAD, sweeps).map(({ tasks, workers }) => [tasks, workers])).toEqual([
    [10, 1],
    [10, 2],
    [100, 1],
    [100, 2],
  ]);
  expect(sweptWorkloads(WORKLOAD, {})).toEqual([WORKLOAD]);
});

test("size is what a task has", () => {
  const sizes = parseSweeps(["size=5,6"]);
  expect(sweptWorkloads(WORKLOAD, sizes).map(({ n }) => n)).toEqual([5, 6]);
  const zlib = { ...WORKLOAD, kind: "zlib" as const, n: null, tolerance: null };
  expect(sweptWorkloads(zlib, sizes).map(({ bytes }) => bytes)).toEqual([5, 6]);
  const sleep = { ...WORKLOAD, kind: "sleep" as const };
  expect(sweptWorkloads(sleep, sizes).map(({ sleep_ms }) => sleep_ms)).toEqual([5, 6]);
});

test.each([
  [["tasks"], "--sweep tasks is not understood"],
  [["cpus=1"], "--sweep cpus=1 is not understood"],
  [["tasks=1,x"], "--sweep tasks: 'x' is not an integer from 1"],
  [["tasks=0"], "--sweep tasks: '0' is not an integer from 1"],
  [["tasks=1", "tasks=2"], "--sweep tasks is given twice"],
])("%p is refused", (words, message) => {
  const attempt = (): unknown => parseSweeps(words);
  expect(attempt).toThrow(message);
  try {
    attempt();
  } catch (error) {
    expect(toHoldallError(error).code).toBe("usage");
  }
});

test("empty tasks have no size", () => {
  const empty = { ...WORKLOAD, kind: "empty" as const };
  expect(() => sweptWorkloads(empty, { size: [1] })).toThrow("empty tasks have no size");
});
