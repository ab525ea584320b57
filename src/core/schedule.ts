/**
 * Which ready tasks go to which worker. Fit first, limit after: classes are walked in order of priority, then the workflow's
 * sort method, then submission; one that does not fit is passed over. What fits is taken in runs.
 *
 * A worker may also hold a little more than it can run (prefetch), of classes it is running: such an attempt takes the room of
 * one of its class that ended, so nothing is ever over-subscribed and short tasks never wait for a round trip.
 */
import type { Core, Holding, WorkerState } from "./core.ts";
import type { Effect } from "./events.ts";
import { blockOf } from "./graph.ts";
import type { ReadyClass } from "./ready.ts";
import { fitCount, take } from "./resources.ts";
import { ASSIGNED, READY } from "./states.ts";
import type { Tasks } from "./tasks.ts";
import { setState } from "./tasks.ts";

type AssignEffect = Extract<Effect, { type: "assign" }>;

export function schedule(core: Core, nowMs: number): void {
  const workers = core.moreReady ? core.workers.values() : core.dirty;
  if (core.active.size > 0) {
    const order = [...core.active].sort(compareClasses(core));
    for (const worker of workers) if (!worker.draining && !worker.absent) serve(core, worker, order, nowMs);
  }
  core.dirty.clear();
  core.moreReady = false;
}

function compareClasses(core: Core): (a: ReadyClass, b: ReadyClass) => number {
  return (a, b) =>
    b.workflowPriority - a.workflowPriority ||
    b.priority - a.priority ||
    (a.workflow === b.workflow ? bySortMethod(core, a, b) : a.workflow - b.workflow) ||
    a.id - b.id;
}

function bySortMethod(core: Core, a: ReadyClass, b: ReadyClass): number {
  const method = core.workflows.get(a.workflow)?.definition.sortMethod ?? "none";
  const gpus = b.requirement.gpus - a.requirement.gpus;
  const runtime = (b.requirement.runtimeSeconds ?? 0) - (a.requirement.runtimeSeconds ?? 0);
  const memory = b.requirement.memoryBytes - a.requirement.memoryBytes;
  switch (method) {
    case "gpus_runtime_memory":
      return gpus || runtime || memory;
    case "gpus_memory_runtime":
      return gpus || memory || runtime;
    case "none":
    case "auto":
      return 0;
  }
}

function serve(core: Core, worker: WorkerState, order: readonly ReadyClass[], nowMs: number): void {
  for (const cls of order) {
    if (cls.ready === 0 || !mayRun(worker, cls, nowMs)) continue;
    const count = room(worker, cls);
    if (count > 0) assign(core, worker, cls, count, 0);
  }
  for (const holding of [...worker.holding.values()]) {
    if (holding.cls.ready === 0) continue;
    const depth = prefetchDepth(core, holding);
    if (depth > 0) assign(core, worker, holding.cls, 0, depth);
  }
  for (const cls of order) if (cls.ready === 0) core.active.delete(cls);
}

function mayRun(worker: WorkerState, cls: ReadyClass, nowMs: number): boolean {
  const { capacity } = worker;
  if (cls.scheduler !== null && cls.scheduler !== capacity.scheduler) return false;
  const needs = cls.requirement.runtimeSeconds;
  if (capacity.maxParallel === null && needs !== null && capacity.timeLimitSeconds !== null) {
    const left = capacity.timeLimitSeconds - (nowMs - worker.joinedMs) / 1000;
    if (needs > left) return false;
  }
  return true;
}

function room(worker: WorkerState, cls: ReadyClass): number {
  // What is left there of a workflow that was loaded anew may need something else under the same name.
  if ((worker.holding.get(cls.id)?.cls ?? cls) !== cls) return 0;
  const { maxParallel } = worker.capacity;
  if (maxParallel !== null) return Math.min(cls.ready, maxParallel - worker.running);
  return fitCount(worker.free, cls.requirement, cls.ready);
}

function prefetchDepth(core: Core, holding: Holding): number {
  const { category } = holding.cls;
  if (category.samples === 0) return 0;
  const perSlot = Math.floor((core.config.prefetchMs * 1000) / Math.max(category.meanWallUs, 1));
  const wanted = Math.min(core.config.prefetchMax, perSlot * holding.running);
  // With several workers the last tasks are shared, not hoarded.
  const share = Math.ceil(holding.cls.ready / (2 * core.workers.size));
  const queued = holding.held - holding.running;
  // Topping up by single tasks would send a frame per task: wait until half is used up.
  if (queued * 2 > wanted) return 0;
  return Math.min(wanted - queued, core.workers.size === 1 ? holding.cls.ready : share);
}

/** Takes up to `running + prefetch` ready tasks of the class and hands them to the worker. */
function assign(
  core: Core,
  worker: WorkerState,
  cls: ReadyClass,
  running: number,
  prefetch: number,
): void {
  const tasks = core.workflows.get(cls.workflow);
  if (!tasks) return;
  let left = running + prefetch;
  let taken = 0;
  const frames: AssignEffect[] = [];
  let frame: AssignEffect | null = null;
  let frameFirst = 0;
  let frameEnd = 0;
  while (left > 0) {
    const run = cls.queue.shift(left);
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
        };
        frames.push(frame);
      }
      hand(tasks, task, worker.id);
      frame.tasks.push(task);
      frame.attempts.push(tasks.attempt[task]!);
      taken++;
      left--;
    }
  }
  if (taken === 0) {
    cls.ready = 0;
    return;
  }
  cls.ready -= taken;
  const holding = worker.holding.get(cls.id) ?? { cls, held: 0, running: 0 };
  worker.holding.set(cls.id, holding);
  holding.held += taken;
  if (prefetch === 0) {
    holding.running += taken;
    worker.running += taken;
    take(worker.free, cls.requirement, taken);
  }
  for (const each of frames) {
    each.width = holding.running;
    core.effects.push(each);
  }
}

function hand(tasks: Tasks, task: number, worker: number): void {
  setState(tasks, task, ASSIGNED);
  tasks.attempt[task]!++;
  tasks.owner[task] = worker;
}
