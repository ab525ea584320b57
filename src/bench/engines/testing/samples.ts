/** Samples and workloads for tests. */
import type { EngineId, Sample, Workload } from "../samples.ts";

export const WORKLOAD: Workload = {
  kind: "zfp",
  tasks: 4,
  n: 2000,
  tolerance: 1e-3,
  bytes: null,
  level: null,
  sleep_ms: null,
  workers: 2,
};

export function sampleOf(engine: EngineId, change: Partial<Sample> = {}): Sample {
  return {
    scenario: "engines",
    engine,
    version: "1.2.3",
    workload: WORKLOAD,
    round: 0,
    place: 0,
    warm: true,
    startup_s: 1,
    wall_s: 2,
    done: 4,
    failed: 0,
    task_ms: [1, 2, 3, 4],
    compression_ratio: 2.5,
    checksum: "c0ffee",
    binary: "b1",
    manager_cpu_s: 0.1,
    manager_peak_bytes: 1000,
    spot: null,
    at_ms: 0,
    ...change,
  };
}
