/**
 * Who is lost. A worker is alive with everything that comes from it; it is lost when nothing came for `limitMs`.
 *
 * A server that was late itself (a long turn, SIGSTOP, a suspended machine) must not take its own silence for theirs. So each tick measures
 * its own lateness and adds it to every deadline, and nobody is declared lost at the tick that finds him overdue: only at the next
 * one, after the loop has read what was waiting in the sockets, and only when that tick came in time.
 */
export interface Liveness {
  /** from now on it has to be heard, within `limitMs` or a time of its own */
  watch(worker: number, ownLimitMs?: number): void;
  /** false: it is not watched */
  heard(worker: number): boolean;
  forget(worker: number): void;
  /** call every `intervalMs`; returns who is lost, and forgets them */
  tick(): number[];
}

export interface LivenessOptions {
  limitMs: number;
  intervalMs: number;
  /** monotonic */
  now(): number;
}

export function createLiveness({ limitMs, intervalMs, now }: LivenessOptions): Liveness {
  const deadlines = new Map<number, number>();
  const overdue = new Set<number>();
  let last = now();
  const renew = (worker: number, ownLimitMs: number = limitMs): void => {
    deadlines.set(worker, now() + ownLimitMs);
    overdue.delete(worker);
  };
  return {
    watch: renew,
    heard(worker) {
      if (!deadlines.has(worker)) return false;
      renew(worker);
      return true;
    },
    forget(worker) {
      deadlines.delete(worker);
      overdue.delete(worker);
    },
    tick() {
      const at = now();
      const lateMs = Math.max(0, at - last - intervalMs);
      last = at;
      if (lateMs > 0)
        for (const [worker, deadline] of deadlines) deadlines.set(worker, deadline + lateMs);
      if (lateMs > intervalMs) overdue.clear();
      const lost: number[] = [];
      for (const [worker, deadline] of deadlines) {
        if (at <= deadline) continue;
        if (overdue.has(worker)) lost.push(worker);
        else overdue.add(worker);
      }
      for (const worker of lost) {
        deadlines.delete(worker);
        overdue.delete(worker);
      }
      return lost;
    },
  };
}
