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
