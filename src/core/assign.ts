/** Hands tasks of a class to a worker: they leave its queue in runs, and become frames, one per block. */
import { grantOf } from "./allocate.ts";
import type { Core, WorkerState } from "./core.ts";
import type { Effect } from "./events.ts";
import { blockOf } from "./graph.ts";
import { holdingOf } from "./holding.ts";
import type { ReadyClass } from "./ready.ts";
import { take } from "./resources.ts";
import { ASSIGNED, READY } from "./states.ts";
import { remember } from "./take-back.ts";
import type { Tasks } from "./tasks.ts";
import { setState } from "./tasks.ts";

type AssignEffect = Extract<Effect, { type: "assign" }>;

/**
 * Takes up to `running + prefetch` ready tasks of the class, or this one task, and hands them to the worker; returns how many.
 */
export function assign(
  core: Core,
  worker: WorkerState,
  cls: ReadyClass,
  running: number,
  prefetch: number,
  nowMs: number,
  only: number | null,
): number {
  const tasks = core.workflows.get(cls.workflow);
  if (!tasks) return 0;
  let left = running + prefetch;
  let taken = 0;
  const frames: AssignEffect[] = [];
  let frame: AssignEffect | null = null;
  let frameFirst = 0;
  let frameEnd = 0;
  while (left > 0) {
    const run = only === null ? cls.queue.shift(left) : cls.queue.take(only);
    if (!run) break;
    for (let task = run.first; task < run.first + run.count; task++) {
      if (tasks.state[task] !== READY) continue;
      if (!frame || task >= frameEnd || task < frameFirst) {
        const block = blockOf(tasks.graph.blockFirst, task);
        frameFirst = tasks.definition.blocks[block]!.first;
        frameEnd = frameFirst + tasks.definition.blocks[block]!.count;
        frame = {
          type: "assign",
          worker: worker.id,
          workflow: cls.workflow,
          block,
          cls: cls.id,
          tasks: [],
          attempts: [],
          width: 0,
          grant: grantOf(cls),
        };
        frames.push(frame);
      }
      hand(tasks, task, worker.id);
      if (cls.declared !== null) tasks.handed.set(task, cls);
      frame.tasks.push(task);
      frame.attempts.push(tasks.attempt[task]!);
      taken++;
      left--;
    }
  }
  if (taken === 0) {
    if (only === null) cls.ready = 0;
    return 0;
  }
  cls.ready -= taken;
  const holding = holdingOf(worker, cls);
  holding.held += taken;
  holding.sinceMs = nowMs;
  if (prefetch === 0) {
    holding.running += taken;
    worker.running += taken;
    take(worker.free, cls.requirement, taken);
  }
  for (const each of frames) {
    each.width = holding.running;
    remember(holding, each.tasks, each.attempts);
    core.effects.push(each);
  }
  return taken;
}

function hand(tasks: Tasks, task: number, worker: number): void {
  setState(tasks, task, ASSIGNED);
  tasks.attempt[task]!++;
  if (tasks.older.size > 0) tasks.older.delete(task);
  tasks.owner[task] = worker;
}
