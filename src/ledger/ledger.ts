/**
 * The ledger: what Holdall remembers. One verb per kind of record; all records of one server turn are written in one
 * transaction (`commit`), and only then are messages sent: that order is the durability promise.
 *
 * A task has at most one row in `results`: its accepted completion (the primary key states the promise).
 * Every other attempt (failed and retried, lost, superseded, canceled, or accepted before a reset) is a row of `attempts`.
 */
import type { FileStamp } from "../core/files.ts";
import type { TaskBody, WorkflowDefinition } from "../core/workflow.ts";

export type { FileStamp } from "../core/files.ts";

/** One finished attempt, as stored and read. Times in ms since the epoch, durations in µs. */
export interface AttemptRow {
  task: number;
  attempt: number;
  /** index into OUTCOMES */
  outcome: number;
  /** exit code, or -signal, or null when it never ran */
  exit: number | null;
  startedMs: number | null;
  wallUs: number | null;
  userUs: number | null;
  systemUs: number | null;
  peakBytes: number | null;
  /** ledger id of the worker */
  worker: number;
  message: string | null;
}

/** Columnar form of the same: one array per column. */
export interface AttemptColumns {
  tasks: ArrayLike<number>;
  attempts: ArrayLike<number>;
  outcomes: ArrayLike<number>;
  exits: ArrayLike<number | null>;
  startedMs: ArrayLike<number | null>;
  wallUs: ArrayLike<number | null>;
  userUs: ArrayLike<number | null>;
  systemUs: ArrayLike<number | null>;
  peakBytes: ArrayLike<number | null>;
}

export interface OutputRow {
  task: number;
  attempt: number;
  stdout: Uint8Array | null;
  stderr: Uint8Array | null;
  /** bytes written in all; more than what is stored when it was cut or lies in a file */
  stdoutBytes: number;
  stderrBytes: number;
}

export type LedgerRecord =
  | { kind: "assigned"; workflow: number; worker: number; tasks: number[]; attempts: number[] }
  | {
      kind: "finished";
      workflow: number;
      worker: number;
      columns: AttemptColumns;
      /** per row: 1 = the task's accepted completion (`results`), 0 = another attempt (`attempts`) */
      accepted: Uint8Array;
      messages: readonly (readonly [row: number, text: string])[];
      outputs: readonly OutputRow[];
    }
  | { kind: "canceled"; workflow: number; tasks: number[]; reason: string; atMs: number }
  /** their results move to `attempts`, their cancellations and files are forgotten, their failures forgiven: they may run again */
  | { kind: "reset"; workflow: number; tasks: number[] }
  /** the workflow has nothing left to do, or goes on again (null) */
  | { kind: "ended"; workflow: number; atMs: number | null }
  | { kind: "worker"; worker: number; instance: string; host: string; pid: number; atMs: number }
  /** a new claim, or a new lease for it */
  | {
      kind: "claim";
      claim: string;
      workflow: number;
      worker: number;
      leaseMs: number | null;
    }
  | { kind: "claim_started"; claim: string; task: number }
  /** null: it is forgotten at once */
  | { kind: "claim_ended"; claim: string; atMs: number | null }
  /** what was answered under an idempotency key */
  | { kind: "answer"; key: string; status: number; body: string; atMs: number }
  /** claims that ended and answers that were given before */
  | { kind: "forget_claims"; beforeMs: number }
  /** again: replaces what was said of the host */
  | ({ kind: "host_blocked" } & HostBlock)
  | { kind: "host_unblocked"; host: string }
  /** it is done by one only, once for each `worker` (0: once for all): a second claim is refused by throwing */
  | { kind: "action_taken"; workflow: number; action: number; worker: number; atMs: number }
  | ({ kind: "action_ended"; workflow: number } & Omit<ActionRow, "claimedMs">)
  /** the workflow's actions are others now */
  | { kind: "actions_forgotten"; workflow: number }
  /** fingerprints of declared files when a task succeeded, for "unchanged" */
  | { kind: "files"; workflow: number; task: number; files: readonly FileStamp[] };

/** A host that gets nothing new. Times by the wall clock. */
export interface HostBlock {
  host: string;
  /** null = until unblocked */
  untilMs: number | null;
  reason: string;
  atMs: number;
}

/** An action of a workflow that somebody has taken on. Times by the wall clock. */
export interface ActionRow {
  /** index among the workflow's actions */
  action: number;
  /** 0 = once for all workers */
  worker: number;
  claimedMs: number;
  /** null = under way, or its owner died */
  endedMs: number | null;
  /** null when it has none: not ended, or nothing was executed */
  exitCode: number | null;
  /** the end of what it printed, or what it did */
  message: string;
}

export interface WorkflowRow {
  id: number;
  name: string;
  source: string | null;
  /** SHA-256 over the definition; equal = the same workflow, nothing changed */
  digest: string;
  /** global id of its task 0; ids of tasks are integers from 1 over the whole ledger */
  firstTaskId: number;
  taskCount: number;
  submittedMs: number;
  endedMs: number | null;
  options: WorkflowOptions;
}

export interface WorkflowOptions {
  stdout: "capture" | "none";
  stderr: "capture" | "none";
  outputDir: string | null;
  idempotencyKey?: string | null;
}

/** What is left of a workflow's history when a ledger is opened again. */
export interface WorkflowHistory {
  /** accepted completions: task, attempt, outcome */
  results: Iterable<readonly [task: number, attempt: number, outcome: number]>;
  /** other attempts */
  attempts: Iterable<readonly [task: number, attempt: number, outcome: number]>;
  canceled: Iterable<number>;
  /** those of `attempts` that did not succeed, since the last reset of their task; `started` is 0 or 1 */
  failures: Iterable<
    readonly [
      task: number,
      attempt: number,
      outcome: number,
      exit: number | null,
      started: number,
      peakBytes?: number | null,
      /** of those that ran out of memory or disk */
      message?: string | null,
    ]
  >;
  /** handed out and not known to have ended: worker, task, attempt */
  assigned: Iterable<readonly [worker: number, task: number, attempt: number]>;
}

/** A claim of a runner that polls. Its tasks are the assignments of its worker, whose number is used for one open claim at a time. */
export interface ClaimRow {
  id: string;
  workflow: number;
  worker: number;
  /** null = none was asked for */
  leaseMs: number | null;
  endedMs: number | null;
  /** tasks its runner has started, in order; empty once it has ended */
  started: number[];
}

export interface AnswerRow {
  status: number;
  body: string;
  atMs: number;
}

export interface Ledger {
  /** unique for this ledger; attempts carry it in HOLDALL_MARK so that left-overs can be found */
  readonly uuid: string;
  /** stores a workflow whole or not at all; explicit bodies are taken out of the blocks into rows of their own */
  insertWorkflow(
    definition: WorkflowDefinition,
    digest: string,
    options: WorkflowOptions,
    nowMs: number,
  ): WorkflowRow;
  /**
   * replaces the definition of a workflow: `mapping[new task] = old task or -1`. Results and attempts of mapped tasks move along
   * (in one transaction, which has the `records` too); those of tasks that no longer exist are kept under negative task numbers.
   */
  replaceDefinition(
    workflow: number,
    definition: WorkflowDefinition,
    digest: string,
    mapping: Int32Array,
    records?: readonly LedgerRecord[],
  ): WorkflowRow;
  updateOptions(workflow: number, options: WorkflowOptions): void;
  workflows(): WorkflowRow[];
  workflow(id: number): WorkflowRow | null;
  /** blocks without the bodies of explicit tasks */
  definition(workflow: number): WorkflowDefinition;
  /** bodies of explicit tasks, in the order asked for */
  bodies(workflow: number, tasks: readonly number[]): TaskBody[];
  /** task number of an explicit task by its exact name */
  taskByName(workflow: number, name: string): number | null;
  history(workflow: number): WorkflowHistory;
  /** all records in one durable transaction */
  commit(records: readonly LedgerRecord[]): void;
  attemptsOf(workflow: number, task: number): AttemptRow[];
  /** accepted or latest attempt of each of these tasks */
  latestAttempts(workflow: number, tasks: readonly number[]): (AttemptRow | null)[];
  output(workflow: number, task: number, attempt: number): OutputRow | null;
  /** for summaries: wall, cpu (user+system) in µs, peak bytes, outcome of all accepted completions */
  resultStatistics(workflow: number, visit: (row: StatisticsRow, task: number) => void): void;
  files(workflow: number): Iterable<readonly [task: number, stamp: FileStamp]>;
  /** registers a worker process; returns its ledger id */
  addWorker(instance: string, host: string, pid: number, nowMs: number): number;
  /** as many at once, in one transaction */
  addWorkers(instances: readonly string[], host: string, pid: number, nowMs: number): number[];
  workerHost(worker: number): string | null;
  /** as it said when it came; of runners that poll the pid is 0 */
  workerProcess(worker: number): { instance: string; host: string; pid: number } | null;
  /** open ones, and ended ones that are not forgotten yet, by worker */
  claims(): ClaimRow[];
  /** by name, those whose time is over included */
  hostBlocks(): HostBlock[];
  /** in the order of actions and workers */
  actions(workflow: number): ActionRow[];
  answer(key: string): AnswerRow | null;
  /** counts accepted completions by reading them back (bench, doctor) */
  countResults(workflow: number): number;
  /** forgets assignments of a workflow once all have ended or been recorded as lost */
  clearAssignments(workflow: number): void;
  deleteWorkflow(workflow: number): void;
  close(): void;
}

export interface StatisticsRow {
  outcome: number;
  wallUs: number | null;
  cpuUs: number | null;
  peakBytes: number | null;
}
