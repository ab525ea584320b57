/** What `run` needs of the embedded composition (server, session over memory and worker in one process). */
import type { HoldallError, Place } from "../core/error.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { TaskCounts, WorkflowSummary } from "../protocol/api.ts";
import type { Offer } from "../protocol/session.ts";

export interface RunRequest {
  stateDir: string;
  what:
    | {
        kind: "definition";
        definition: WorkflowDefinition;
        adHoc: boolean;
        /** where the document says what a task needs of a resource */
        placeOfNeed?(task: number, resource: string): Place | undefined;
      }
    | { kind: "workflow"; id: number };
  /** forget what the state directory knows of a workflow with this name and start anew */
  fresh: boolean;
  /** state directory whose results may stand for tasks with declared outputs; absolute */
  reuse: string | null;
  offer: Offer;
  /** absolute, or null */
  outputDir: string | null;
  stdout: "capture" | "none";
  stderr: "capture" | "none";
  /** seconds after which the run is stopped (exit 7); null = never */
  timeoutSeconds: number | null;
}

/** A cheap snapshot for the progress line. */
export interface RunProgress {
  workflowId: number;
  name: string;
  total: number;
  counts: TaskCounts;
  /** succeeded before this invocation and kept */
  cached: number;
  /** attempts ended in this invocation */
  attempts: number;
  startedMs: number;
}

/** What a second `run` of the same workflow found: said before anything starts. */
export interface RunPlan {
  /** tasks kept because they succeeded and nothing they declare changed */
  kept: number;
  /** tasks run again because they or something upstream changed */
  changed: number;
  /** tasks that did not exist before */
  added: number;
  /** failed, skipped, canceled or interrupted before and run again */
  again: number;
  /** tasks that no longer exist */
  removed: number;
  /** tasks whose results are those of another workflow */
  reused?: number;
}

export interface RunReport {
  workflow_id: number;
  name: string;
  tasks: number;
  succeeded: number;
  failed: number;
  canceled: number;
  skipped: number;
  cached: number;
  attempts: number;
  wall_seconds: number;
  tasks_per_second: number;
}

export interface RunOutcome {
  report: RunReport;
  summary: WorkflowSummary;
  /** why it ended */
  end: "finished" | "interrupted" | "stopped" | "timeout";
}

export interface RunHandle {
  /** null for a workflow seen the first time */
  readonly plan: RunPlan | null;
  progress(): RunProgress;
  /** start nothing new, let what runs end */
  drain(): void;
  /** end what runs, now */
  stop(): void;
  /** told when the disk under the ledger refuses data, and with null when it takes them again */
  onStorage?(listener: (error: HoldallError | null) => void): void;
  readonly done: Promise<RunOutcome>;
}
