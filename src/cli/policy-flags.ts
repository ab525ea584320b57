/** Flags of `run` and `submit` that override what the document says of all its tasks together. */
import type { WorkflowDefinition } from "../core/workflow.ts";
import { usage } from "./usage.ts";

export interface PolicyFlags {
  maxFailures?: number | undefined;
  onFailure?: "continue" | "stop" | undefined;
  /** seconds */
  age?: number | undefined;
  priority?: number | undefined;
}

const NAMES = {
  maxFailures: "max-failures",
  onFailure: "on-failure",
  age: "age",
  priority: "priority",
};

/** The definition with what the flags say instead of what its document says. */
export function withPolicy(definition: WorkflowDefinition, flags: PolicyFlags): WorkflowDefinition {
  const { maxFailures, onFailure, age, priority } = flags;
  if (age === 0)
    throw usage(
      "with --age 0, every task passes those of a higher priority at once",
      "give it some time, such as --age 1m",
    );
  return {
    ...definition,
    ...(maxFailures === undefined ? {} : { maxFailures }),
    ...(onFailure === undefined ? {} : { onFailure }),
    ...(age === undefined ? {} : { ageSeconds: age }),
    ...(priority === undefined ? {} : { priority }),
  };
}

/** Throws usage when one of these flags is there: the workflow `id` exists and keeps its own. */
export function refusePolicy(flags: PolicyFlags, id: string): void {
  for (const [key, name] of Object.entries(NAMES))
    if (flags[key as keyof PolicyFlags] !== undefined)
      throw usage(
        `--${name} is for a new workflow, and ${id} exists`,
        `leave --${name}: workflow ${id} keeps what was recorded when it was made`,
      );
}
