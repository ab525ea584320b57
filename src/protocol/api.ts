/**
 * The HTTP API's answers, as TypeScript sees them. The same handlers answer on the owner's Unix socket, on `serve`'s port and,
 * when a state directory has no owner, inside the command itself.
 *
 *   GET    /healthz                                 {"ok":true}
 *   GET    /api/v1/workflows                        {workflows: WorkflowStatus[]}
 *   GET    /api/v1/workflows/:id                    WorkflowStatus          (:id = integer or "latest")
 *   GET    /api/v1/workflows/:id/summary            WorkflowSummary
 *   GET    /api/v1/workflows/:id/categories         {categories: CategoryItem[]}
 *   GET    /api/v1/workflows/:id/schedulers         {schedulers: SchedulerItem[]}   (as in the document)
 *   GET    /api/v1/workflows/:id/actions            {actions: ActionItem[]}
 *   GET    /api/v1/workflows/:id/tasks?state=&name=&cursor=&limit=   TaskPage
 *   GET    /api/v1/workflows/:id/tasks/:task        TaskDetail              (:task = name, URL-encoded)
 *   GET    /api/v1/workflows/:id/tasks/:task/explain   TaskExplanation
 *   GET    /api/v1/workflows/:id/tasks/:task/output?attempt=&stream=stdout|stderr&offset=&follow=1   bytes
 *   POST   /api/v1/workflows/:id/cancel             {tasks?: string[], reason?} → {canceled: n}
 *   POST   /api/v1/workflows/:id/retry              {tasks?: string[], states?: TaskState[], downstream?: boolean} → {reset: n}
 *
 * And with `serve`:
 *   POST   /api/v1/workflows                        SubmitRequest → SubmitAnswer (submission.ts); 201, or 200 for a known key
 *   GET    /api/v1/workers                          {workers: WorkerItem[]}
 *   POST   /api/v1/workers/:which/drain             {draining: n}           (:which = number, host or "all")
 *   GET    /api/v1/hosts/blocked                    {hosts: HostBlockItem[]}
 *   POST   /api/v1/hosts/:host/block                {seconds?, reason?} → HostBlockItem   (without seconds: until unblocked)
 *   POST   /api/v1/hosts/:host/unblock              {unblocked: host}
 *   GET    /api/v1/session, /api/v1/session/beat    WebSockets of workers: session-socket.ts
 *
 * `state` may be several, separated by commas; `name` is a name or a glob with `*`; `limit` is 1000 unless given, 10,000 at most.
 * `tasks` are names, titles of arrays as written ("c_{i:03d}") or globs. Output of an attempt that has ended carries the headers
 * holdall-attempt, holdall-bytes-written and holdall-bytes-stored (fewer when it was cut at the limit of its log).
 * Errors are {"error":{"code","message","file","line","column","fix"}} with the status of their code.
 */
import type { TaskState } from "../core/states.ts";
import type { Allocation } from "../core/workflow.ts";

/** One of the document's `slurm_schedulers`; `fields` by their names there. */
export interface SchedulerItem {
  name: string;
  fields: Record<string, unknown>;
}

export interface TaskCounts {
  blocked: number;
  ready: number;
  assigned: number;
  running: number;
  succeeded: number;
  failed: number;
  canceled: number;
  skipped: number;
}

export type WorkflowState = "running" | "succeeded" | "failed" | "canceled" | "interrupted";

export interface WorkflowStatus {
  workflow_id: number;
  name: string;
  /** running: work left and an owner; interrupted: work left and nobody working on it */
  state: WorkflowState;
  tasks: TaskCounts;
}

export interface TaskItem {
  name: string;
  state: TaskState;
  /** attempts so far */
  attempts: number;
  exit_code: number | null;
  outcome: string | null;
  host: string | null;
  wall_seconds: number | null;
  cpu_seconds: number | null;
  peak_memory_bytes: number | null;
}

export interface TaskPage {
  tasks: TaskItem[];
  next_cursor: string | null;
}

export interface AttemptItem {
  attempt: number;
  outcome: string;
  accepted: boolean;
  exit_code: number | null;
  signal: number | null;
  host: string | null;
  started_at: string | null;
  wall_seconds: number | null;
  cpu_seconds: number | null;
  peak_memory_bytes: number | null;
  message: string | null;
}

export interface TaskDetail extends TaskItem {
  command: string;
  cwd: string;
  attempts_detail: AttemptItem[];
}

/** Mean and quantiles in seconds (run time, cpu) or bytes (memory) of accepted completions that ran. */
export interface Spread {
  mean: number;
  p50: number;
  p95: number;
  max: number;
}

export interface WorkflowSummary {
  status: WorkflowStatus;
  run_time: Spread | null;
  cpu_time: Spread | null;
  peak_memory: Spread | null;
  /** the first failed tasks in task order (at most 10), with the last lines of their output */
  failures: {
    name: string;
    outcome: string;
    exit_code: number | null;
    message: string | null;
    stderr_tail: string;
    stdout_tail: string;
  }[];
}

/** An action of a workflow; one that every worker does is there once for each that has taken it on. */
export interface ActionItem {
  /** its place in the document, from 1 */
  action: number;
  trigger_type: string;
  action_type: string;
  /** claimed: under way, or the process that did it died */
  state: "waiting" | "claimed" | "done" | "failed";
  /** null: once for all */
  worker: number | null;
  exit_code: number | null;
  message: string;
  claimed_at: string | null;
  ended_at: string | null;
}

export interface CategoryItem {
  name: string;
  tasks: number;
  /** tasks that succeeded and were measured */
  samples: number;
  /** mean of their run times */
  run_seconds: number | null;
  peak_memory_p95_bytes: number | null;
  allocation: Allocation;
  /** what tasks are given when they are started now; several entries where they ask for different amounts. 0 = nothing reserved */
  given: { tasks: number; cpus: number; memory_bytes: number; disk_bytes: number }[];
  /** tasks that get more than that, because it was too little for them */
  enlarged: number;
}

export interface WorkerItem {
  worker_id: number;
  host: string;
  pid: number;
  state: "connected" | "absent" | "draining";
  cpus: number;
  memory_bytes: number;
}

/** A host whose workers get nothing new. */
export interface HostBlockItem {
  host: string;
  /** null = until unblocked */
  until: string | null;
  reason: string | null;
  since: string;
}

/** Why a task is not running, most decisive reason first. */
export interface TaskExplanation {
  task: string;
  state: TaskState;
  reasons: {
    kind: string;
    text: string;
    /** what would change it */
    fix: string | null;
  }[];
}
