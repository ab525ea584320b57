// `--executor slurm` keeps what every executor promises, in each of its modes, through a real Slurm.

import { afterAll, beforeAll, describe } from "bun:test";
import { executorConformance } from "../../src/worker/executor.testsuite.ts";
import { openExecutor } from "../../src/worker/executors/index.ts";
import { requiresSlurm, type SlurmCluster, startSlurm } from "./slurm/cluster.ts";

if (!requiresSlurm()) {
  let slurm: SlurmCluster;
  const before = process.env["SLURM_CONF"];
  beforeAll(async () => {
    slurm = await startSlurm(["--cpus", "16"]);
    process.env["SLURM_CONF"] = slurm.conf;
  });
  afterAll(async () => {
    if (before === undefined) delete process.env["SLURM_CONF"];
    else process.env["SLURM_CONF"] = before;
    await slurm.stop();
  });
  for (const mode of ["steps", "array", "job"] as const)
    describe(`by ${mode}`, () => {
      executorConformance(
        `slurm ${mode}`,
        (events) =>
          openExecutor(events, {
            stateDir: "/nonexistent",
            engine: {
              name: "slurm",
              cpus: 64,
              memoryBytes: 1024 ** 3,
              maxParallel: null,
              given: { slurmMode: mode },
            },
          }),
        // Slurm starts a job up to a second after it may, a step at once.
        {
          peak: true,
          guardsStrays: true,
          hundredsMs: 60_000,
          hundreds: mode === "steps" ? 100 : 20,
          thousands: mode === "steps" ? 300 : 60,
        },
      );
    });
}
