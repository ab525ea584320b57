import type { WorkerState } from "./core.ts";
import { heldClass } from "./allocate.ts";
import type { ReadyClass } from "./ready.ts";
import { ASSIGNED, RUNNING } from "./states.ts";
import type { Tasks } from "./tasks.ts";

/**
 * Of the tasks that a lost worker held, those that had room to run there although nobody heard of their start: that is told only some
 * milliseconds later, and a task that ends its worker faster than that would otherwise do it for ever. Which of several waited is not
 * known: the first are taken, as workers take them in order.
 */
export function presumedStarted(
  { holding }: WorkerState,
  tasks: Tasks,
  owned: readonly number[],
): Set<number> {
  const room = new Map<ReadyClass, number>();
  const classOf = (task: number): ReadyClass => heldClass(tasks, task);
  const left = (cls: ReadyClass): number => room.get(cls) ?? holding.get(cls.id)?.running ?? 0;
  for (const task of owned)
    if (tasks.state[task] === RUNNING) room.set(classOf(task), left(classOf(task)) - 1);
  const presumed = new Set<number>();
  for (const task of owned) {
    const cls = classOf(task);
    if (tasks.state[task] !== ASSIGNED || left(cls) <= 0) continue;
    room.set(cls, left(cls) - 1);
    presumed.add(task);
  }
  return presumed;
}
