/**
 * Duplicates (speculation): a task may have a second live attempt on another worker, its *spare*. The first result counts; the other
 * attempt is ended and becomes a ghost. When the first attempt is lost or fails, the spare takes its place.
 */
import { attemptKey } from "./attempts.ts";
import type { Core } from "./core.ts";
import type { ReadyClass } from "./ready.ts";
import { heldClass } from "./allocate.ts";
import type { Spare, Tasks } from "./tasks.ts";
import { ownAttempt } from "./tasks.ts";

export function isSpare(tasks: Tasks, worker: number, task: number, attempt: number): boolean {
  if (tasks.spares.size === 0) return false;
  const spare = tasks.spares.get(task);
  return spare !== undefined && spare.worker === worker && spare.attempt === attempt;
}

/** The spare is gone; the numbers handed out stay. Answers the class whose room it had. */
export function forgetSpare(tasks: Tasks, task: number): ReadyClass {
  const { cls } = tasks.spares.get(task)!;
  tasks.spares.delete(task);
  return cls;
}

/** Owner and class of a task's first attempt are those of its spare now. */
function own(tasks: Tasks, task: number, { worker, cls }: Spare): void {
  tasks.owner[task] = worker;
  if (cls.declared !== null) tasks.handed.set(task, cls);
}

/** The owner's attempt is gone: the spare, if there is one, takes its place. */
export function promoteSpare(tasks: Tasks, task: number): boolean {
  const spare = tasks.spares.size > 0 ? tasks.spares.get(task) : undefined;
  tasks.older.delete(task);
  if (!spare) return false;
  own(tasks, task, spare);
  if (spare.attempt !== tasks.attempt[task]) tasks.older.set(task, spare.attempt);
  tasks.spares.delete(task);
  return true;
}

/** Owner and spare change places. */
export function swapSpare(tasks: Tasks, task: number): void {
  const before = {
    worker: tasks.owner[task]!,
    attempt: ownAttempt(tasks, task),
    cls: heldClass(tasks, task),
  };
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
  const key = attemptKey(tasks.workflow, task, spare.attempt);
  const worker = core.workers.get(spare.worker);
  if (worker) {
    worker.ghosts.set(key, spare.cls);
    core.slower.add(`${worker.id}/${key}`);
  }
  core.effects.push({
    type: "kill",
    worker: spare.worker,
    workflow: tasks.workflow,
    tasks: [task],
    attempts: [spare.attempt],
    reason,
  });
}
