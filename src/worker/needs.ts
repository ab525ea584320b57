import type { Grant } from "../core/events.ts";
import type { Requirement } from "../core/workflow.ts";
import type { Needs } from "./executor.ts";

/** What an attempt was given where that is learned, else what it asks for. */
export function needsOf({ cpus, memoryBytes, gpus }: Requirement, grant: Grant | null): Needs {
  const memoryLimitBytes = grant && grant.memoryBytes > 0 ? grant.memoryBytes : null;
  return {
    cpus: grant?.cpus ?? cpus,
    memoryBytes: grant?.memoryBytes ?? memoryBytes,
    gpus,
    memoryLimitBytes,
  };
}
