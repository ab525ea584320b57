import type { WorkflowDefinition } from "../core/workflow.ts";
import type { WorkflowOptions } from "../ledger/ledger.ts";
import type { WorkerTemplate } from "../protocol/session.ts";

/** What a worker has to know of a block. */
export function workerTemplate(
  workflow: number,
  index: number,
  definition: WorkflowDefinition,
  options: WorkflowOptions,
): WorkerTemplate {
  const block = definition.blocks[index]!;
  return {
    workflow,
    block: index,
    first: block.first,
    cwd: block.cwd ?? definition.cwd,
    requirement: block.requirement,
    timeoutSeconds: block.timeoutSeconds,
    captureStdout: options.stdout === "capture",
    captureStderr: options.stderr === "capture",
    parameters: block.kind === "array" ? block.parameters : null,
    body: block.kind === "array" ? block.body : null,
    env: {},
  };
}
