/**
 * Attempts that wait on a worker in advance are taken back when
 * - a class of higher priority waits that this worker could run, or its room is reserved: what is held would move up in front of it;
 * - nothing is ready any more, another worker has room for them, and they would wait a while where they are.
 * Which of them have started is the worker's business: it gives back what has not (`revoked`), the rest goes on.
 */
import type { Core, Holding, WorkerState } from "./core.ts";
import { couldRun, mayRun, room, takesWork } from "./placement.ts";
import type { ReadyClass } from "./ready.ts";
import { ASSIGNED } from "./states.ts";

/** Less than this is begun sooner than it would be moved. */
const WORTH_MOVING_MS = 20;

/** Notes attempts handed to a worker, so that the last of them can be found again. */
export function remember(
  holding: Holding,
  tasks: readonly number[],
  attempts: readonly number[],
): void {
  holding.recent.push({ tasks, attempts });
  holding.recentCount += tasks.length;
  // Attempts start in the order in which they were given, so those that wait are the last.
  while (holding.recent.length > 1) {
    const oldest = holding.recent[0]!.tasks.length;
    if (holding.recentCount - oldest < holding.held) break;
    holding.recent.shift();
    holding.recentCount -= oldest;
  }
}

/** `first`: the classes that wait, in order. */
export function makeWay(core: Core, first: readonly ReadyClass[], nowMs: number): void {
  for (const worker of core.scheduling.ahead) {
    if (!holdsMore(core, worker)) continue;
    const reserved = core.scheduling.reservations.get(worker.id)?.cls;
    for (const holding of worker.holding.values()) {
      if (holding.held <= holding.running) continue;
      const { cls } = holding;
      const behind =
        (reserved !== undefined && reserved !== cls) ||
        first.some((waiting) => outranks(waiting, cls) && couldRun(worker, waiting, nowMs));
      if (behind) takeBack(core, worker, holding, holding.held - holding.running);
    }
  }
}

/** Without ageing: what is held already is not taken away because something else grew old. */
export function outranks(a: ReadyClass, b: ReadyClass): boolean {
  return (
    a.workflowPriority > b.workflowPriority ||
    (a.workflowPriority === b.workflowPriority && a.priority > b.priority)
  );
}

/** Shares what waits on some workers with those that have nothing left to do. */
export function shareTail(core: Core, idle: Iterable<WorkerState>, nowMs: number): void {
  const { ahead } = core.scheduling;
  if (ahead.size === 0 || core.workers.size < 2) return;
  for (const taker of idle) {
    if (!takesWork(core, taker)) continue;
    for (const giver of ahead) {
      if (giver === taker || !holdsMore(core, giver)) continue;
      for (const holding of giver.holding.values()) {
        const { cls, held, running } = holding;
        const waiting = held - running;
        if (waiting <= 0 || !mayRun(taker, cls, nowMs)) continue;
        const perSlot = (waiting / Math.max(1, running)) * (cls.category.meanWallUs / 1000);
        const worthAtMs = holding.sinceMs + core.config.prefetchMs + WORTH_MOVING_MS;
        if (perSlot < WORTH_MOVING_MS && nowMs < worthAtMs) {
          // They may be stuck behind something slow: look again then.
          if (holding.lookAtMs < nowMs) {
            holding.lookAtMs = worthAtMs;
            core.timers.add({ atMs: worthAtMs, workflow: 0, task: 0 });
          }
          core.dirty.add(taker);
          continue;
        }
        const count = room(taker, cls, Math.ceil(waiting / 2));
        if (count > 0) takeBack(core, giver, holding, count);
      }
    }
  }
}

function holdsMore(core: Core, worker: WorkerState): boolean {
  if (core.workers.get(worker.id) === worker && !worker.absent)
    for (const { held, running } of worker.holding.values()) if (held > running) return true;
  core.scheduling.ahead.delete(worker);
  return false;
}

/** Asks for the last `count` attempts of a class that wait there; each is asked for once. */
function takeBack(core: Core, worker: WorkerState, holding: Holding, count: number): void {
  const { cls } = holding;
  const tasks = core.workflows.get(cls.workflow);
  if (!tasks) return;
  const list: number[] = [];
  const attempts: number[] = [];
  while (list.length < count && holding.recent.length > 0) {
    const frame = holding.recent.pop()!;
    holding.recentCount -= frame.tasks.length;
    let at = frame.tasks.length;
    while (at > 0 && list.length < count) {
      at--;
      const task = frame.tasks[at]!;
      const live = tasks.owner[task] === worker.id && tasks.attempt[task] === frame.attempts[at];
      if (!live || tasks.state[task] !== ASSIGNED) continue;
      list.push(task);
      attempts.push(frame.attempts[at]!);
    }
    if (at > 0) {
      holding.recent.push({
        tasks: frame.tasks.slice(0, at),
        attempts: frame.attempts.slice(0, at),
      });
      holding.recentCount += at;
    }
  }
  if (list.length === 0) return;
  list.reverse();
  attempts.reverse();
  core.effects.push({
    type: "revoke",
    worker: worker.id,
    workflow: cls.workflow,
    tasks: list,
    attempts,
  });
}
