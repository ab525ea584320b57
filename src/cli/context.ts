import type { StricliProcess } from "@stricli/core";
import type { ConnectDeps } from "./connect.ts";
import type { Io } from "./io.ts";

/** What every command function gets as `this`. */
export interface CliContext {
  /** Stricli's own: help goes through it */
  readonly process: StricliProcess;
  readonly io: Io;
  /** how to reach who owns a state directory */
  readonly connectDeps: ConnectDeps;
  /** the words after `--`, or null when there was none */
  readonly verbatim: readonly string[] | null;
  /** set by a command that ends well and still is not 0 */
  exitCode: number;
}
