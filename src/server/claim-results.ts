/** Results of claimed tasks, from what a runner tells to what the core takes. */
import { type Effect, type Finished, VERDICT_SUPERSEDED } from "../core/events.ts";
import type { FinishedBatch } from "../protocol/session.ts";

/** How an attempt ended, as its runner tells. */
export interface Completion {
  /** index into OUTCOMES */
  outcome: number;
  /** exit code, or -signal */
  exit: number;
  /** null = since it was started here */
  wallUs: number | null;
  /** cpus it kept busy in the mean; null = not measured */
  meanCpus: number | null;
  peakBytes: number | null;
  attempt: number | null;
  message: string | null;
  output: Omit<FinishedBatch["outputs"][number], "at"> | null;
}

/** The engine stores `null` where nothing was measured; workers always measure. */
export type Result = Omit<FinishedBatch, "userUs" | "systemUs"> & Finished;

/** `tookMs` counts where the runner did not measure. */
export function batchOf(
  workflow: number,
  cls: number,
  task: number,
  attempt: number,
  end: Completion,
  tookMs: number,
): Result {
  const { outcome, exit, meanCpus, peakBytes, message, output } = end;
  const wallUs = end.wallUs ?? Math.round(tookMs * 1000);
  const cpuUs = meanCpus === null ? null : Math.round(meanCpus * wallUs);
  return {
    workflow,
    cls,
    tasks: [task],
    attempts: [attempt],
    outcomes: [outcome],
    exits: [exit],
    startedMs: [Date.now() - wallUs / 1000],
    wallUs: [wallUs],
    userUs: [cpuUs],
    systemUs: [cpuUs === null ? null : 0],
    peakBytes: [peakBytes],
    outputs: output ? [{ at: 0, ...output }] : [],
    messages: message === null ? [] : [[0, message]],
    files: [],
    recoveryFailed: [],
  };
}

export function isSuperseded(effects: readonly Effect[]): boolean {
  return effects.some(
    (effect) => effect.type === "verdicts" && effect.verdicts[0] === VERDICT_SUPERSEDED,
  );
}
