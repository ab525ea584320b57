// `bench engines` with the engines that only `sh scripts/setup --engines` installs.

import { describe, expect, test } from "bun:test";
import type { EngineId } from "../../src/bench/engines/samples.ts";
import { lacks, leavesNothingBehind, measured, survivesKills } from "../support/bench-engines.ts";

const ENGINES = ["parsl", "dask", "slurm", "slurm-array", "slurm-job", "htcondor"] as const;
const BRIDGED = ["holdall+parsl", "holdall+dask", "holdall+htcondor", "holdall+slurm"] as const;
const KILLABLE = ["parsl", "dask", "htcondor"] as const;
const LIMIT_MS = 400_000;

test.skipIf([...ENGINES, "holdall" as const].some(lacks))(
  "the same bag on all of them, with equal outputs of one program",
  async () => {
    const { result, samples } = await measured(
      ["holdall", ...ENGINES, ...BRIDGED],
      ...["--tasks", "6", "--n", "2000", "--reps", "1", "--workers", "2"],
    );
    for (const engine of result.engines) expect(engine).toMatchObject({ done: 6, failed: 0 });
    expect(result.engines).toHaveLength(ENGINES.length + BRIDGED.length + 1);
    expect(new Set(samples.map(({ checksum }) => checksum)).size).toBe(1);
    expect(new Set(samples.map(({ binary }) => binary)).size).toBe(1);
    expect(Object.keys(result.bridge_overhead_ms)).toEqual(["parsl", "dask", "htcondor", "slurm"]);
  },
  LIMIT_MS,
);

describe("Ctrl-C leaves no process of any engine behind", () => {
  for (const id of [...ENGINES, ...BRIDGED] satisfies EngineId[])
    test.skipIf(lacks(id))(id, () => leavesNothingBehind(id), LIMIT_MS);
});

describe("a worker that is killed is replaced, and all tasks are done", () => {
  for (const id of KILLABLE) test.skipIf(lacks(id))(id, () => survivesKills(id, 0), LIMIT_MS);
});
