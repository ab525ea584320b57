/** Requests for runs in a folder of their own, and executors that execute nothing. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Offer } from "../protocol/session.ts";
import type { RunRequest } from "./embedded-types.ts";

export const OFFER: Offer = {
  cpus: 2,
  memoryBytes: 2 ** 30,
  diskBytes: 2 ** 30,
  gpus: 0,
  maxParallel: null,
  timeLimitSeconds: null,
  scheduler: null,
};

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "holdall-run-"));
}

export function requestOf(
  stateDir: string,
  definition: WorkflowDefinition,
  change: Partial<RunRequest> = {},
): RunRequest {
  return {
    stateDir,
    what: { kind: "definition", definition, adHoc: false },
    fresh: false,
    reuse: null,
    offer: OFFER,
    outputDir: null,
    stdout: "capture",
    stderr: "capture",
    timeoutSeconds: null,
    ...change,
  };
}
