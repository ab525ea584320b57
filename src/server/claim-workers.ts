/**
 * Numbers of workers for claims. Each open claim has one to itself; when it is over, the next claim from the same host uses it again, so
 * that the ledger does not grow with every claim.
 */
import type { Engine } from "./engine.ts";

export interface WorkerNumbers {
  take(host: string): number;
  /** no claim uses it now; one that is in use after all stays so */
  giveBack(host: string, worker: number): void;
}

/** Stored at once, at most. */
const MOST = 256;

export function createWorkerNumbers({ ledger, core }: Engine): WorkerNumbers {
  const unused = new Map<string, Set<number>>();
  /** how many were stored for a host */
  const stored = new Map<string, number>();

  function unusedOf(host: string): Set<number> {
    let set = unused.get(host);
    if (!set) unused.set(host, (set = new Set()));
    return set;
  }

  return {
    take(host) {
      const set = unusedOf(host);
      if (set.size === 0) {
        // As many again as it has: claims do not wait for the disk one by one.
        const before = stored.get(host) ?? 0;
        const count = Math.min(MOST, Math.max(1, before));
        const instances = Array.from({ length: count }, () => `claim-${crypto.randomUUID()}`);
        for (const each of ledger.addWorkers(instances, host, 0, Date.now())) set.add(each);
        stored.set(host, before + count);
      }
      const worker = set.values().next().value!;
      set.delete(worker);
      return worker;
    },
    giveBack(host, worker) {
      if (!core.workers.has(worker)) unusedOf(host).add(worker);
    },
  };
}
