import type { Holding, WorkerState } from "./core.ts";
import type { ReadyClass } from "./ready.ts";

/** What the worker holds of a class; an entry is made for its first attempt. */
export function holdingOf(worker: WorkerState, cls: ReadyClass): Holding {
  let holding = worker.holding.get(cls.id);
  if (!holding) {
    holding = { cls, held: 0, running: 0, sinceMs: 0, lookAtMs: 0, recent: [], recentCount: 0 };
    worker.holding.set(cls.id, holding);
  }
  return holding;
}
