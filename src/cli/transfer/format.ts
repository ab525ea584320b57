/**
 * A workflow with its results as JSON lines: a head, one line for each attempt that has ended, an end. Snake case, as
 * everything that leaves a process.
 */
import type { FileStamp } from "../../core/files.ts";
import type { WorkflowDefinition } from "../../core/workflow.ts";

export const TRANSFER_VERSION = 1;

export interface HeadLine {
  holdall_export: typeof TRANSFER_VERSION;
  holdall_version: string;
  name: string;
  submitted_ms: number;
  /** null = there was something left to do */
  ended_ms: number | null;
  stdout: "capture" | "none";
  stderr: "capture" | "none";
  /** SHA-256 over the definition */
  digest: string;
  definition: WorkflowDefinition;
}

export interface AttemptLine {
  task: number;
  attempt: number;
  /** the task's completion; else an attempt beside it */
  accepted: boolean;
  outcome: string;
  /** exit code, or -signal */
  exit: number | null;
  started_ms: number | null;
  wall_us: number | null;
  user_us: number | null;
  system_us: number | null;
  peak_bytes: number | null;
  host: string | null;
  message: string | null;
  output: OutputPart | null;
  /** how declared files looked, of the completion */
  files: readonly FileStamp[];
}

export interface OutputPart {
  /** base64; null = too much to be in the ledger */
  stdout: string | null;
  stderr: string | null;
  stdout_bytes: number;
  stderr_bytes: number;
}

export interface EndLine {
  end: true;
  attempts: number;
  canceled: number[];
}
