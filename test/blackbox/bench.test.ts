// The two benchmarks answer with exactly the fields that measurements read. How fast is for a quiet machine.

import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { run } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

test.each([false, true])("bench spawn, with --logs: %p", async (logs) => {
  const cwd = scratchDir();
  const flags = ["--tasks", "200", "--pairs", "1", "--json", ...(logs ? ["--logs"] : [])];
  const { code, stdout } = await run(cwd, ["bench", "spawn", ...flags]);
  expect(code).toBe(0);
  const result = JSON.parse(stdout);
  expect(Object.keys(result)).toEqual([
    "tasks",
    "slots",
    "floor_per_second",
    "run_per_second",
    "ratio",
    "logs",
  ]);
  expect(result).toMatchObject({ tasks: 200, slots: availableParallelism(), logs });
  expect(result.run_per_second).toBeGreaterThan(0);
  expect(result.ratio).toBeCloseTo(result.run_per_second / result.floor_per_second, 2);
  expect(readdirSync(cwd)).toEqual([]);
});

test("bench dispatch", async () => {
  const cwd = scratchDir();
  const { code, stdout } = await run(cwd, ["bench", "dispatch", "--tasks", "20000", "--json"]);
  expect(code).toBe(0);
  const result = JSON.parse(stdout);
  expect(Object.keys(result)).toEqual([
    "tasks",
    "workers",
    "tasks_per_second",
    "server_cpu_seconds",
    "server_peak_rss_bytes",
    "fsync",
    "verified",
  ]);
  expect(result).toMatchObject({ tasks: 20_000, verified: 20_000, fsync: true });
  expect(readdirSync(cwd)).toEqual([]);
});

async function answer(...args: string[]): Promise<Record<string, unknown>> {
  const cwd = scratchDir();
  const { code, stdout } = await run(cwd, ["bench", ...args, "--json"]);
  expect(code).toBe(0);
  expect(readdirSync(cwd)).toEqual([]);
  return JSON.parse(stdout);
}

test("bench spawn --server: the same fields, and its own after them", async () => {
  const result = await answer(
    ...["spawn", "--server", "--tasks", "200", "--pairs", "1"],
    ...["--slots", "2", "--workers", "2"],
  );
  expect(Object.keys(result)).toEqual([
    "tasks",
    "slots",
    "floor_per_second",
    "run_per_second",
    "ratio",
    "logs",
    "server",
    "workers",
    "startup_seconds",
  ]);
  expect(result).toMatchObject({ tasks: 200, slots: 2, logs: false, server: true, workers: 2 });
});

test("bench spawn --server: every worker has a slot", async () => {
  const flags = ["--server", "--slots", "1", "--workers", "2"];
  const { code, stderr } = await run(scratchDir(), ["bench", "spawn", ...flags]);
  expect(code).toBe(2);
  expect(stderr).toContain("2 workers cannot share 1 slot");
});

test("bench dispatch --compare: the smaller bag before and after the larger", async () => {
  const result = await answer("dispatch", "--compare", "5000,20000", "--workers", "2");
  expect(Object.keys(result)).toEqual(["workers", "fsync", "runs", "ratio"]);
  const runs = result["runs"] as { tasks: number; verified: number }[];
  expect(runs.map(({ tasks, verified }) => [tasks, verified])).toEqual([
    [5000, 5000],
    [20_000, 20_000],
    [5000, 5000],
  ]);
});

test.each(["array", "explicit"])("bench memory, %s", async (shape) => {
  const result = await answer("memory", "--shape", shape, "--tasks", "20000", "--base", "10000");
  expect(Object.keys(result)).toEqual([
    "shape",
    "tasks",
    "base_tasks",
    "rss_bytes",
    "base_rss_bytes",
    "bytes_per_task",
    "peak_rss_bytes",
    "accepted_seconds",
  ]);
  expect(result).toMatchObject({ shape, tasks: 20_000, base_tasks: 10_000 });
  expect(result["bytes_per_task"]).toBeCloseTo(
    ((result["rss_bytes"] as number) - (result["base_rss_bytes"] as number)) / 10_000,
  );
});

test("bench startup", async () => {
  const result = await answer("startup", "--runs", "2", "--links", "5", "--tasks", "1000");
  expect(Object.keys(result)).toEqual([
    "run_ms",
    "chain_links",
    "chain_ms_per_link",
    "array_tasks",
    "array_accepted_seconds",
  ]);
  expect(result).toMatchObject({ chain_links: 5, array_tasks: 1000 });
  const { min, median, max } = result["run_ms"] as { min: number; median: number; max: number };
  expect(min).toBeGreaterThan(0);
  expect([min, median, max]).toEqual([min, median, max].toSorted((a, b) => a - b));
});
