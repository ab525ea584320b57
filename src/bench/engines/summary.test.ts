import { expect, test } from "bun:test";
import { summarize, summaryText } from "./summary.ts";
import { sampleOf, WORKLOAD } from "./testing/samples.ts";

test("medians, ratios both ways, and what a bridge costs", () => {
  const samples = [
    ...[5, 1, 2].map((wall_s, round) => sampleOf("holdall+ray", { wall_s, round })),
    ...[8, 1, 1].map((wall_s, round) => sampleOf("ray", { wall_s, round })),
    sampleOf("workqueue", { wall_s: 4, done: 3, failed: 1, manager_cpu_s: null }),
    sampleOf("holdall", { wall_s: 0.5 }),
  ];
  const [summary, ...more] = summarize(samples);
  expect(more).toEqual([]);
  expect(summary).toMatchObject({ workload: WORKLOAD, warm: true, rounds: 3 });
  expect(summary!.engines.map(({ name }) => name)).toEqual([
    "holdall",
    "holdall+ray",
    "workqueue",
    "ray",
  ]);
  expect(summary!.engines[1]).toEqual({
    name: "holdall+ray",
    version: "1.2.3",
    done: 4,
    failed: 0,
    startup_s: 1,
    wall_s: { median: 2, min: 1, max: 5 },
    tasks_per_s: 2,
    task_ms: { mean: 2.5, p50: 2.5, p95: 4 },
    compression_ratio: 2.5,
    manager_cpu_s: 0.1,
    manager_peak_bytes: 1000,
  });
  expect(summary!.engines[2]).toMatchObject({ done: 3, failed: 1, manager_cpu_s: null });
  expect(summary!.ratios).toMatchObject({ "workqueue/ray": 4, "ray/workqueue": 0.25 });
  expect(Object.keys(summary!.ratios)).toHaveLength(12);
  expect(summary!.bridge_overhead_ms).toEqual({ ray: 250 });
});

test("empty tasks have no figures; each workload has a summary of its own", () => {
  const empty = { ...WORKLOAD, kind: "empty" as const, n: null, tolerance: null };
  const bare = { task_ms: null, compression_ratio: null, checksum: null, binary: null };
  const summaries = summarize([
    sampleOf("floor", { workload: empty, ...bare }),
    sampleOf("floor", { workload: { ...empty, tasks: 100 }, ...bare }),
  ]);
  expect(summaries.map(({ workload }) => workload.tasks)).toEqual([4, 100]);
  expect(summaries[0]!.engines[0]).toMatchObject({ task_ms: null, compression_ratio: null });
});

test("the lines for people", () => {
  const samples = [
    sampleOf("ray", { wall_s: 2.299, done: 24, workload: { ...WORKLOAD, tasks: 24 } }),
    sampleOf("workqueue", { wall_s: 5.2002, done: 24, workload: { ...WORKLOAD, tasks: 24 } }),
    sampleOf("holdall", { wall_s: 0.1, done: 24, workload: { ...WORKLOAD, tasks: 24 } }),
  ];
  expect(summaryText(summarize(samples))).toBe(`\
# 24 zfp tasks of 2000 float32 values, tolerance 0.001, 2 at a time; warm; median of 1, start-up apart
Holdall: done=24 failed=0 wall_s=0.1 tasks_per_s=240
Work Queue: done=24 failed=0 wall_s=5.2002 tasks_per_s=4.61521
Ray: done=24 failed=0 wall_s=2.299 tasks_per_s=10.4393
Wall-time ratio (WQ/Ray): 2.262
Wall-time ratio (WQ/Holdall): 52.002
Wall-time ratio (Ray/Holdall): 22.990
`);
});
