/**
 * The core decides. Pure: no I/O, no clock, no randomness. `apply` takes one event and the time, changes the state and returns
 * what is to be done; the shell around it records first and sends after.
 *
 * The edges a task may take are TRANSITIONS in states.ts. In short: blocked → ready when the last dependency ended; ready → assigned when
 * a worker was chosen (schedule.ts); assigned → running when the worker says so; then one of the terminal states by the result of
 * the live attempt, or back to ready when the attempt was lost, taken back, or failed with retries left.
 */
import type { Capacity, CoreEvent, Effect, Finished, Restored } from "./events.ts";
import { VERDICT_ACCEPTED, VERDICT_OTHER, VERDICT_SUPERSEDED } from "./events.ts";
import { downstream } from "./graph.ts";
import type { Category, ReadyClass } from "./ready.ts";
import { RangeQueue } from "./ready.ts";
import type { Free } from "./resources.ts";
import { freeOf, take } from "./resources.ts";
import { schedule } from "./schedule.ts";
import {
  ASSIGNED,
  BLOCKED,
  CANCELED,
  FAILED,
  isTerminal,
  OUTCOME_OK,
  OUTCOMES,
  OWN_FAILURES,
  READY,
  RUNNING,
  SKIPPED,
  SUCCEEDED,
} from "./states.ts";
import type { ReadySink, Tasks } from "./tasks.ts";
import {
  createCategory,
  createTasks,
  derive,
  hasWorkLeft,
  leaveReady,
  makeReady,
  propagate,
  setState,
} from "./tasks.ts";
import type { Block, WorkflowDefinition } from "./workflow.ts";

export interface CoreConfig {
  /** work, in ms of measured run time, that a worker may hold beyond what runs, so that it never waits for a round trip */
  prefetchMs: number;
  /** prefetched attempts per worker and class at most */
  prefetchMax: number;
}

export const DEFAULT_CONFIG: CoreConfig = { prefetchMs: 40, prefetchMax: 4096 };

/** Attempts of one class that a worker holds; `held - running` of them wait on the worker for room. */
export interface Holding {
  cls: ReadyClass;
  held: number;
  running: number;
}

export interface WorkerState {
  id: number;
  capacity: Capacity;
  free: Free;
  /** attempts that occupy the worker, for queue depth */
  running: number;
  holding: Map<number, Holding>;
  draining: boolean;
  joinedMs: number;
}

export interface Core {
  config: CoreConfig;
  workflows: Map<number, Tasks>;
  workers: Map<number, WorkerState>;
  /** every class ever made, by id */
  classes: ReadyClass[];
  /** classes with ready tasks */
  active: Set<ReadyClass>;
  categories: Map<string, Category>;
  /** workers to look at in this step */
  dirty: Set<WorkerState>;
  /** set when tasks became ready: every worker with room is looked at */
  moreReady: boolean;
  effects: Effect[];
  sink: ReadySink;
}

export function createCore(config: Partial<CoreConfig> = {}): Core {
  const core: Core = {
    config: { ...DEFAULT_CONFIG, ...config },
    workflows: new Map(),
    workers: new Map(),
    classes: [],
    active: new Set(),
    categories: new Map(),
    dirty: new Set(),
    moreReady: false,
    effects: [],
    sink: {
      becameReady(_tasks, cls) {
        core.active.add(cls);
        core.moreReady = true;
      },
    },
  };
  return core;
}

/** Applies one event. Effects are in the order in which they have to be recorded. Call `decide` after a batch of events. */
export function apply(core: Core, event: CoreEvent, nowMs: number): Effect[] {
  core.effects = [];
  switch (event.type) {
    case "workflow":
      addWorkflow(core, event.workflow, event.definition, event.restored);
      break;
    case "forget_workflow":
      forgetWorkflow(core, event.workflow);
      break;
    case "worker_joined":
      joinWorker(core, event.worker, event.capacity, nowMs);
      break;
    case "worker_lost":
      loseWorker(core, event.worker, event.outcome);
      break;
    case "drain_worker":
      drainWorker(core, event.worker);
      break;
    case "started":
      started(core, event.worker, event.workflow, event.tasks, event.attempts);
      break;
    case "finished":
      finished(core, event.worker, event.batch);
      break;
    case "revoked":
      revoked(core, event.worker, event.workflow, event.tasks, event.attempts);
      break;
    case "cancel":
      cancel(core, event.workflow, event.tasks, event.reason);
      break;
    case "retry":
      retry(core, event.workflow, event.tasks, event.rebuild);
      break;
    case "timer":
      break;
  }
  return core.effects;
}

/** Gives ready tasks to workers with room. */
export function decide(core: Core, nowMs: number): Effect[] {
  core.effects = [];
  schedule(core, nowMs);
  return core.effects;
}

function addWorkflow(
  core: Core,
  workflow: number,
  definition: WorkflowDefinition,
  restored: Restored | null,
): void {
  const made = new Map<string, ReadyClass>();
  const classes = definition.blocks.map((block) => {
    const key = classKey(block);
    let cls = made.get(key);
    if (!cls) {
      cls = {
        id: core.classes.length,
        workflow,
        requirement: block.requirement,
        priority: block.priority,
        workflowPriority: definition.priority,
        scheduler: block.scheduler,
        category: categoryOf(core, workflow, block.category),
        queue: new RangeQueue(),
        ready: 0,
      };
      core.classes.push(cls);
      made.set(key, cls);
    }
    return cls;
  });
  const tasks = createTasks(workflow, definition, classes);
  core.workflows.set(workflow, tasks);
  if (restored) restore(tasks, restored);
  derive(tasks, core.sink);
  tasks.ended = !hasWorkLeft(tasks);
  if (tasks.ended) core.effects.push({ type: "ended", workflow, ended: true });
}

function classKey(block: Block): string {
  return JSON.stringify([block.requirement, block.priority, block.scheduler, block.category]);
}

function categoryOf(core: Core, workflow: number, name: string): Category {
  const key = `${workflow}/${name}`;
  let category = core.categories.get(key);
  if (!category) core.categories.set(key, (category = createCategory(name)));
  return category;
}

function restore(tasks: Tasks, restored: Restored): void {
  tasks.attempt.set(restored.attempts);
  for (const [task, count] of restored.failures) tasks.failures.set(task, count);
  for (let task = 0; task < restored.states.length; task++) {
    const state = restored.states[task]!;
    if (state === SUCCEEDED || state === FAILED || state === CANCELED) setState(tasks, task, state);
  }
  for (const [worker, task, attempt] of restored.live) {
    if (tasks.state[task] !== BLOCKED || tasks.attempt[task] !== attempt) continue;
    setState(tasks, task, ASSIGNED);
    tasks.owner[task] = worker;
  }
}

function forgetWorkflow(core: Core, workflow: number): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  for (const cls of tasks.classes) core.active.delete(cls);
  core.workflows.delete(workflow);
}

function joinWorker(core: Core, id: number, capacity: Capacity, nowMs: number): void {
  const worker: WorkerState = {
    id,
    capacity,
    free: freeOf(capacity),
    running: 0,
    holding: new Map(),
    draining: false,
    joinedMs: nowMs,
  };
  core.workers.set(id, worker);
  core.dirty.add(worker);
}

function loseWorker(core: Core, id: number, outcome: "worker_lost" | "preempted"): void {
  const worker = core.workers.get(id);
  core.workers.delete(id);
  if (worker) core.dirty.delete(worker);
  for (const tasks of core.workflows.values()) {
    const lost: number[] = [];
    const attempts: number[] = [];
    const { owner, state } = tasks;
    for (let task = 0; task < owner.length; task++) {
      if (owner[task] !== id) continue;
      lost.push(task);
      attempts.push(tasks.attempt[task]!);
      owner[task] = 0;
    }
    if (lost.length === 0) continue;
    core.effects.push({
      type: "lost",
      worker: id,
      workflow: tasks.workflow,
      tasks: lost,
      attempts,
      outcome,
    });
    for (let i = lost.length - 1; i >= 0; i--) {
      const task = lost[i]!;
      if (state[task] === ASSIGNED || state[task] === RUNNING) putBack(core, tasks, task);
      else runAgain(core, tasks, task);
    }
    checkEnded(core, tasks);
  }
}

function drainWorker(core: Core, id: number): void {
  const worker = core.workers.get(id);
  if (!worker || worker.draining) return;
  worker.draining = true;
  core.effects.push({ type: "drain", worker: id });
}

function started(
  core: Core,
  worker: number,
  workflow: number,
  list: readonly number[],
  attempts: readonly number[],
): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  for (let i = 0; i < list.length; i++) {
    const task = list[i]!;
    if (isLive(tasks, worker, task, attempts[i]!) && tasks.state[task] === ASSIGNED)
      setState(tasks, task, RUNNING);
  }
}

function isLive(tasks: Tasks, worker: number, task: number, attempt: number): boolean {
  return tasks.owner[task] === worker && tasks.attempt[task] === attempt;
}

function finished(core: Core, workerId: number, batch: Finished): void {
  const tasks = core.workflows.get(batch.workflow);
  const size = batch.tasks.length;
  const verdicts = new Uint8Array(size);
  core.effects.push({ type: "verdicts", worker: workerId, batch, verdicts });
  const worker = core.workers.get(workerId);
  if (!tasks?.classes.some((cls) => cls.id === batch.cls)) {
    // The workflow was forgotten (and perhaps loaded anew) while they ran: only their room is of interest.
    verdicts.fill(VERDICT_SUPERSEDED);
    if (worker) release(core, worker, batch.cls, size);
    return;
  }
  const { owner, attempt, state } = tasks;
  const category = core.classes[batch.cls]?.category;
  let released = 0;
  for (let i = 0; i < size; i++) {
    const task = batch.tasks[i]!;
    if (owner[task] !== workerId || attempt[task] !== batch.attempts[i]!) {
      verdicts[i] = VERDICT_SUPERSEDED;
      continue;
    }
    owner[task] = 0;
    released++;
    const now = state[task]!;
    if (now !== ASSIGNED && now !== RUNNING) {
      verdicts[i] = VERDICT_OTHER;
      runAgain(core, tasks, task);
      continue;
    }
    const outcome = batch.outcomes[i]!;
    if (outcome === OUTCOME_OK) {
      verdicts[i] = VERDICT_ACCEPTED;
      setState(tasks, task, SUCCEEDED);
      if (category) learn(category, batch.wallUs[i]!);
      propagate(tasks, task, core.sink);
    } else {
      verdicts[i] = fail(core, tasks, task, outcome);
    }
  }
  if (worker && released > 0) release(core, worker, batch.cls, released);
  checkEnded(core, tasks);
}

function learn(category: Category, wallUs: number): void {
  category.samples++;
  // A moving average over some 64 tasks follows a change of behaviour and forgets one odd task.
  category.meanWallUs += (wallUs - category.meanWallUs) / Math.min(category.samples, 64);
}

function fail(core: Core, tasks: Tasks, task: number, outcomeNumber: number): number {
  const outcome = OUTCOMES[outcomeNumber]!;
  if (outcome === "worker_lost" || outcome === "preempted") {
    putBack(core, tasks, task);
    return VERDICT_OTHER;
  }
  if (OWN_FAILURES.has(outcome)) {
    const failures = (tasks.failures.get(task) ?? 0) + 1;
    tasks.failures.set(task, failures);
    if (failures <= policyOf(tasks, task).retries) {
      putBack(core, tasks, task);
      return VERDICT_OTHER;
    }
  }
  setState(tasks, task, outcome === "canceled" ? CANCELED : FAILED);
  propagate(tasks, task, core.sink);
  return VERDICT_ACCEPTED;
}

function policyOf(tasks: Tasks, task: number): Block {
  const { blocks } = tasks.definition;
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (blocks[middle]!.first <= task) low = middle;
    else high = middle - 1;
  }
  return blocks[low]!;
}

/** A task without a live attempt waits again, ahead of others of its class; for its upstream, if that was reset meanwhile. */
function putBack(core: Core, tasks: Tasks, task: number): void {
  if (tasks.graph.empty || tasks.waiting[task] === 0) {
    makeReady(tasks, task, true, core.sink);
    return;
  }
  setState(tasks, task, BLOCKED);
  derive(tasks, core.sink);
}

/** A retry that had to wait for a dying attempt. */
function runAgain(core: Core, tasks: Tasks, task: number): void {
  if (!tasks.again.delete(task)) return;
  core.effects.push({ type: "reset", workflow: tasks.workflow, tasks: [task] });
  tasks.failures.delete(task);
  setState(tasks, task, BLOCKED);
  derive(tasks, core.sink);
}

/** `count` attempts of a class have left the worker; what it holds beyond them moves up. */
function release(core: Core, worker: WorkerState, clsId: number, count: number): void {
  const holding = worker.holding.get(clsId);
  if (!holding) return;
  holding.held = Math.max(0, holding.held - count);
  const running = Math.min(holding.running, holding.held);
  const freed = holding.running - running;
  holding.running = running;
  worker.running -= freed;
  if (freed > 0) take(worker.free, holding.cls.requirement, -freed);
  if (holding.held === 0) worker.holding.delete(clsId);
  core.dirty.add(worker);
}

function revoked(
  core: Core,
  workerId: number,
  workflow: number,
  list: readonly number[],
  attempts: readonly number[],
): void {
  const tasks = core.workflows.get(workflow);
  const worker = core.workers.get(workerId);
  if (!tasks) return;
  for (let i = list.length - 1; i >= 0; i--) {
    const task = list[i]!;
    if (!isLive(tasks, workerId, task, attempts[i]!)) continue;
    tasks.owner[task] = 0;
    if (worker) release(core, worker, classIdOf(tasks, task), 1);
    if (tasks.state[task] === ASSIGNED || tasks.state[task] === RUNNING) putBack(core, tasks, task);
    else runAgain(core, tasks, task);
  }
  checkEnded(core, tasks);
}

function classIdOf(tasks: Tasks, task: number): number {
  return tasks.classes[tasks.definition.blocks.indexOf(policyOf(tasks, task))]!.id;
}

function cancel(
  core: Core,
  workflow: number,
  list: readonly number[] | null,
  reason: string,
): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  const canceled: number[] = [];
  const kills = new Map<number, { tasks: number[]; attempts: number[] }>();
  const one = (task: number): void => {
    const now = tasks.state[task]!;
    if (isTerminal(now)) {
      tasks.again.delete(task);
      return;
    }
    if (now === READY) leaveReady(tasks, task);
    const owner = tasks.owner[task]!;
    if (owner !== 0) {
      const kill = kills.get(owner) ?? { tasks: [], attempts: [] };
      kill.tasks.push(task);
      kill.attempts.push(tasks.attempt[task]!);
      kills.set(owner, kill);
    }
    setState(tasks, task, CANCELED);
    canceled.push(task);
  };
  if (list) list.forEach(one);
  else for (let task = 0; task < tasks.state.length; task++) one(task);
  if (canceled.length === 0) {
    checkEnded(core, tasks);
    return;
  }
  core.effects.push({ type: "canceled", workflow, tasks: canceled, reason });
  for (const [worker, kill] of kills)
    core.effects.push({ type: "kill", worker, workflow, reason: "canceled", ...kill });
  for (const task of canceled) propagate(tasks, task, core.sink);
  checkEnded(core, tasks);
}

function retry(core: Core, workflow: number, list: readonly number[], rebuild: boolean): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  const chosen = rebuild ? downstream(tasks.graph, list) : list;
  const reset: number[] = [];
  for (const task of chosen) {
    const now = tasks.state[task]!;
    if (!isTerminal(now) || now === SKIPPED) continue;
    if (tasks.owner[task] !== 0) {
      // Its killed attempt is still dying: two of them must never be alive at once.
      tasks.again.add(task);
      continue;
    }
    reset.push(task);
    tasks.failures.delete(task);
    setState(tasks, task, BLOCKED);
  }
  if (reset.length > 0) core.effects.push({ type: "reset", workflow, tasks: reset });
  derive(tasks, core.sink);
  checkEnded(core, tasks);
}

function checkEnded(core: Core, tasks: Tasks): void {
  const ended = !hasWorkLeft(tasks);
  if (ended === tasks.ended) return;
  tasks.ended = ended;
  core.effects.push({ type: "ended", workflow: tasks.workflow, ended });
}
