/**
 * Reservation and backfill. A class that fits nowhere at the moment is passed over by those after it. When it has been for as long as
 * it would take to drain the worker on which its room would be free first, that room is kept for it: from then on only tasks run there
 * that end before (by their expected run time; unknown = may not), or that fit beside it. Waiting as long as draining costs means that at
 * most as much is lost as was waited for; where nothing is known of the run times, `reserveMs` is the time.
 */
import { agedCount } from "./ageing.ts";
import type { Core, WorkerState } from "./core.ts";
import { ageMsOf, expectedSeconds } from "./order.ts";
import { couldRun, takesWork } from "./placement.ts";
import type { ReadyClass } from "./ready.ts";
import { fitCount, type Free, freeOf, take } from "./resources.ts";
import type { Reservation } from "./scheduling.ts";

/** Shorter waits are no starvation. */
const LEAST_WAIT_MS = 1000;

/** Drops reservations that have no purpose any more, and looks again at when the others can start. */
export function reviewReservations(core: Core, nowMs: number): void {
  for (const reservation of core.scheduling.reservations.values()) {
    const { cls, worker } = reservation;
    const valid =
      core.active.has(cls) &&
      cls.ready > 0 &&
      core.workers.get(worker.id) === worker &&
      takesWork(core, worker) &&
      couldRun(worker, cls, nowMs);
    if (valid) {
      Object.assign(reservation, outlook(worker, cls, nowMs));
      reservation.inForce = false;
    } else cancelReservation(core, cls);
  }
}

/** The class got something, or is gone. */
export function cancelReservation(core: Core, cls: ReadyClass): void {
  cls.passedMs = null;
  for (const [id, { cls: reserved, worker }] of core.scheduling.reservations) {
    if (reserved !== cls) continue;
    core.scheduling.reservations.delete(id);
    if (core.workers.get(id) === worker) core.dirty.add(worker);
  }
}

/** How many of `count` tasks may start on a worker although room there is kept for another class. */
export function backfill(
  reservation: Reservation,
  cls: ReadyClass,
  count: number,
  nowMs: number,
): number {
  if (reservation.cls === cls || !reservation.inForce) return count;
  if (endsBefore(reservation, cls, nowMs)) return count;
  return fitCount(reservation.spare, cls.requirement, count);
}

/** Tells the reservation that `count` tasks of the class have started beside it. */
export function useSpare(
  reservation: Reservation,
  cls: ReadyClass,
  count: number,
  nowMs: number,
): void {
  if (reservation.cls !== cls && !endsBefore(reservation, cls, nowMs))
    take(reservation.spare, cls.requirement, count);
}

function endsBefore({ fromMs }: Reservation, cls: ReadyClass, nowMs: number): boolean {
  const seconds = expectedSeconds(cls);
  return seconds !== null && fromMs !== Infinity && nowMs + seconds * 1000 <= fromMs;
}

/** Keeps room for a class that was passed over long enough. */
export function reserve(core: Core, cls: ReadyClass, nowMs: number): void {
  const { reservations } = core.scheduling;
  if (cls.passedMs === null || nowMs < cls.reserveAtMs) return;
  for (const { cls: reserved } of reservations.values())
    if (reserved === cls) {
      cls.reserveAtMs = nowMs + LEAST_WAIT_MS;
      return;
    }
  let best: Reservation | null = null;
  let bestFree = 0;
  for (const worker of core.workers.values()) {
    if (reservations.has(worker.id) || worker.capacity.maxParallel !== null) continue;
    if (!takesWork(core, worker) || !couldRun(worker, cls, nowMs)) continue;
    const { fromMs, spare } = outlook(worker, cls, nowMs);
    const free = worker.free.cpus;
    if (best && (fromMs > best.fromMs || (fromMs === best.fromMs && free <= bestFree))) continue;
    best = { cls, worker, fromMs, spare, inForce: true };
    bestFree = free;
  }
  if (!best) return;
  const drainMs = best.fromMs === Infinity ? core.config.reserveMs : best.fromMs - nowMs;
  const dueMs = cls.passedMs + Math.max(LEAST_WAIT_MS, drainMs);
  // A task that has aged has waited enough.
  const aged = agedCount(cls, nowMs, ageMsOf(core, cls)) > 0;
  if (nowMs < dueMs && !aged) {
    cls.reserveAtMs = Math.min(dueMs, nowMs + LEAST_WAIT_MS);
    return;
  }
  reservations.set(best.worker.id, best);
}

/** When the worker has room for one task of the class, and what it has left beside it then. */
function outlook(
  worker: WorkerState,
  cls: ReadyClass,
  nowMs: number,
): { fromMs: number; spare: Free } {
  const ends = [...worker.holding.values()]
    .filter(({ running }) => running > 0)
    .map((holding) => {
      const seconds = expectedSeconds(holding.cls);
      const endMs = seconds === null ? Infinity : holding.sinceMs + seconds * 1000;
      return {
        endMs: Math.max(nowMs, endMs),
        need: holding.cls.requirement,
        count: holding.running,
      };
    });
  ends.sort((a, b) => a.endMs - b.endMs);
  const free: Free = { ...worker.free, custom: { ...worker.free.custom } };
  let fromMs = nowMs;
  for (const { endMs, need, count } of ends) {
    if (fitCount(free, cls.requirement, 1) > 0) break;
    take(free, need, -count);
    fromMs = endMs;
  }
  take(free, cls.requirement, 1);
  if (Math.min(free.cpus, free.memoryBytes, free.gpus, free.diskBytes) < -1e-6)
    return { fromMs: Infinity, spare: freeOf(NOTHING) };
  return { fromMs, spare: free };
}

const NOTHING = {
  cpus: 0,
  memoryBytes: 0,
  diskBytes: 0,
  gpus: 0,
  maxParallel: null,
  timeLimitSeconds: null,
  scheduler: null,
};
