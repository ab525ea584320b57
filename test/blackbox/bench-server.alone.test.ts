// The benchmarks of a server process run, and count what they say they count.

import { expect, test } from "bun:test";
import { parseJson, run } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

async function bench(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run(scratchDir(), ["bench", ...args, "--json"]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return parseJson(stdout, stderr) as Record<string, unknown>;
}

test.each(["array", "edges", "explicit"])(
  "recovery of a bag (%s): everything is in the ledger once",
  async (shape) => {
    const result = await bench("recovery", "--tasks", "100000", "--shape", shape);
    expect(result).toMatchObject({ tasks: 100_000, verified: 100_000 });
    expect(result["done_before"]).toBeGreaterThanOrEqual(50_000);
    // The goal for a million is 3 s; this one only shows that nothing is quadratic.
    expect(result["restart_seconds"]).toBeLessThan(5);
    expect(result["dispatch_seconds"]).toBeGreaterThanOrEqual(result["restart_seconds"] as number);
  },
  60_000,
);

test("idle workers stay connected and cost next to nothing", async () => {
  const result = await bench("idle", "--workers", "100", "--per-process", "50", "--seconds", "2");
  expect(result["workers"]).toBe(100);
  expect(result["server_cpu_percent"]).toBeLessThan(20);
}, 60_000);

test("latency from task to task, above what the processes take by themselves", async () => {
  const result = await bench("latency", "--steps", "30");
  const p50 = (name: string): number => (result[name] as { p50: number }).p50;
  expect(result["steps"]).toBe(30);
  // Which one is larger is a figure of a quiet machine, not a test.
  expect(p50("floor_milliseconds")).toBeGreaterThan(0);
  expect(p50("milliseconds")).toBeGreaterThan(0);
}, 60_000);
