/**
 * A batch system ends a job by signals to all of its processes, attempts and worker alike, in no order: attempts end by a signal
 * that nobody of ours sent, perhaps before the worker has been told that its time is over. Such ends wait a moment. If the
 * worker is told by then, they were the system's and not the program's.
 */
import { constants } from "node:os";
import type { Executor, ExecutorEvents, Exit } from "./executor.ts";

/** Slurm's signals reach all processes of a job within milliseconds. */
const WAIT_MS = 300;
const { SIGTERM, SIGKILL } = constants.signals;
const FROM_OUTSIDE: readonly (number | null)[] = [SIGTERM, SIGKILL];
/** What shells and programs make of them. */
const AS_CODES: readonly (number | null)[] = [128 + SIGTERM, 128 + SIGKILL];

/** Variables that say that we are in a job of Slurm, HTCondor, PBS or Grid Engine. */
const JOB_VARIABLES = ["SLURM_JOB_ID", "_CONDOR_JOB_AD", "PBS_JOBID", "SGE_TASK_ID"];

export function isInJob(environment: Readonly<Record<string, string | undefined>>): boolean {
  return JOB_VARIABLES.some((name) => environment[name] !== undefined);
}

/** `told`: whether this worker was told to go. */
export async function openInJob(
  events: ExecutorEvents,
  open: (events: ExecutorEvents) => Promise<Executor>,
  told: () => boolean,
): Promise<Executor> {
  /** those that we signalled ourselves */
  const ours = new Set<number>();
  let closed = false;

  function isForeign({ id, signal, exitCode, dropped }: Exit): boolean {
    if (dropped || ours.delete(id)) return false;
    return FROM_OUTSIDE.includes(signal) || AS_CODES.includes(exitCode);
  }

  function later(exits: readonly Exit[]): void {
    if (closed) return;
    const why = told() ? "ended together with the job that its worker runs in" : undefined;
    events.exited(why === undefined ? exits : exits.map((exit) => ({ ...exit, preempted: why })));
  }

  const executor = await open({
    ...events,
    exited(exits) {
      const foreign = exits.filter(isForeign);
      if (foreign.length === 0) return events.exited(exits);
      setTimeout(() => later(foreign), WAIT_MS);
      const others = exits.filter((exit) => !foreign.includes(exit));
      if (others.length > 0) events.exited(others);
    },
  });
  return {
    ...executor,
    kill(id, signal) {
      if (signal === "SIGTERM" || signal === "SIGKILL") ours.add(id);
      executor.kill(id, signal);
    },
    async close() {
      closed = true;
      await executor.close();
    },
  };
}
