/**
 * How a worker runs attempts. One conformance suite (executor.testsuite.ts) holds for every implementation.
 * No event is delivered while one of the executor's own functions is being called.
 */

export type Stream = "stdout" | "stderr";

/** One command to execute. `id` is the worker's own handle: below 2^32, unique for the executor's life. */
export interface Start {
  id: number;
  /**
   * attempts of one pool start in the order given, at most `width` of them at a time (see `width()`; 1 until told otherwise);
   * the next starts as soon as one ended, without a round trip. Pools are independent of each other.
   */
  pool: number;
  /** without a slash in the first, it is searched along PATH of the attempt's own environment */
  argv: readonly string[];
  /** absolute */
  cwd: string;
  /** environment registered before through `environment()` */
  environment: number;
  /** added to it, each "NAME=value"; replaces a variable of the same name */
  extraEnv: readonly string[];
  /** false: the stream goes to /dev/null. stdin always is /dev/null */
  captureStdout: boolean;
  captureStderr: boolean;
  /** what it was given of this worker's offer, for executors that place attempts themselves */
  needs?: Needs;
  /** declared by its task, relative ones below `cwd`; for executors that bring them to where it runs, and back */
  inputs?: readonly string[] | null;
  outputs?: readonly string[] | null;
}

export interface Needs {
  cpus: number;
  memoryBytes: number;
  gpus: number;
  /** the attempt is to be ended when it takes more memory than this; null = amounts are only reserved */
  memoryLimitBytes: number | null;
}

export interface Exit {
  id: number;
  /** null when ended by a signal, never started or dropped */
  exitCode: number | null;
  signal: number | null;
  /** errno text ("ENOENT") and what could not be done ("execve ./x", "chdir /y") when it never started */
  launchError: { errno: string; what: string } | null;
  /** true when it was dropped from its pool's queue before it started */
  dropped: boolean;
  /** why nobody knows how it ended, or whether it did anything; it may run again elsewhere */
  lost?: string;
  /** why it was ended with the worker's own job: not the program's doing, and it runs again elsewhere */
  preempted?: string;
  /** why outputs that it may have written are not here, whatever lies in their place */
  unreturned?: string;
  /** milliseconds since the epoch */
  startedMs: number;
  wallUs: number;
  userUs: number;
  systemUs: number;
  /** the attempt's own peak resident memory (largest single process), or null when it cannot be told */
  peakBytes: number | null;
}

export interface ExecutorEvents {
  /** only for attempts that are still running when the executor reports */
  started(id: number, pid: number, startedMs: number): void;
  /** `bytes` may be a view on a larger buffer: copy what is kept for long */
  output(id: number, stream: Stream, bytes: Uint8Array): void;
  /**
   * In batches, each after its last output. An attempt is over when the process started for it is: what it left
   * in its process group is killed then, and its output is what was written until then.
   */
  exited(exits: readonly Exit[]): void;
  /** the executor itself died; every attempt it had is gone (and its processes ended) */
  failed(error: Error): void;
}

export interface Executor {
  readonly name: string;
  /** registers an environment; returns its number. Throws TypeError for a name or value no process can have */
  environment(variables: Readonly<Record<string, string>>): number;
  /** how many attempts of a pool may run at the same time from now on; more than that already running go on */
  width(pool: number, width: number): void;
  start(batch: readonly Start[]): void;
  /** signals the attempt's whole process group; one that waits in its pool's queue is dropped */
  kill(id: number, signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** drops an attempt that still waits in its pool's queue (its exit says `dropped`); one that runs is left alone */
  drop(id: number): void;
  /** SIGKILLs everything that still runs and waits until nothing is left. No event comes after the call */
  close(): Promise<void>;
}
