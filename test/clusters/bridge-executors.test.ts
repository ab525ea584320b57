// Every bridge keeps what every executor promises, through the real engine.

import { executorConformance } from "../../src/worker/executor.testsuite.ts";
import { engineNamed, engineParts, type EngineName } from "../../src/worker/executors/engines.ts";
import { openExecutor } from "../../src/worker/executors/index.ts";
import { requires } from "../support/requires.ts";

/** Those that need no cluster, and how many of its cpus each is told it has: some start a Python process for each. */
const LOCAL: Partial<Record<EngineName, number>> = { workqueue: 64, ray: 6, parsl: 6, dask: 16 };

for (const [key, cpus] of Object.entries(LOCAL)) {
  const name = key as EngineName;
  if (requires(name, engineNamed(name).install, engineParts(name).found)) continue;
  executorConformance(
    name,
    (events) =>
      openExecutor(events, {
        stateDir: "/nonexistent",
        engine: { name, cpus, memoryBytes: 1024 ** 3, maxParallel: null },
      }),
    { peak: true, guardsStrays: true, hundredsMs: 60_000 },
  );
}
