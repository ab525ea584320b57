/** Failed attempts: what matters of their end, and what follows while another attempt of the same task is alive. */
import { enlarge } from "./allocate.ts";
import type { Core, WorkerState } from "./core.ts";
import type { Finished } from "./events.ts";
import { judgeFailure, NO_FAILURES } from "./faults.ts";
import { policyOf } from "./policy-of.ts";
import type { ReadyClass } from "./ready.ts";
import { OUTCOMES } from "./states.ts";
import type { Tasks } from "./tasks.ts";

/** How an attempt ended, as far as it matters for what follows. */
export interface End {
  /** index into OUTCOMES */
  outcome: number;
  /** exit code, or -signal, or null */
  exit: number | null;
  started: boolean;
  attempt: number;
  /** the recovery command before it failed: the attempt itself never ran */
  recoveryFailed: boolean;
  /** a runner that polls has told it: what it says of cancellations is its own word */
  byRunner: boolean;
  /** what it was given and used, where running out of that leads to more */
  exhausted: { cls: ReadyClass; used: number | null } | null;
}

/** Of the attempt at place `i` of a batch, which was handed out under `cls`. */
export function endOf(
  batch: Finished,
  i: number,
  cls: ReadyClass,
  worker: WorkerState | undefined,
): End {
  // Queue depth reserves nothing, so nothing was too little.
  const held = cls.declared !== null && worker?.capacity.maxParallel === null;
  return {
    outcome: batch.outcomes[i]!,
    exit: batch.exits?.[i] ?? null,
    started: true,
    attempt: batch.attempts[i]!,
    recoveryFailed: batch.recoveryFailed?.includes(i) ?? false,
    byRunner: worker?.claim === true,
    exhausted: held ? { cls, used: batch.peakBytes?.[i] ?? null } : null,
  };
}

/**
 * One of two attempts of a task has failed. Nothing is decided by it, as the other one may succeed; but it counts like any failure, as it
 * does after a restart, and what was too little is not given again. The reason is for people, where there is one.
 */
export function failBeside(core: Core, tasks: Tasks, task: number, end: End): string | null {
  const outcome = OUTCOMES[end.outcome]!;
  if (outcome === "ok" || outcome === "canceled" || outcome === "superseded") return null;
  if (end.recoveryFailed) return null;
  tasks.recovery.delete(task);
  if (end.exhausted && (outcome === "oom" || outcome === "disk")) {
    const { cls, used } = end.exhausted;
    const resource = outcome === "oom" ? "memoryBytes" : "diskBytes";
    return enlarge(core, tasks, task, cls, resource, used).text;
  }
  const exitCode = end.exit !== null && end.exit < 0 ? 128 - end.exit : end.exit;
  const { counts, recovery, verdict } = judgeFailure({
    policy: policyOf(tasks, task),
    outcome,
    exitCode,
    started: end.started,
    counts: tasks.failures.get(task) ?? NO_FAILURES,
    attempt: end.attempt,
    task,
    workflow: tasks.workflow,
  });
  if (counts !== NO_FAILURES) tasks.failures.set(task, counts);
  if (verdict === "retry" && recovery !== null)
    tasks.recovery.set(task, { command: recovery, exitCode: exitCode ?? 0 });
  return null;
}
