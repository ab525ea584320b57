/**
 * Claims over HTTP, for runners that poll: the paths, parameters and words of Torc, each below `/` and below `/torc-service/v1/`.
 *
 *   GET|POST /workflows/:id/claim_jobs_based_on_resources[/:limit]   → ClaimAnswer
 *   GET|POST /workflows/:id/claim_next_jobs                          → ClaimAnswer   (resources are ignored)
 *   PUT      /jobs/:job/start_job/:run/:node                         → JobModel
 *   POST     /jobs/:job/complete_job/:status/:run                    → JobModel
 *   GET      /jobs/:job                                              → JobModel
 *   GET      /workflows/:id/is_complete                              → CompleteAnswer
 *   GET      /workflows/:id/claims/:claim                            → ClaimState
 *   POST     /workflows/:id/claims/:claim/renew                      → ClaimState
 *   POST     /workflows/:id/claims/:claim/release                    → ClaimState
 *
 * docs/claims.md tells what they take and when they refuse.
 */

/** Torc's names: assigned = pending, succeeded = completed, skipped = canceled. */
export type JobStatus =
  "blocked" | "ready" | "pending" | "running" | "completed" | "failed" | "canceled";

/** What a runner needs to run a task. */
export interface JobModel {
  /** id of the task over all workflows of the server */
  id: number;
  workflow_id: number;
  name: string;
  status: JobStatus;
  /** number of this execution; wanted back as `attempt_id` with the result */
  attempt_id: number;
  /** as one line of shell, whatever it was written as */
  command: string;
  /** the same as arguments, where it was written so */
  argv: string[] | null;
  /** auto: no shell where none is needed; none: words, never a shell */
  shell: "auto" | "sh" | "bash" | "none";
  invocation_script: null;
  cwd: string;
  /** to be added to the runner's own */
  env: Record<string, string>;
  inputs: string[];
  outputs: string[];
  resource_requirements: {
    num_cpus: number;
    num_gpus: number;
    num_nodes: number;
    memory_bytes: number;
    memory_gb: number;
    disk_bytes: number;
    /** ISO 8601; an estimate */
    runtime: string | null;
    custom: Record<string, number>;
  };
  /** the runner is to end it then */
  timeout_seconds: number | null;
  /** has to end with 0 before the command is run; exit_code = how the attempt before ended */
  recovery: { command: string; exit_code: number } | null;
  priority: number;
  /** 1 = the first scheduler of the document, 2 = the second, …; null = bound to none */
  scheduler_id: number | null;
  cancel_on_blocking_job_failure: boolean;
  supports_termination: false;
}

export interface ClaimAnswer {
  jobs: JobModel[];
  /** why there will never be any */
  reason: string | null;
  /** null when there are no jobs */
  claim: string | null;
  lease_seconds: number | null;
  /** for how long jobs are held that are not started (or, with a lease, at all) */
  held_seconds: number | null;
}

/** How a claim stands. A job that is canceled is to be ended by the runner, and reported like any other. */
export interface ClaimState {
  claim: string;
  workflow_id: number;
  lease_seconds: number | null;
  held_seconds: number | null;
  jobs: { id: number; attempt_id: number; status: JobStatus }[];
}

export interface CompleteAnswer {
  is_complete: boolean;
  is_canceled: boolean;
  needs_to_run_completion_script: false;
}
