import { grantOf } from "./allocate.ts";
import type { Core, WorkerState } from "./core.ts";
import { blockOf } from "./graph.ts";
import { holdingOf } from "./holding.ts";
import { mayRun, room, takesWork } from "./placement.ts";
import { take } from "./resources.ts";
import type { Tasks } from "./tasks.ts";
import { classOf, ownAttempt } from "./tasks.ts";

/** Starts a duplicate of a running attempt on another worker with room, if there is one; another host is preferred. */
export function assignSpare(
  core: Core,
  tasks: Tasks,
  task: number,
  owner: WorkerState,
  nowMs: number,
): boolean {
  const cls = classOf(tasks, task);
  let best: WorkerState | null = null;
  for (const worker of core.workers.values()) {
    if (worker === owner || !takesWork(core, worker) || !mayRun(worker, cls, nowMs)) continue;
    if (room(worker, cls, 1) < 1) continue;
    if (best === null) best = worker;
    else if (
      best.capacity.host === owner.capacity.host &&
      worker.capacity.host !== owner.capacity.host
    )
      best = worker;
  }
  if (!best) return false;
  tasks.older.set(task, ownAttempt(tasks, task));
  const attempt = ++tasks.attempt[task]!;
  tasks.spares.set(task, { worker: best.id, attempt, cls });
  const holding = holdingOf(best, cls);
  holding.held++;
  holding.running++;
  holding.sinceMs = nowMs;
  best.running++;
  take(best.free, cls.requirement, 1);
  core.effects.push({
    type: "assign",
    worker: best.id,
    workflow: tasks.workflow,
    block: blockOf(tasks.graph.blockFirst, task),
    cls: cls.id,
    tasks: [task],
    attempts: [attempt],
    width: holding.running,
    grant: grantOf(cls),
  });
  return true;
}
