/**
 * Workers that make tasks slow: when two different tasks in a row were slow on a worker, with no good one between
 * them, it gets nothing for a while. One slow task says more of the task than of the worker, so a task accuses only the
 * first worker it was slow on. Workers are excluded, not hosts.
 */

/** As long as Work Queue's. */
export const EXCLUDED_MS = 900_000;

export interface Suspicion {
  /** workers whose latest verdict was slow */
  suspects: Set<number>;
  /** until when (ms, on the clock of the caller's `nowMs`) */
  excludedUntilMs: Map<number, number>;
}

export function createSuspicion(): Suspicion {
  return { suspects: new Set(), excludedUntilMs: new Map() };
}

/**
 * A task was slow on the worker. Answers until when (ms) the worker is excluded, or null.
 * `earlierAborts` of the task, before this one. At most half of the `workers` are excluded at a time: where
 * most are slow, none is, and the work has to be done by somebody.
 */
export function noteSlow(
  suspicion: Suspicion,
  worker: number,
  earlierAborts: number,
  workers: number,
  nowMs: number,
): number | null {
  if (earlierAborts > 0 || isExcluded(suspicion, worker, nowMs)) return null;
  if (!suspicion.suspects.has(worker)) {
    suspicion.suspects.add(worker);
    return null;
  }
  if ((excludedCount(suspicion, nowMs) + 1) * 2 > workers) return null;
  suspicion.suspects.delete(worker);
  const until = nowMs + EXCLUDED_MS;
  suspicion.excludedUntilMs.set(worker, until);
  return until;
}

/** A task ended there in the usual time. */
export function noteGood(suspicion: Suspicion, worker: number): void {
  suspicion.suspects.delete(worker);
}

/** The worker is gone. */
export function forgetWorker(suspicion: Suspicion, worker: number): void {
  suspicion.suspects.delete(worker);
  suspicion.excludedUntilMs.delete(worker);
}

/** True while the worker gets nothing. Its time over, it starts afresh. */
export function isExcluded(suspicion: Suspicion, worker: number, nowMs: number): boolean {
  const until = suspicion.excludedUntilMs.get(worker);
  if (until === undefined) return false;
  if (nowMs < until) return true;
  suspicion.excludedUntilMs.delete(worker);
  return false;
}

function excludedCount(suspicion: Suspicion, nowMs: number): number {
  let count = 0;
  for (const worker of suspicion.excludedUntilMs.keys())
    if (isExcluded(suspicion, worker, nowMs)) count++;
  return count;
}
