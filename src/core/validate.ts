/**
 * Everything that has to be true of a core between two steps. Throws with a sentence that names the place. For tests: it looks at
 * every task and every edge.
 */
import { heldClass } from "./allocate.ts";
import type { Core, WorkerState } from "./core.ts";
import { blockOf, inDegrees, visitDependents } from "./graph.ts";
import type { ReadyClass } from "./ready.ts";
import { amountOf, freeOf, take } from "./resources.ts";
import { checkScheduling } from "./validate-scheduling.ts";
import {
  ASSIGNED,
  BLOCKED,
  CANCELED,
  FAILED,
  isTerminal,
  READY,
  RUNNING,
  SKIPPED,
  SUCCEEDED,
  TASK_STATES,
} from "./states.ts";
import { classOf, hasWorkLeft, ownAttempt, type Tasks } from "./tasks.ts";

export interface Expectations {
  /** workers that are gone and may come back: their attempts keep their owner */
  absent?: { has(worker: number): boolean };
}

export function validate(core: Core, expectations: Expectations = {}): void {
  const held = new Map<number, Map<ReadyClass, number>>();
  for (const tasks of core.workflows.values()) {
    checkCounts(tasks);
    checkClasses(core, tasks);
    checkOwners(core, tasks, expectations, held);
    checkSpares(core, tasks, held);
    checkAttempts(tasks);
    checkAllocations(core, tasks);
    if (!tasks.graph.empty) checkGraph(tasks);
    if (tasks.ended !== !hasWorkLeft(tasks))
      fail(tasks, `ended is ${tasks.ended}, yet it has ${tasks.ended ? "" : "no "}work left`);
  }
  checkOrder(core);
  for (const worker of core.workers.values()) checkWorker(worker, held.get(worker.id));
  checkScheduling(core);
  for (const worker of core.dirty)
    if (core.workers.get(worker.id) !== worker)
      throw new Error(`worker ${worker.id} is to be looked at, but it is gone`);
}

function fail(tasks: Tasks, sentence: string): never {
  throw new Error(`workflow ${tasks.workflow}: ${sentence}`);
}

function nameOf(tasks: Tasks, task: number): string {
  return `task ${task} (${TASK_STATES[tasks.state[task]!]}, attempt ${tasks.attempt[task]}, owner ${tasks.owner[task]})`;
}

function checkCounts(tasks: Tasks): void {
  const counts = new Int32Array(TASK_STATES.length);
  for (const state of tasks.state) counts[state]!++;
  for (let state = 0; state < counts.length; state++)
    if (counts[state] !== tasks.counts[state])
      fail(
        tasks,
        `${counts[state]} tasks are ${TASK_STATES[state]}, but ${tasks.counts[state]} are counted`,
      );
}

function checkClasses(core: Core, tasks: Tasks): void {
  const classes = new Set(tasks.classes);
  for (const { cls } of tasks.override.values()) classes.add(cls);
  const ready = new Map<ReadyClass, number>();
  const queued = new Uint8Array(tasks.state.length);
  for (const cls of classes) {
    ready.set(cls, 0);
    for (const [first, end] of cls.queue.entries())
      for (let task = first; task < end; task++) {
        if (tasks.state[task] !== READY || tasks.notBefore.has(task)) continue;
        if (queued[task]) fail(tasks, `${nameOf(tasks, task)} is queued twice`);
        if (classOf(tasks, task) !== cls)
          fail(tasks, `${nameOf(tasks, task)} is queued in class ${cls.id} of another block`);
        queued[task] = 1;
      }
  }
  tasks.definition.blocks.forEach((block, index) => {
    const shared = tasks.classes[index]!;
    for (let task = block.first; task < block.first + block.count; task++) {
      if (tasks.state[task] !== READY || tasks.notBefore.has(task)) continue;
      if (!queued[task]) fail(tasks, `${nameOf(tasks, task)} is in no queue`);
      const cls = tasks.override.get(task)?.cls ?? shared;
      ready.set(cls, ready.get(cls)! + 1);
    }
  });
  for (const [cls, count] of ready) {
    if (cls.ready !== count)
      fail(tasks, `class ${cls.id} counts ${cls.ready} ready tasks, it has ${count}`);
    if (count > 0 && !core.active.has(cls))
      fail(tasks, `class ${cls.id} has ${count} ready tasks and is not active`);
  }
}

function checkOwners(
  core: Core,
  tasks: Tasks,
  { absent }: Expectations,
  held: Map<number, Map<ReadyClass, number>>,
): void {
  for (let task = 0; task < tasks.state.length; task++) {
    const owner = tasks.owner[task]!;
    const state = tasks.state[task]!;
    const live = state === ASSIGNED || state === RUNNING;
    if (owner === 0) {
      if (live) fail(tasks, `${nameOf(tasks, task)} has a live attempt and no worker`);
      continue;
    }
    if (!live && state !== CANCELED)
      fail(tasks, `${nameOf(tasks, task)} is held by a worker without a live or dying attempt`);
    if (!core.workers.has(owner) && !absent?.has(owner))
      fail(tasks, `${nameOf(tasks, task)} is held by a worker that is gone`);
    const classes = held.get(owner) ?? new Map<ReadyClass, number>();
    held.set(owner, classes);
    const cls = heldClass(tasks, task);
    classes.set(cls, (classes.get(cls) ?? 0) + 1);
  }
}

/** Duplicates count on their workers like other attempts of their class. */
function checkSpares(core: Core, tasks: Tasks, held: Map<number, Map<ReadyClass, number>>): void {
  for (const [task, spare] of tasks.spares) {
    if (tasks.owner[task] === 0) fail(tasks, `${nameOf(tasks, task)} has a duplicate and no owner`);
    if (tasks.owner[task] === spare.worker)
      fail(tasks, `${nameOf(tasks, task)} has both its attempts on worker ${spare.worker}`);
    if (spare.attempt === ownAttempt(tasks, task))
      fail(tasks, `${nameOf(tasks, task)} has two attempts of one number`);
    const live = tasks.state[task] === ASSIGNED || tasks.state[task] === RUNNING;
    if (!live) fail(tasks, `${nameOf(tasks, task)} has a duplicate and is not running`);
    if (!core.workers.has(spare.worker))
      fail(tasks, `${nameOf(tasks, task)} has a duplicate on a worker that is gone`);
    const classes = held.get(spare.worker) ?? new Map<ReadyClass, number>();
    held.set(spare.worker, classes);
    const { cls } = spare;
    classes.set(cls, (classes.get(cls) ?? 0) + 1);
  }
}

function checkAttempts(tasks: Tasks): void {
  for (const task of tasks.again)
    if (tasks.state[task] !== CANCELED || tasks.owner[task] === 0)
      fail(tasks, `${nameOf(tasks, task)} waits for a dying attempt to end, and has none`);
  for (let task = 0; task < tasks.state.length; task++) {
    const state = tasks.state[task]!;
    const begun =
      state === ASSIGNED || state === RUNNING || state === SUCCEEDED || state === FAILED;
    if (begun && tasks.attempt[task] === 0) fail(tasks, `${nameOf(tasks, task)} had no attempt`);
  }
  for (const [task, { own }] of tasks.failures) {
    const { retries } = tasks.definition.blocks[blockOf(tasks.graph.blockFirst, task)]!;
    // A canceled attempt may fail once more while it dies.
    const state = tasks.state[task];
    const allowed = state === FAILED || state === CANCELED ? retries + 1 : retries;
    // Of two attempts at a time the first to fail decides nothing, but a restarted server cannot tell.
    if (classOf(tasks, task).category.watch?.speculate) continue;
    if (own > allowed)
      fail(tasks, `${nameOf(tasks, task)} failed ${own} times with ${retries} retries`);
  }
}

/** Only live (and dying) attempts have been given anything, and only tasks of learning categories are given more than others. */
function checkAllocations(core: Core, tasks: Tasks): void {
  for (const [task, cls] of tasks.handed) {
    if (tasks.owner[task] === 0)
      fail(tasks, `${nameOf(tasks, task)} was given room, and has no attempt`);
    if (cls.declared === null)
      fail(
        tasks,
        `${nameOf(tasks, task)} was given room under class ${cls.id}, which does not learn`,
      );
  }
  for (const [task, { cls, resource, exceeded }] of tasks.override)
    if (cls.requirement[resource] <= exceeded && core.workers.size > 0)
      fail(
        tasks,
        `${nameOf(tasks, task)} is given ${cls.requirement[resource]}, it had ${exceeded}`,
      );
  const used = new Set(tasks.classes);
  for (const { cls } of tasks.override.values()) used.add(cls);
  for (const { category } of new Set(tasks.classes))
    for (const cls of category.learning?.classes.values() ?? [])
      if (!used.has(cls) && cls.ready > 0)
        fail(tasks, `class ${cls.id} has ${cls.ready} ready tasks, and no task is in it`);
  for (const cls of tasks.classes)
    if (cls.declared !== null && cls.category.learning?.current.has(cls) !== true)
      fail(tasks, `class ${cls.id} is of a category that learns, and is not the one it uses`);
}

function checkGraph(tasks: Tasks): void {
  const { graph, state, definition } = tasks;
  const waiting = inDegrees(graph);
  const left = graph.setSize.slice();
  const setFailed = new Uint8Array(left.length);
  const failed = new Uint8Array(state.length);
  let ended = 0;
  const toTask = (dependent: number): void => {
    waiting[dependent]!--;
    if (state[ended] !== SUCCEEDED) failed[dependent] = 1;
  };
  const toSet = (set: number): void => {
    left[set]!--;
    if (state[ended] !== SUCCEEDED) setFailed[set] = 1;
  };
  for (ended = 0; ended < state.length; ended++)
    if (isTerminal(state[ended]!) && !tasks.again.has(ended))
      visitDependents(graph, ended, toTask, toSet);
  for (let set = 0; set < left.length; set++) {
    if (left[set] !== tasks.setLeft[set])
      fail(
        tasks,
        `set ${set} waits for ${left[set]} members, but ${tasks.setLeft[set]} are counted`,
      );
    if (setFailed[set] !== tasks.setFailed[set])
      fail(
        tasks,
        `set ${set} ${setFailed[set] ? "has" : "has no"} failed member, the opposite is noted`,
      );
    for (const [first, count] of graph.setDependents[set]!)
      for (let task = first; task < first + count; task++) {
        if (left[set] === 0 && graph.setSize[set]! > 0) waiting[task]!--;
        if (setFailed[set]) failed[task] = 1;
      }
  }
  definition.blocks.forEach((block) => {
    for (let task = block.first; task < block.first + block.count; task++) {
      const now = state[task]!;
      const skips = failed[task] === 1 && block.onUpstreamFailure === "skip";
      if (now === SKIPPED && !skips)
        fail(tasks, `${nameOf(tasks, task)} is skipped without a reason`);
      if (now !== BLOCKED && now !== READY) continue;
      if (skips) fail(tasks, `${nameOf(tasks, task)} has a failed upstream and is not skipped`);
      if (now === BLOCKED && waiting[task] === 0)
        fail(tasks, `${nameOf(tasks, task)} waits for nothing`);
      if (now === READY && waiting[task] !== 0)
        fail(
          tasks,
          `${nameOf(tasks, task)} is ready, but ${waiting[task]} upstream have not ended`,
        );
      if (tasks.waiting[task] !== waiting[task])
        fail(
          tasks,
          `${nameOf(tasks, task)} waits for ${waiting[task]}, but ${tasks.waiting[task]} are counted`,
        );
    }
  });
}

/** A class that is in no order would never be looked at. */
function checkOrder(core: Core): void {
  const { order } = core.scheduling;
  if (!order) return;
  const ordered = new Set(order.turns.map(({ cls }) => cls));
  for (const cls of core.active)
    if (!ordered.has(cls))
      throw new Error(`class ${cls.id} is active and has no place in the order`);
}

function checkWorker(worker: WorkerState, held: ReadonlyMap<ReadyClass, number> = new Map()): void {
  const say = (sentence: string): never => {
    throw new Error(`worker ${worker.id}: ${sentence}`);
  };
  const free = freeOf(worker.capacity);
  const ghosts = new Map<ReadyClass, number>();
  for (const cls of worker.ghosts.values()) ghosts.set(cls, (ghosts.get(cls) ?? 0) + 1);
  let running = 0;
  for (const [id, holding] of worker.holding) {
    const { cls } = holding;
    if (cls.id !== id) say(`holds class ${cls.id} under the number ${id}`);
    const owned = (held.get(cls) ?? 0) + (ghosts.get(cls) ?? 0);
    if (holding.held !== owned)
      say(`holds ${owned} attempts of class ${id}, but ${holding.held} are counted`);
    if (holding.held < 1) say(`holds nothing of class ${id}, yet it is listed`);
    if (holding.running < 0 || holding.running > holding.held)
      say(`may run ${holding.running} of ${holding.held} tasks of class ${id}`);
    running += holding.running;
    take(free, cls.requirement, holding.running);
  }
  for (const cls of [...held.keys(), ...ghosts.keys()])
    if (!worker.holding.has(cls.id)) say(`holds tasks of class ${cls.id}, which is not listed`);
  if (running !== worker.running) say(`runs ${running}, but ${worker.running} are counted`);
  const { maxParallel } = worker.capacity;
  if (maxParallel !== null && running > maxParallel)
    say(`runs ${running} at a time, ${maxParallel} are allowed`);
  const check = (resource: string, expected: number, counted: number): void => {
    const slack = 1e-6 * Math.max(1, Math.abs(expected));
    if (Math.abs(expected - counted) > slack)
      say(`has ${expected} ${resource} free, but ${counted} is counted`);
    if (maxParallel === null && counted < -slack)
      say(`is over-subscribed by ${-counted} ${resource}`);
  };
  check("cpus", free.cpus, worker.free.cpus);
  check("memory", free.memoryBytes, worker.free.memoryBytes);
  check("disk", free.diskBytes, worker.free.diskBytes);
  check("gpus", free.gpus, worker.free.gpus);
  for (const name of new Set([...Object.keys(free.custom), ...Object.keys(worker.free.custom)]))
    check(name, amountOf(free.custom, name), amountOf(worker.free.custom, name));
}
