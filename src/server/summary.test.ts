import { afterEach, beforeEach, expect, test } from "bun:test";
import type { WorkflowSummary } from "../protocol/api.ts";
import { spread } from "./summary.ts";
import { type Bench, openBench } from "./testing/bench.ts";

let bench: Bench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench.close());

test("quantiles lie between the two nearest values", () => {
  expect(spread(new Float64Array(0), 1)).toBeNull();
  expect(spread(Float64Array.of(7), 1)).toEqual({ mean: 7, p50: 7, p95: 7, max: 7 });
  const values = Float64Array.from({ length: 101 }, (_, i) => 100 - i);
  expect(spread(values, 2)).toEqual({ mean: 100, p50: 100, p95: 190, max: 200 });
  expect(spread(Float64Array.of(4, 1, 3, 2), 1)).toMatchObject({ mean: 2.5, p50: 2.5 });
});

test("only what succeeded counts, in seconds and bytes", async () => {
  const id = bench.submit(3);
  const worker = await bench.worker();
  await worker.finish(id, [0], { wallUs: 1_000_000 });
  await worker.finish(id, [1], { wallUs: 3_000_000 });
  await worker.finish(id, [2], { outcome: "exit", exit: 1, wallUs: 9_000_000 });
  expect(await bench.json(`/${id}/summary`)).toMatchObject({
    status: { state: "running", tasks: { succeeded: 2, failed: 1 } },
    run_time: { mean: 2, p50: 2, max: 3 },
    cpu_time: { mean: 0.00025, max: 0.00025 },
    peak_memory: { mean: 4096, max: 4096 },
  });
});

test("the first ten failures with the last lines of what they said", async () => {
  const id = bench.submit(20);
  const worker = await bench.worker();
  await worker.finish(id, [0]);
  const lines = Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join("");
  await worker.finish(id, [12], { outcome: "exit", exit: 4, stderr: lines, message: "why" });
  await worker.finish(id, [3], { outcome: "signal", exit: -11, stdout: `${"é".repeat(4000)}x` });
  const { failures, run_time } = await bench.json<WorkflowSummary>(`/${id}/summary`);
  expect(run_time).not.toBeNull();
  expect(failures).toEqual([
    {
      name: "c_002",
      outcome: "signal",
      exit_code: null,
      message: null,
      stderr_tail: "",
      stdout_tail: `${"é".repeat(2047)}x`,
    },
    {
      name: "c_011",
      outcome: "exit",
      exit_code: 4,
      message: "why",
      stderr_tail: lines.slice(lines.indexOf("line 10\n")),
      stdout_tail: "",
    },
  ]);
  await worker.finish(id, [1, 2, 4, 5, 6, 7, 8, 9, 10, 11], { outcome: "exit", exit: 1 });
  const names = (await bench.json<WorkflowSummary>(`/${id}/summary`)).failures.map(
    ({ name }) => name,
  );
  expect(names).toHaveLength(10);
  expect(names.slice(0, 3)).toEqual(["c_000", "c_001", "c_002"]);
});
