/**
 * A workflow as every room sees it: what `spec/` makes of a document, what the ledger stores (as JSON)
 * and what a worker gets of it. Plain data only.
 *
 * A workflow is a list of *blocks*. A block is a run of tasks that differ only by their parameters (a task
 * array: one template, never expanded) or only by command, files and environment (`explicit` tasks written out
 * one by one, gathered when everything else about them is equal).
 * Tasks are numbered through all blocks from 0; block `b` owns `first ≤ task < first + count`.
 */

import type { Outcome } from "./states.ts";

/** Text with references to parameters, by their place in the parameter table: "a_{i:03d}" is ["a_", {p: 0, f: "03d"}]. */
export type TextTemplate = string | readonly (string | TextReference)[];
export interface TextReference {
  /** index of the parameter in the block's table */
  p: number;
  /** format such as "03d" or ".4f"; absent = as written */
  f?: string;
}

/** The values of one parameter: an arithmetic range (numbers print with `decimals` places at most, shortest form) or a list. */
export type ParameterValues =
  { from: number; step: number; count: number; decimals: number } | readonly string[];

export interface ParameterTable {
  names: readonly string[];
  values: readonly ParameterValues[];
  /** product: the last parameter varies fastest; zip: all lists have equal length */
  mode: "product" | "zip";
}

export type Command =
  | { kind: "argv"; argv: readonly TextTemplate[] }
  /** decided by the worker: direct execution when no shell is needed, else /bin/sh */
  | { kind: "auto"; text: TextTemplate }
  | { kind: "shell"; shell: "sh" | "bash"; text: TextTemplate }
  /** split as POSIX words, executed directly, never a shell */
  | { kind: "words"; text: TextTemplate };

/** What distinguishes the tasks of an `explicit` block from each other, and what a template says of an array. */
export interface TaskBody {
  name: TextTemplate;
  command: Command;
  /** paths as written; relative ones resolve against the workflow's cwd */
  inputs?: readonly TextTemplate[];
  outputs?: readonly TextTemplate[];
  env?: Readonly<Record<string, TextTemplate>>;
}

/** Resources one task needs. Memory and disk in bytes, runtime in seconds (an estimate; null = unknown, fits any limit). */
export interface Requirement {
  cpus: number;
  memoryBytes: number;
  diskBytes: number;
  gpus: number;
  /** accepted and stored; tasks run on one node */
  nodes: number;
  runtimeSeconds: number | null;
  custom?: Readonly<Record<string, number>>;
}

export const DEFAULT_REQUIREMENT: Requirement = {
  cpus: 1,
  memoryBytes: 0,
  diskBytes: 0,
  gpus: 0,
  nodes: 1,
  runtimeSeconds: null,
};

/** Delay before a further attempt: initial × factor^n, at most max, times 1 ± jitter. */
export interface Backoff {
  initialSeconds: number;
  factor: number;
  maxSeconds: number;
  /** 0…1 */
  jitter: number;
}

/** Torc's failure handler: what to do about certain exit codes. The first rule that names the code counts, else the one for all codes. */
export interface ExitRule {
  /** null = all codes */
  exitCodes: readonly number[] | null;
  /** further attempts after a failure with one of these codes */
  retries: number;
  /** runs on the worker, in the task's directory and environment, and has to end with 0 before the retry */
  recovery: string | null;
}

export interface FaultPolicy {
  /** further attempts per outcome, beside `retries` (exit, signal, oom, timeout, disk, output_missing, input_missing, launch_error) */
  retryOn?: Readonly<Partial<Record<Outcome, number>>>;
  backoff?: Backoff;
  exitRules?: readonly ExitRule[];
  /** attempts that may be lost with their worker while they ran, before the task itself is held responsible; default 5 */
  crashLimit?: number;
}

/** Which worker gets a task. */
export const ALGORITHMS = ["fcfs", "files", "time", "random", "worst"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export interface Placement {
  algorithm?: Algorithm;
  /** taken when one of them has room at the moment */
  preferredHosts?: readonly string[];
  /** waits until one of them has room */
  requiredHosts?: readonly string[];
  /** the worker has to offer all of them */
  features?: readonly string[];
}

/** How much a task is given before its use is known. */
export const ALLOCATIONS = ["fixed", "max", "min_waste", "max_throughput"] as const;
export type Allocation = (typeof ALLOCATIONS)[number];

/** Settings of a category; tasks of one category are expected to behave alike. */
export interface CategorySettings {
  allocation?: Allocation;
  /** tasks of the category that may run at a time */
  maxConcurrent?: number;
  /** an attempt is aborted after this multiple of the category's average run time; null = never */
  fastAbort?: number | null;
  /** near the end, an attempt that takes longer than this multiple gets a duplicate on another worker; null = never */
  speculate?: number | null;
  algorithm?: Algorithm;
}

/** What is equal for all tasks of a block. */
export interface BlockPolicy {
  requirement: Requirement;
  /** tasks expected to behave alike; an array's default is its template's name */
  category: string;
  /** further attempts after the task's own failures */
  retries: number;
  /** kills; null = none */
  timeoutSeconds: number | null;
  onUpstreamFailure: "skip" | "run";
  /** higher first */
  priority: number;
  /** absolute; null = the workflow's */
  cwd: string | null;
  /** name of a scheduler this is bound to; null = anywhere */
  scheduler: string | null;
  faults?: FaultPolicy;
  placement?: Placement;
  /** running it twice at the same time does no harm, although its outputs are written in place */
  idempotent?: boolean;
}

export interface ArrayBlock extends BlockPolicy {
  kind: "array";
  first: number;
  count: number;
  /** the template's name as written in the document, e.g. "compress_{i:03d}" */
  title: string;
  parameters: ParameterTable;
  body: TaskBody;
}

export interface ExplicitBlock extends BlockPolicy {
  kind: "explicit";
  first: number;
  count: number;
  /** the bodies, or null once the ledger keeps them (they are then read in batches ahead of dispatch) */
  bodies: readonly TaskBody[] | null;
}

export type Block = ArrayBlock | ExplicitBlock;

/**
 * A dependency set: its members all have to end before its dependents start. A dependency of 10,000 tasks on
 * 10,000 others is one set: 20,000 entries, not 10⁸.
 * Members and dependents are task ranges [first, count].
 */
export interface DependencySet {
  members: readonly (readonly [first: number, count: number])[];
  dependents: readonly (readonly [first: number, count: number])[];
}

/** When an action happens; the words are Torc's. */
export const TRIGGERS = [
  "on_workflow_start",
  "on_workflow_complete",
  "on_jobs_ready",
  "on_jobs_complete",
  "on_worker_start",
  "on_worker_complete",
] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** Something to do beside the tasks. */
export interface WorkflowAction {
  trigger: Trigger;
  /** of on_jobs_ready and on_jobs_complete: all of these; of nodes: which tasks they are for. Ranges [first, count] */
  tasks?: readonly (readonly [first: number, count: number])[];
  what:
    | { kind: "run_commands"; commands: readonly string[] }
    | {
        kind: "schedule_nodes";
        /** name of one of `schedulers` */
        scheduler: string;
        allocations: number;
        oneWorkerPerNode: boolean;
        /** null = by resources */
        maxParallel: number | null;
      };
  /** false: claimed once; true: once by every worker */
  persistent: boolean;
}

/** How workers that a scheduler starts behave; what is absent is decided by the worker. */
export interface NodeSettings {
  expirationBufferSeconds?: number;
  waitForNewTasksSeconds?: number;
  ignoreWorkflowCompletion?: boolean;
  waitForServerMinutes?: number;
  minTimeForNewTasksSeconds?: number;
}

/** What is recorded of the resources that tasks use. */
export interface MonitorSettings {
  enabled: boolean;
  granularity: "summary" | "time_series";
  sampleIntervalSeconds: number;
  plots: boolean;
}

/** JSON that is named in the document; `data` is absent where tasks are to make it. */
export interface UserData {
  name: string;
  data?: unknown;
  ephemeral: boolean;
}

export interface WorkflowDefinition {
  name: string;
  /** absolute path of the document, or null for ad-hoc runs */
  source: string | null;
  /** absolute folder of the document (`${spec_dir}`), or the cwd */
  specDir: string;
  /** absolute; relative paths and commands resolve against it */
  cwd: string;
  blocks: readonly Block[];
  /** edges task → task as flat pairs [upstream, dependent, upstream, dependent, …] */
  edges: readonly number[];
  /** element-wise edges between equally long runs: task upstream+k → dependent+k */
  runs: readonly { upstream: number; dependent: number; count: number }[];
  sets: readonly DependencySet[];
  taskCount: number;
  priority: number;
  sortMethod: "auto" | "gpus_runtime_memory" | "gpus_memory_runtime" | "none";
  /** names of schedulers in the document, in order; ids are given by the server */
  schedulers: readonly { name: string; fields: Readonly<Record<string, unknown>> }[];
  categories?: Readonly<Record<string, CategorySettings>>;
  /** the default for tasks and categories that name none */
  algorithm?: Algorithm;
  /** after this many failed tasks nothing more is started */
  maxFailures?: number | null;
  /** stop: the first failed task ends the workflow (what runs is ended, the rest canceled) */
  onFailure?: "continue" | "stop";
  /** tasks that waited this long pass others of an equal or one-lower priority; default 600 */
  ageSeconds?: number;
  actions?: readonly WorkflowAction[];
  /** long options of sbatch, without their dashes, for every scheduler */
  slurmDefaults?: Readonly<Record<string, string>>;
  nodes?: NodeSettings;
  monitor?: MonitorSettings;
  userData?: readonly UserData[];
  /** absolute; a state directory whose results may stand for tasks with declared outputs */
  reuse?: string;
  /** failed tasks wait for somebody to decide */
  pendingFailed?: boolean;
  /** what the document says to people */
  about?: Readonly<Record<string, string>>;
}
