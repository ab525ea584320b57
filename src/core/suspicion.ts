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
  /** of these, workers that wait only until somebody else has taken what was slow there */
  heldBack: Map<number, HeldBack>;
}

export interface HeldBack {
  workflow: number;
  task: number;
  /** the one that was ended */
  attempt: number;
}

export function createSuspicion(): Suspicion {
  return { suspects: new Set(), excludedUntilMs: new Map(), heldBack: new Map() };
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
  if (earlierAborts > 0 || isSuspended(suspicion, worker, nowMs)) return null;
  if (!suspicion.suspects.has(worker)) {
    suspicion.suspects.add(worker);
    return null;
  }
  const others = excludedCount(suspicion, nowMs) - (suspicion.heldBack.has(worker) ? 1 : 0);
  if ((others + 1) * 2 > workers) return null;
  suspicion.suspects.delete(worker);
  suspicion.heldBack.delete(worker);
  const until = nowMs + EXCLUDED_MS;
  suspicion.excludedUntilMs.set(worker, until);
  return until;
}

/**
 * What was slow on the worker would come back to it at once, as it has room: it gets nothing until another one has taken that, or until
 * `untilMs`. False where that cannot be: too many are excluded already.
 */
export function holdBack(
  suspicion: Suspicion,
  worker: number,
  what: HeldBack,
  workers: number,
  nowMs: number,
  untilMs: number,
): boolean {
  if (isExcluded(suspicion, worker, nowMs)) return false;
  if ((excludedCount(suspicion, nowMs) + 1) * 2 > workers) return false;
  suspicion.heldBack.set(worker, what);
  suspicion.excludedUntilMs.set(worker, untilMs);
  return true;
}

function isSuspended(suspicion: Suspicion, worker: number, nowMs: number): boolean {
  return isExcluded(suspicion, worker, nowMs) && !suspicion.heldBack.has(worker);
}

/** A task ended there in the usual time. */
export function noteGood(suspicion: Suspicion, worker: number): void {
  suspicion.suspects.delete(worker);
}

/** The worker is gone. */
export function forgetWorker(suspicion: Suspicion, worker: number): void {
  suspicion.suspects.delete(worker);
  readmit(suspicion, worker);
}

/** It may get work again. */
export function readmit(suspicion: Suspicion, worker: number): void {
  suspicion.excludedUntilMs.delete(worker);
  suspicion.heldBack.delete(worker);
}

/** True while the worker gets nothing. Its time over, it starts afresh. */
export function isExcluded(suspicion: Suspicion, worker: number, nowMs: number): boolean {
  const until = suspicion.excludedUntilMs.get(worker);
  if (until === undefined) return false;
  if (nowMs < until) return true;
  readmit(suspicion, worker);
  return false;
}

function excludedCount(suspicion: Suspicion, nowMs: number): number {
  let count = 0;
  for (const worker of suspicion.excludedUntilMs.keys())
    if (isExcluded(suspicion, worker, nowMs)) count++;
  return count;
}
