// Every bridge keeps what every executor promises, through the real engine.

import { executorConformance } from "../../src/worker/executor.testsuite.ts";
import { ENGINE_NAMES, engineParts } from "../../src/worker/executors/engines.ts";
import { openExecutor } from "../../src/worker/executors/index.ts";
import { requires } from "../support/requires.ts";

for (const name of ENGINE_NAMES) {
  if (requires(name, "sh scripts/setup --engines", engineParts(name).found)) continue;
  executorConformance(
    name,
    (events) =>
      openExecutor(events, {
        stateDir: "/nonexistent",
        // Ray starts a Python process for each cpu.
        engine: { name, cpus: name === "ray" ? 6 : 64, memoryBytes: 1024 ** 3, maxParallel: null },
      }),
    { peak: true, guardsStrays: true, hundredsMs: 60_000 },
  );
}
