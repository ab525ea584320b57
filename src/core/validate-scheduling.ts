/** What has to be true of the scheduler's own records and of who holds what, between two steps. */
import type { Core, WorkerState } from "./core.ts";
import type { Category, ReadyClass } from "./ready.ts";

export function checkScheduling(core: Core): void {
  for (const worker of core.workers.values()) checkBinding(worker);
  checkLimits(core);
  for (const cls of core.active) checkMarks(cls);
  checkReservations(core);
}

/** Nobody holds what it may never run. */
function checkBinding(worker: WorkerState): void {
  const { capacity } = worker;
  const say = (cls: ReadyClass, sentence: string): never => {
    throw new Error(`worker ${worker.id} holds class ${cls.id}, ${sentence}`);
  };
  for (const { cls, recent, recentCount } of worker.holding.values()) {
    const { scheduler, placement } = cls;
    // What a runner said of itself before a restart is not known, and it gets nothing more.
    if (worker.claim && capacity.features === undefined) continue;
    const foreign = scheduler !== null && scheduler !== capacity.scheduler;
    if (foreign && capacity.strictScheduler !== false)
      say(cls, `which is bound to ${scheduler}; it is of ${capacity.scheduler}`);
    const hosts = placement?.requiredHosts ?? [];
    if (hosts.length > 0 && !hosts.includes(capacity.host ?? ""))
      say(cls, `which has to run on ${hosts.join(" or ")}`);
    for (const feature of placement?.features ?? [])
      if (!capacity.features?.includes(feature)) say(cls, `which needs the feature ${feature}`);
    const noted = recent.reduce((sum, { tasks }) => sum + tasks.length, 0);
    if (noted !== recentCount)
      say(cls, `with ${noted} recent attempts, ${recentCount} are counted`);
  }
}

function checkLimits(core: Core): void {
  const running = new Map<Category, number>();
  for (const worker of core.workers.values()) {
    for (const { cls, running: count } of worker.holding.values())
      running.set(cls.category, (running.get(cls.category) ?? 0) + count);
    // They run although nobody wants them.
    for (const cls of worker.ghosts.values())
      running.set(cls.category, (running.get(cls.category) ?? 0) - 1);
  }
  for (const tasks of core.workflows.values())
    for (const cls of new Set(tasks.classes)) {
      const { maxConcurrent, name } = cls.category;
      // Duplicates are started beyond the limit.
      const count = (running.get(cls.category) ?? 0) - tasks.spares.size;
      if (maxConcurrent !== null && count > maxConcurrent)
        throw new Error(`${count} tasks of category ${name} run, ${maxConcurrent} are allowed`);
    }
}

function checkMarks({ id, marks }: ReadyClass): void {
  let total = 0;
  for (let i = 0; i < marks.list.length; i += 2) {
    total += marks.list[i + 1]!;
    if (marks.list[i + 1]! <= 0) throw new Error(`class ${id} has an empty mark of waiting`);
    if (i > 0 && marks.list[i]! < marks.list[i - 2]!)
      throw new Error(`class ${id} has marks of waiting out of order`);
  }
  if (total !== marks.total)
    throw new Error(`class ${id} has ${total} tasks in its marks, ${marks.total} are counted`);
}

function checkReservations(core: Core): void {
  const reserved = new Set<ReadyClass>();
  for (const [id, { cls, worker }] of core.scheduling.reservations) {
    if (worker.id !== id) throw new Error(`the reservation on worker ${id} is for ${worker.id}`);
    if (reserved.has(cls)) throw new Error(`class ${cls.id} has two reservations`);
    reserved.add(cls);
  }
}
