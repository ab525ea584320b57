/**
 * The worker session: what server and worker say to each other, over memory (embedded) or a WebSocket.
 * Frames are batched and columnar: a million tasks a second must not become a million objects.
 * Times are milliseconds since the epoch, durations microseconds, sizes bytes.
 */
import type { Capacity, Grant } from "../core/events.ts";
import type { FileStamp } from "../core/files.ts";
import type { ParameterTable, Requirement, TaskBody, TextTemplate } from "../core/workflow.ts";

export const SESSION_VERSION = 1;

/** What a worker brings; its host is told apart from it. */
export type Offer = Omit<Capacity, "host">;

/** What a worker needs to know of a block to run its tasks; sent once per session. */
export interface WorkerTemplate {
  workflow: number;
  block: number;
  first: number;
  cwd: string;
  requirement: Requirement;
  timeoutSeconds: number | null;
  captureStdout: boolean;
  captureStderr: boolean;
  /** null for explicit blocks: bodies then travel with each run frame */
  parameters: ParameterTable | null;
  body: TaskBody | null;
  /** added to every attempt's environment, before the body's own */
  env: Readonly<Record<string, TextTemplate>>;
}

export type ToWorker =
  | { type: "welcome"; version: number; worker: number; heartbeatMs: number; lossMs: number }
  | { type: "template"; template: WorkerTemplate }
  | {
      type: "run";
      workflow: number;
      block: number;
      tasks: number[];
      attempts: number[];
      /** class of equal requirements */
      cls: number;
      /** how many of this class the worker may run at a time from now on; what it holds beyond that waits there */
      width: number;
      /** a worker that does not ignore resources ends an attempt that takes more memory; absent = amounts are only reserved */
      grant?: Grant;
      /** for explicit blocks, one per task */
      bodies?: TaskBody[];
      /** commands that have to end with 0 before an attempt starts, with the exit code that made them necessary */
      recoveries?: { at: number; command: string; exitCode: number }[];
    }
  | { type: "kill"; workflow: number; tasks: number[]; attempts: number[]; reason: KillReason }
  /** take back attempts that have not started */
  | { type: "revoke"; workflow: number; tasks: number[]; attempts: number[] }
  /** send what the attempt wrote so far and everything it writes from now on (`live` frames), or stop that */
  | { type: "follow"; workflow: number; task: number; attempt: number; on: boolean }
  /** results up to this frame number are durable */
  | { type: "ack"; seq: number }
  /** nothing more of this workflow: its templates are not needed any more */
  | { type: "forget"; workflow: number }
  | { type: "drain" };

export const KILL_REASONS = ["canceled", "superseded", "preempted", "stopped", "slow"] as const;
export type KillReason = (typeof KILL_REASONS)[number];

export type ToServer =
  | {
      type: "hello";
      version: number;
      /** unique for the worker process: a re-connect with the same one takes up where it was */
      instance: string;
      host: string;
      pid: number;
      /** see place.ts; absent or null where it cannot be told */
      place?: string | null;
      offer: Offer;
      /** attempts that are still running or whose results are not acknowledged */
      held: {
        workflow: number;
        tasks: number[];
        attempts: number[];
        started: boolean[];
        /** what they were given, where that is enforced */
        grants?: (Grant | null)[];
      }[];
    }
  | { type: "started"; workflow: number; tasks: number[]; attempts: number[]; startedMs: number[] }
  | { type: "finished"; seq: number; batches: FinishedBatch[] }
  | { type: "revoked"; workflow: number; tasks: number[]; attempts: number[] }
  /** output beyond what travels with the result, in order, ahead of it */
  | {
      type: "spill";
      /** position in the stream, where a connection may break and everything be sent again; absent = after what came before */
      at?: number;
      workflow: number;
      task: number;
      attempt: number;
      stream: "stdout" | "stderr";
      data: Uint8Array;
    }
  | {
      type: "live";
      workflow: number;
      task: number;
      attempt: number;
      stream: "stdout" | "stderr";
      data: Uint8Array;
    }
  | { type: "alive" }
  /** the worker is asked to go: it wants to be drained */
  | { type: "leaving" }
  | { type: "drained" };

/** Results of attempts of one workflow; all arrays have the same length. */
export interface FinishedBatch {
  workflow: number;
  /** class of equal requirements, as in the run frame */
  cls: number;
  tasks: number[];
  attempts: number[];
  /** index into OUTCOMES */
  outcomes: number[];
  /** exit code, or -signal, or null when it never ran */
  exits: (number | null)[];
  startedMs: number[];
  wallUs: number[];
  userUs: number[];
  systemUs: number[];
  peakBytes: (number | null)[];
  /** output of those that wrote any: [position in the batch, stdout, stderr] */
  outputs: FinishedOutput[];
  /** a sentence for those that need one ("cannot execute ./x: ENOENT"): [position in the batch, text] */
  messages: [position: number, text: string][];
  /** declared files of those that succeeded and have any */
  files: [position: number, stamps: FileStamp[]][];
  /** positions of those that never ran, because the recovery command before them failed */
  recoveryFailed: number[];
}

/** A batch without results. */
export function emptyBatch(workflow: number, cls: number): FinishedBatch {
  return {
    workflow,
    cls,
    tasks: [],
    attempts: [],
    outcomes: [],
    exits: [],
    startedMs: [],
    wallUs: [],
    userUs: [],
    systemUs: [],
    peakBytes: [],
    outputs: [],
    messages: [],
    files: [],
    recoveryFailed: [],
  };
}

export interface FinishedOutput {
  at: number;
  stdout: Uint8Array | null;
  stderr: Uint8Array | null;
  /** bytes written in all, when more than what travels here */
  stdoutBytes: number;
  stderrBytes: number;
}

/** One end of a session. The memory and the WebSocket transports implement it. */
export interface Channel<Out> {
  send(frames: readonly Out[]): void;
  close(): void;
}
