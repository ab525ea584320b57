/**
 * Duplicates (speculation): a task may have a second live attempt on another worker, its *spare*. The first result counts; the other
 * attempt is ended and becomes a ghost. When the first attempt is lost or fails, the spare takes its place.
 */
import { attemptKey } from "./attempts.ts";
import type { Core } from "./core.ts";
import type { Tasks } from "./tasks.ts";
import { classOf, ownAttempt } from "./tasks.ts";

export function isSpare(tasks: Tasks, worker: number, task: number, attempt: number): boolean {
  if (tasks.spares.size === 0) return false;
  const spare = tasks.spares.get(task);
  return spare !== undefined && spare.worker === worker && spare.attempt === attempt;
}

/** The spare is gone; the numbers handed out stay. */
export function forgetSpare(tasks: Tasks, task: number): void {
  tasks.spares.delete(task);
}

/** The owner's attempt is gone: the spare, if there is one, takes its place. */
export function promoteSpare(tasks: Tasks, task: number): boolean {
  const spare = tasks.spares.size > 0 ? tasks.spares.get(task) : undefined;
  tasks.older.delete(task);
  if (!spare) return false;
  tasks.owner[task] = spare.worker;
  if (spare.attempt !== tasks.attempt[task]) tasks.older.set(task, spare.attempt);
  tasks.spares.delete(task);
  return true;
}

/** Owner and spare change places. */
export function swapSpare(tasks: Tasks, task: number): void {
  const before = { worker: tasks.owner[task]!, attempt: ownAttempt(tasks, task) };
  promoteSpare(tasks, task);
  tasks.spares.set(task, before);
}

/** Ends the spare of a task, if it has one; it keeps its room until its worker has. */
export function dismissSpare(
  core: Core,
  tasks: Tasks,
  task: number,
  reason: "canceled" | "superseded",
): void {
  const spare = tasks.spares.get(task);
  if (!spare) return;
  tasks.spares.delete(task);
  core.workers
    .get(spare.worker)
    ?.ghosts.set(attemptKey(tasks.workflow, task, spare.attempt), classOf(tasks, task));
  core.effects.push({
    type: "kill",
    worker: spare.worker,
    workflow: tasks.workflow,
    tasks: [task],
    attempts: [spare.attempt],
    reason,
  });
}
