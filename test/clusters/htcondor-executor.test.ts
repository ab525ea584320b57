// `--executor htcondor` keeps what every executor promises, through a real pool that is started for it.

import { executorConformance } from "../../src/worker/executor.testsuite.ts";
import { openExecutor } from "../../src/worker/executors/index.ts";
import { requiresCondor } from "./condor/cluster.ts";

if (!requiresCondor())
  executorConformance(
    "htcondor",
    (events) =>
      openExecutor(events, {
        stateDir: "/nonexistent",
        engine: { name: "htcondor", cpus: 6, memoryBytes: 1024 ** 3, maxParallel: null },
      }),
    // It takes a tenth of a second for a job, and seconds until the first one is matched.
    { peak: true, guardsStrays: true, hundredsMs: 300_000, thousands: 200, overlapSeconds: 2 },
  );
