/** What happens to the core and what it wants done. Plain data: the shell, the simulation and the tests speak it. */
import type { Claim } from "./claim.ts";
import type { FailureCounts } from "./faults.ts";
import type { CategoryUse } from "./first-allocation.ts";
import type { Recovery } from "./tasks.ts";
import type { WorkflowDefinition } from "./workflow.ts";

/** What a worker offers. Memory and disk in bytes. */
export interface Capacity {
  cpus: number;
  memoryBytes: number;
  diskBytes: number;
  gpus: number;
  custom?: Readonly<Record<string, number>>;
  /** queue depth: ignore all resources and run this many at a time */
  maxParallel: number | null;
  /** seconds the worker will live; null = for ever */
  timeLimitSeconds: number | null;
  /** name of the scheduler it was started by; null = none */
  scheduler: string | null;
  /** false: takes what is bound to other schedulers when nothing else is ready; default true */
  strictScheduler?: boolean;
  /** name of its host, for preferred and required hosts and the blocklist */
  host?: string;
  features?: readonly string[];
}

/** What an attempt was given where that is learned; unless resources are ignored, its worker ends one that takes more memory. 0 = no limit. */
export interface Grant {
  cpus: number;
  memoryBytes: number;
  diskBytes: number;
}

/** What is known of a workflow's tasks when it is loaded from the ledger; absent for a new one. */
export interface Restored {
  /** task states: only succeeded, failed and canceled are believed, the rest is derived */
  states: Uint8Array;
  /** highest attempt number handed out */
  attempts: Uint16Array;
  /** failures since the last reset, for tasks that have any */
  failures: ReadonlyMap<number, FailureCounts>;
  /** commands that have to run before the next attempt */
  recovery?: ReadonlyMap<number, Recovery>;
  /** by category, where allocations are learned: what tasks used that succeeded */
  use?: ReadonlyMap<string, CategoryUse>;
  /** attempts that had too little and were to be followed by one with more, oldest first, with the measured peak */
  exhausted?: readonly (readonly [
    task: number,
    what: { resource: "memoryBytes" | "diskBytes"; used: number | null },
  ])[];
  /** attempts that may still be alive on workers that come back: [worker, task, attempt] */
  live: readonly (readonly [worker: number, task: number, attempt: number])[];
}

/** The columns of finished attempts the core looks at; all have the same length. */
export interface Finished {
  workflow: number;
  cls: number;
  tasks: readonly number[];
  attempts: readonly number[];
  outcomes: readonly number[];
  /** exit code, or -signal, or null */
  exits?: readonly (number | null)[];
  wallUs: readonly number[];
  userUs?: readonly (number | null)[];
  systemUs?: readonly (number | null)[];
  peakBytes?: readonly (number | null)[];
  /** positions of attempts that never ran, because the recovery command before them failed */
  recoveryFailed?: readonly number[];
}

/** Attempts of one workflow that a worker has, or whose results it has. */
export interface Held {
  workflow: number;
  tasks: readonly number[];
  attempts: readonly number[];
  /** false: waits on the worker for room */
  started: readonly boolean[];
  /** what they were given, where that was learned */
  grants?: readonly (Grant | null)[];
}

export type CoreEvent =
  | {
      type: "workflow";
      workflow: number;
      definition: WorkflowDefinition;
      restored: Restored | null;
    }
  /** the same workflow with more blocks behind those it has, and edges into them; what is there stays as it is */
  | { type: "extend"; workflow: number; definition: WorkflowDefinition }
  | { type: "forget_workflow"; workflow: number }
  /** a new worker (`held` is empty), or one that comes back with the same number */
  | { type: "worker_joined"; worker: number; capacity: Capacity; held: readonly Held[] }
  | { type: "worker_absent"; worker: number }
  | { type: "worker_lost"; worker: number; outcome: "worker_lost" | "preempted" }
  | { type: "drain_worker"; worker: number }
  | {
      type: "started";
      worker: number;
      workflow: number;
      tasks: readonly number[];
      attempts: readonly number[];
    }
  | { type: "finished"; worker: number; batch: Finished }
  | {
      type: "revoked";
      worker: number;
      workflow: number;
      tasks: readonly number[];
      attempts: readonly number[];
    }
  /** a runner that polls wants tasks: they are handed out at once, or never */
  | ({ type: "claim" } & Claim)
  /** it does not hold these attempts any more; the claim goes when it holds nothing */
  | {
      type: "claim_ended";
      worker: number;
      workflow: number;
      tasks: readonly number[];
      attempts: readonly number[];
      outcome: "worker_lost" | "preempted";
    }
  /** after a restart: a claim with the tasks it owns, and those of them that have started */
  | {
      type: "claim_restored";
      worker: number;
      workflow: number;
      capacity: Capacity;
      tasks: readonly number[];
      started: readonly number[];
    }
  /** its workers get nothing new until then (null = until unblocked; a time that is over unblocks) */
  | { type: "block_host"; host: string; untilMs: number | null }
  /** a worker has these inputs now; bytes 0 = no longer */
  | { type: "cached"; worker: number; digests: readonly string[]; bytes: readonly number[] }
  /** null = all tasks of the workflow */
  | { type: "cancel"; workflow: number; tasks: readonly number[] | null; reason: string }
  /** run these again, with everything downstream that did not succeed; `rebuild` = succeeded downstream too */
  | { type: "retry"; workflow: number; tasks: readonly number[]; rebuild: boolean }
  | { type: "timer" };

/** Per entry of a finished batch. */
export const VERDICT_OTHER = 0;
/** the task's accepted completion */
export const VERDICT_ACCEPTED = 1;
/** not a live attempt: answered `superseded`, nothing is recorded */
export const VERDICT_SUPERSEDED = 2;

export type Effect =
  | {
      type: "assign";
      worker: number;
      workflow: number;
      block: number;
      cls: number;
      tasks: number[];
      attempts: number[];
      /** how many of this class the worker may run at a time from now on; what it holds beyond that waits there */
      width: number;
      /** null = amounts are only reserved */
      grant: Grant | null;
    }
  | {
      type: "verdicts";
      worker: number;
      batch: Finished;
      verdicts: Uint8Array;
      /** for people: why a failed attempt is, or is not, tried again, by position */
      reasons: [position: number, text: string][];
    }
  | {
      type: "lost";
      worker: number;
      workflow: number;
      tasks: number[];
      attempts: number[];
      outcome: "worker_lost" | "preempted";
      /** VERDICT_ACCEPTED where the task has failed by it (its crash limit is reached) */
      verdicts: Uint8Array;
      reasons: [position: number, text: string][];
    }
  | {
      type: "kill";
      worker: number;
      workflow: number;
      tasks: number[];
      attempts: number[];
      reason: "canceled" | "superseded" | "slow";
    }
  | { type: "revoke"; worker: number; workflow: number; tasks: number[]; attempts: number[] }
  | { type: "drain"; worker: number }
  | { type: "canceled"; workflow: number; tasks: number[]; reason: string }
  | { type: "reset"; workflow: number; tasks: number[] }
  /** nothing is left to do (true), or there is again (false) */
  | { type: "ended"; workflow: number; ended: boolean };
