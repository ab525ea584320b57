/** Task states as they are stored (one byte a task) and named everywhere else. */
export const TASK_STATES = [
  "blocked",
  "ready",
  "assigned",
  "running",
  "succeeded",
  "failed",
  "canceled",
  "skipped",
] as const;
export type TaskState = (typeof TASK_STATES)[number];

export const BLOCKED = 0;
export const READY = 1;
export const ASSIGNED = 2;
export const RUNNING = 3;
export const SUCCEEDED = 4;
export const FAILED = 5;
export const CANCELED = 6;
export const SKIPPED = 7;

/** States that a task leaves only by `retry`, reset or rebuild. */
export function isTerminal(state: number): boolean {
  return state >= SUCCEEDED;
}

/** How an attempt ended; stored by index, so only ever append. */
export const OUTCOMES = [
  "ok",
  "exit",
  "signal",
  "oom",
  "timeout",
  "disk",
  "input_missing",
  "output_missing",
  "launch_error",
  "worker_lost",
  "preempted",
  "canceled",
  "superseded",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const OUTCOME_OK = 0;

export function outcomeIndex(outcome: Outcome): number {
  return OUTCOMES.indexOf(outcome);
}

/** Outcomes that are the task's own doing and count against its `retries`. */
export const OWN_FAILURES: ReadonlySet<Outcome> = new Set<Outcome>([
  "exit",
  "signal",
  "oom",
  "timeout",
  "disk",
  "output_missing",
]);

/**
 * Every edge of the task state machine with what takes it. Nothing else may change a state:
 * `validate()` in tests and docs/state-machine.md are made from this table.
 */
export const TRANSITIONS: readonly {
  from: readonly TaskState[];
  to: TaskState;
  by: string;
}[] = [
  { from: ["blocked"], to: "ready", by: "the last dependency ended" },
  { from: ["blocked", "ready"], to: "skipped", by: "something upstream did not succeed" },
  { from: ["ready"], to: "blocked", by: "something upstream is to run again" },
  { from: ["ready"], to: "assigned", by: "a worker was chosen" },
  { from: ["assigned"], to: "running", by: "the worker started it" },
  { from: ["assigned", "running"], to: "succeeded", by: "a live attempt's result was accepted" },
  { from: ["assigned", "running"], to: "failed", by: "a live attempt failed, no retries left" },
  {
    from: ["assigned", "running"],
    to: "ready",
    by: "the attempt was lost or taken back, or failed with retries left",
  },
  { from: ["blocked", "ready", "assigned", "running"], to: "canceled", by: "cancel" },
  { from: ["failed", "canceled"], to: "ready", by: "retry" },
  // A skipped task is never ready at once: what made it skipped has to run first.
  { from: ["failed", "canceled", "skipped"], to: "blocked", by: "retry" },
  { from: ["succeeded"], to: "ready", by: "reset or rebuild" },
  { from: ["succeeded"], to: "blocked", by: "reset or rebuild" },
];
