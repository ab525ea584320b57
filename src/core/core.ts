/**
 * The core decides. Pure: no I/O, no clock, no randomness. `apply` takes one event and the time, changes the state and returns
 * what is to be done; the shell around it records first and sends after.
 *
 * The edges a task may take are TRANSITIONS in states.ts. In short: blocked → ready when the last dependency ended; ready → assigned when
 * a worker was chosen (schedule.ts); assigned → running when the worker says so; then one of the terminal states by the result of
 * the live attempt, or back to ready when the attempt was lost, taken back, or failed with retries left.
 */
import {
  abandon,
  drainWorker,
  finished,
  joinWorker,
  leaveWorker,
  loseWorker,
  revoked,
  noteStarted,
} from "./attempts.ts";
import { claim, endClaim, restoreClaim } from "./claim.ts";
import { cancel, retry } from "./control.ts";
import type { Capacity, CoreEvent, Effect, Restored } from "./events.ts";
import type { Category, ReadyClass } from "./ready.ts";
import { createClass } from "./ready.ts";
import type { Free } from "./resources.ts";
import { blockHost } from "./hosts.ts";
import { schedule } from "./schedule.ts";
import { breaker } from "./faults.ts";
import { createScheduling, type Scheduling } from "./scheduling.ts";
import { ASSIGNED, BLOCKED, CANCELED, FAILED, READY, SUCCEEDED } from "./states.ts";
import { createSuspicion, type Suspicion } from "./suspicion.ts";
import { beginLearning, createLearning, restoreOverride, reviewAllocations } from "./allocate.ts";
import { createWatch, endExclusions, lookAtWatched, type Watched } from "./watch.ts";
import { Timers } from "./timers.ts";
import { noteCached } from "./speed.ts";
import type { ReadySink, Tasks } from "./tasks.ts";
import {
  classOf,
  createCategory,
  createTasks,
  derive,
  enqueue,
  extendTasks,
  hasWorkLeft,
  setState,
} from "./tasks.ts";
import type { Block, WorkflowDefinition } from "./workflow.ts";

export interface CoreConfig {
  /** work, in ms of measured run time, that a worker may hold beyond what runs, so that it never waits for a round trip */
  prefetchMs: number;
  /** prefetched attempts per worker and class at most */
  prefetchMax: number;
  /** room is reserved for a class that was passed over for this long, when nothing is known of run times */
  reserveMs: number;
  /** how fast inputs are expected to come to a worker that has them not */
  fetchBytesPerSecond: number;
  /** of worker choice `random` */
  seed: number;
}

export const DEFAULT_CONFIG: CoreConfig = {
  prefetchMs: 40,
  prefetchMax: 4096,
  reserveMs: 60_000,
  fetchBytesPerSecond: 1e8,
  seed: 1,
};

/** Attempts of one class that a worker holds; `held - running` of them wait on the worker for room. */
export interface Holding {
  cls: ReadyClass;
  held: number;
  running: number;
  /** when the last of them were handed out */
  sinceMs: number;
  /** somebody looks then whether they still wait */
  lookAtMs: number;
  /** the last attempts handed out, in order: those that wait are among them */
  recent: { tasks: readonly number[]; attempts: readonly number[] }[];
  /** attempts in `recent` */
  recentCount: number;
}

export interface WorkerState {
  id: number;
  capacity: Capacity;
  free: Free;
  /** attempts that occupy the worker, for queue depth */
  running: number;
  holding: Map<number, Holding>;
  /** attempts it is to end, by workflow/task/attempt; they count in `holding` of their class */
  ghosts: Map<string, ReadyClass>;
  /** its connection is broken */
  absent: boolean;
  draining: boolean;
  joinedMs: number;
  /** it stands for a claim: the scheduler gives it nothing */
  claim?: boolean;
}

export interface Core {
  config: CoreConfig;
  workflows: Map<number, Tasks>;
  workers: Map<number, WorkerState>;
  /** classes with ready tasks */
  active: Set<ReadyClass>;
  categories: Map<string, Category>;
  timers: Timers;
  /** attempts from before a restart, of categories with a limit: they count until their worker is back or lost */
  unclaimed: { tasks: Tasks; task: number }[];
  /** workers to look at in this step */
  dirty: Set<WorkerState>;
  /** set when tasks became ready: every worker with room is looked at */
  moreReady: boolean;
  scheduling: Scheduling;
  /** running attempts of categories that are looked after, by workflow/task */
  watched: Map<string, Watched>;
  /** when they are looked at next */
  lookAtMs: number | null;
  suspicion: Suspicion;
  /** ghosts that were the slower of two attempts, by worker/workflow/task/attempt: their end is still to be recorded */
  slower: Set<string>;
  effects: Effect[];
  sink: ReadySink;
}

export function createCore(config: Partial<CoreConfig> = {}): Core {
  const core: Core = {
    config: { ...DEFAULT_CONFIG, ...config },
    workflows: new Map(),
    workers: new Map(),
    active: new Set(),
    categories: new Map(),
    timers: new Timers(),
    unclaimed: [],
    dirty: new Set(),
    moreReady: false,
    scheduling: createScheduling(config.seed ?? DEFAULT_CONFIG.seed),
    watched: new Map(),
    lookAtMs: null,
    suspicion: createSuspicion(),
    slower: new Set(),
    effects: [],
    sink: {
      becameReady(_tasks, cls) {
        if (!core.active.has(cls)) {
          core.active.add(cls);
          core.scheduling.order = null;
        }
        cls.fresh = true;
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
    case "extend":
      extendWorkflow(core, event.workflow, event.definition);
      break;
    case "forget_workflow":
      forgetWorkflow(core, event.workflow);
      break;
    case "worker_joined":
      joinWorker(core, event.worker, event.capacity, event.held, nowMs);
      break;
    case "worker_absent":
      leaveWorker(core, event.worker);
      break;
    case "worker_lost":
      loseWorker(core, event.worker, event.outcome, nowMs);
      break;
    case "drain_worker":
      drainWorker(core, event.worker);
      break;
    case "started":
      noteStarted(core, event.worker, event.workflow, event.tasks, event.attempts, nowMs);
      break;
    case "finished":
      finished(core, event.worker, event.batch, nowMs);
      break;
    case "revoked":
      revoked(core, event.worker, event.workflow, event.tasks, event.attempts);
      break;
    case "claim":
      claim(core, event, nowMs);
      break;
    case "claim_ended": {
      const { worker, workflow, tasks, attempts, outcome } = event;
      endClaim(core, worker, workflow, tasks, attempts, outcome, nowMs);
      break;
    }
    case "claim_restored": {
      const { worker, capacity, workflow, tasks, started: running } = event;
      restoreClaim(core, worker, capacity, workflow, tasks, running, nowMs);
      break;
    }
    case "block_host":
      blockHost(core, event.host, event.untilMs, nowMs);
      break;
    case "cached":
      noteCached(core, event.worker, event.digests, event.bytes);
      break;
    case "cancel":
      cancel(core, event.workflow, event.tasks, event.reason);
      break;
    case "retry":
      retry(core, event.workflow, event.tasks, event.rebuild);
      break;
    case "timer":
      ringTimers(core, nowMs);
      lookAtWatched(core, nowMs);
      endExclusions(core, nowMs);
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

/**
 * A class is named by its workflow and the first block that has it: the name is the same after a restart, and workers that come back
 * use it still.
 */
const CLASSES_PER_WORKFLOW = 2 ** 24;

function addWorkflow(
  core: Core,
  workflow: number,
  definition: WorkflowDefinition,
  restored: Restored | null,
): void {
  // What was learned of a workflow of this number before it was forgotten is of other classes.
  for (const name of Object.keys(definition.categories ?? {}))
    if (createLearning(definition.categories![name])) core.categories.delete(`${workflow}/${name}`);
  const tasks = createTasks(workflow, definition, makeClasses(core, workflow, definition, []));
  core.workflows.set(workflow, tasks);
  if (restored) restore(core, tasks, restored);
  if (tasks.learns) reviewAllocations(core);
  derive(tasks, core.sink);
  tasks.ended = !hasWorkLeft(tasks);
  if (tasks.ended) core.effects.push({ type: "ended", workflow, ended: true });
}

/** Tasks may be added to a workflow while it runs. */
function extendWorkflow(core: Core, workflow: number, definition: WorkflowDefinition): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  extendTasks(tasks, definition, makeClasses(core, workflow, definition, tasks.classes));
  derive(tasks, core.sink);
  checkEnded(core, tasks);
}

/** One class per block, shared between blocks of equal needs; `existing` are those of the first blocks. */
function makeClasses(
  core: Core,
  workflow: number,
  definition: WorkflowDefinition,
  existing: readonly ReadyClass[],
): ReadyClass[] {
  const made = new Map<string, ReadyClass>();
  return definition.blocks.map((block, index) => {
    const key = classKey(block);
    let cls = made.get(key) ?? existing[index];
    cls ??= createClass({
      id: workflow * CLASSES_PER_WORKFLOW + index,
      workflow,
      requirement: block.requirement,
      priority: block.priority,
      workflowPriority: definition.priority,
      scheduler: block.scheduler,
      placement: block.placement ?? null,
      algorithm:
        block.placement?.algorithm ??
        definition.categories?.[block.category]?.algorithm ??
        definition.algorithm ??
        null,
      category: categoryOf(core, workflow, block.category),
    });
    cls.category.watch ??= createWatch(definition.categories?.[block.category]);
    cls.category.learning ??= createLearning(definition.categories?.[block.category]);
    beginLearning(cls);
    cls.category.maxConcurrent = definition.categories?.[block.category]?.maxConcurrent ?? null;
    made.set(key, cls);
    return cls;
  });
}

function classKey(block: Block): string {
  const { requirement, priority, scheduler, category, placement } = block;
  return JSON.stringify([requirement, priority, scheduler, category, placement ?? null]);
}

function categoryOf(core: Core, workflow: number, name: string): Category {
  const key = `${workflow}/${name}`;
  let category = core.categories.get(key);
  if (!category) core.categories.set(key, (category = createCategory(name)));
  return category;
}

function restore(core: Core, tasks: Tasks, restored: Restored): void {
  tasks.attempt.set(restored.attempts);
  for (const [task, counts] of restored.failures) tasks.failures.set(task, counts);
  for (const [task, recovery] of restored.recovery ?? []) tasks.recovery.set(task, recovery);
  for (const { category } of new Set(tasks.classes)) {
    const use = restored.use?.get(category.name);
    if (use && category.learning) category.learning.use = use;
  }
  for (const [task, { resource, used }] of restored.exhausted ?? [])
    restoreOverride(tasks, task, resource, used);
  for (let task = 0; task < restored.states.length; task++) {
    const state = restored.states[task]!;
    if (state === SUCCEEDED || state === FAILED || state === CANCELED) setState(tasks, task, state);
  }
  // It was broken off when they failed, in the same step: work that is left was asked for since.
  const failed = tasks.counts[FAILED]!;
  if (breaker(tasks.definition, { failed }) !== "go") tasks.forgiven = failed;
  for (const [worker, task, attempt] of restored.live) {
    const now = tasks.state[task];
    if ((now !== BLOCKED && now !== CANCELED) || tasks.attempt[task] !== attempt) continue;
    // The attempt of a canceled task is dying somewhere, and its end is still to be recorded.
    if (now === BLOCKED) setState(tasks, task, ASSIGNED);
    tasks.owner[task] = worker;
    if (classOf(tasks, task).category.maxConcurrent !== null) core.unclaimed.push({ tasks, task });
  }
}

function forgetWorkflow(core: Core, workflow: number): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  abandon(core, tasks);
  for (const cls of tasks.classes) core.active.delete(cls);
  core.scheduling.errors.delete(workflow);
  for (const { cls } of tasks.override.values()) core.active.delete(cls);
  core.workflows.delete(workflow);
}

/** Tasks whose back-off is over may be handed out. */
function ringTimers(core: Core, nowMs: number): void {
  for (let timer = core.timers.take(nowMs); timer; timer = core.timers.take(nowMs)) {
    const tasks = core.workflows.get(timer.workflow);
    const until = tasks?.notBefore.get(timer.task);
    if (!tasks || until === undefined || until > nowMs) continue;
    tasks.notBefore.delete(timer.task);
    if (tasks.state[timer.task] === READY) enqueue(tasks, timer.task, true, core.sink);
  }
}

/** Says once when a workflow has nothing left to do, and when it has again. */
export function checkEnded(core: Core, tasks: Tasks): void {
  const ended = !hasWorkLeft(tasks);
  if (ended === tasks.ended) return;
  tasks.ended = ended;
  core.effects.push({ type: "ended", workflow: tasks.workflow, ended });
}
