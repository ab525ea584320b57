/**
 * Claims: runners that poll ask for tasks that fit what they have. To the core a claim is a worker that never gets anything by itself: what
 * it was handed occupies it until it has ended, and the scheduler passes it over.
 *
 * Ready tasks are offered in the order asked for, and each that fits into what is left is taken; what does not fit is passed over,
 * and the limit counts what was taken, not what was looked at. A class costs the same however many tasks wait in it: when one of its tasks
 * does not fit, none of the others does.
 *
 * Tasks of higher priority come first. Among equals the order is `none`: by task number, over all classes (tasks that wait again come
 * first in their class); or by class (gpus, then run time and memory, or the other way round; larger first, an unknown run time counts
 * as 0), then by task number.
 */
import { assign } from "./assign.ts";
import { banish, isLive, loseAttempts, occupy, release, noteStarted } from "./attempts.ts";
import { heldClass } from "./allocate.ts";
import type { Core, WorkerState } from "./core.ts";
import type { Capacity } from "./events.ts";
import { mayRun, room } from "./placement.ts";
import type { Category, ReadyClass } from "./ready.ts";
import { cancelReservation } from "./reserve.ts";
import { freeOf } from "./resources.ts";
import { limitsLeft } from "./schedule.ts";
import { forgetWorker } from "./speed.ts";
import { READY } from "./states.ts";
import type { Tasks } from "./tasks.ts";

export const CLAIM_ORDERS = ["gpus_runtime_memory", "gpus_memory_runtime", "none"] as const;
export type ClaimOrder = (typeof CLAIM_ORDERS)[number];

export interface Claim {
  /** a number that no other worker or open claim has */
  worker: number;
  workflow: number;
  /** with `maxParallel` (queue depth) all resources are ignored */
  capacity: Capacity;
  /** nodes: tasks that need several share them out; null = any number */
  nodes: number | null;
  /** tasks at most */
  limit: number;
  order: ClaimOrder;
  /**
   * true: what is bound to another scheduler is left alone; false: it is taken when nothing else fits;
   * null: bindings are ignored
   */
  strict: boolean | null;
}

/** Hands out what fits (`assign` effects). A claim that got nothing is forgotten at once. */
export function claim(core: Core, wanted: Claim, nowMs: number): void {
  const tasks = core.workflows.get(wanted.workflow);
  const { host } = wanted.capacity;
  if (!tasks || (host !== undefined && core.scheduling.blockedHosts.has(host))) return;
  const strictScheduler = wanted.strict === true;
  const worker = addClaim(core, wanted.worker, { ...wanted.capacity, strictScheduler }, nowMs);
  const taking: Taking = {
    core,
    tasks,
    worker,
    nowMs,
    nodes: wanted.nodes ?? Infinity,
    left: wanted.limit,
    limits: limitsLeft(core),
  };
  const all = [...core.active].filter((cls) => cls.workflow === wanted.workflow && cls.ready > 0);
  const own = all.filter((cls) => mayRun(worker, cls, nowMs, wanted.strict === null));
  takeFrom(taking, own, wanted.order);
  if (worker.running === 0 && wanted.strict === false) {
    const known = new Set(own);
    const others = all.filter((cls) => !known.has(cls) && mayRun(worker, cls, nowMs, true));
    takeFrom(taking, others, wanted.order);
  }
  if (worker.holding.size === 0) core.workers.delete(worker.id);
}

function addClaim(core: Core, id: number, capacity: Capacity, nowMs: number): WorkerState {
  const worker: WorkerState = {
    id,
    capacity,
    free: freeOf(capacity),
    running: 0,
    holding: new Map(),
    ghosts: new Map(),
    absent: true,
    draining: false,
    joinedMs: nowMs,
    claim: true,
  };
  core.workers.set(id, worker);
  return worker;
}

interface Taking {
  core: Core;
  tasks: Tasks;
  worker: WorkerState;
  nowMs: number;
  nodes: number;
  left: number;
  limits: Map<Category, number> | null;
}

function takeFrom(taking: Taking, classes: readonly ReadyClass[], order: ClaimOrder): void {
  const ranked = classes.map((cls) => ({ cls, keys: keysOf(cls, order) }));
  const compare = (a: Ranked, b: Ranked): number => {
    for (let i = 0; i < a.keys.length; i++)
      if (a.keys[i] !== b.keys[i]) return b.keys[i]! - a.keys[i]!;
    return 0;
  };
  ranked.sort(compare);
  for (let from = 0; from < ranked.length && taking.left > 0;) {
    let to = from + 1;
    while (to < ranked.length && compare(ranked[from]!, ranked[to]!) === 0) to++;
    const rank = ranked.slice(from, to).map(({ cls }) => cls);
    takeMerged(taking, rank);
    from = to;
  }
}

interface Ranked {
  cls: ReadyClass;
  /** larger first */
  keys: readonly number[];
}

function keysOf({ priority, requirement }: ReadyClass, order: ClaimOrder): readonly number[] {
  if (order === "none") return [priority];
  const { gpus, memoryBytes, runtimeSeconds } = requirement;
  const seconds = runtimeSeconds ?? 0;
  return order === "gpus_runtime_memory"
    ? [priority, gpus, seconds, memoryBytes]
    : [priority, gpus, memoryBytes, seconds];
}

/** The first tasks of a class that stand next to each other in its queue. */
interface Head {
  cls: ReadyClass;
  first: number;
  end: number;
}

/** Classes of one rank: their queues are merged by task number. */
function takeMerged(taking: Taking, classes: readonly ReadyClass[]): void {
  const { core, tasks, worker, nowMs } = taking;
  const heads: Head[] = [];
  for (const cls of classes) {
    const head = headOf(tasks, cls);
    if (head) heads.push(head);
  }
  for (let at = heads.length >> 1; at >= 0; at--) sink(heads, at);
  while (taking.left > 0 && heads.length > 0) {
    const { cls, ...head } = heads[0]!;
    // The next lowest is one of the two below the lowest.
    const end = Math.min(head.end, heads[1]?.first ?? Infinity, heads[2]?.first ?? Infinity);
    const wanted = countReady(tasks, head.first, end, Math.min(taking.left, cls.ready));
    const count = fitting(taking, cls, wanted);
    if (count > 0) {
      if (cls.passedMs !== null) cancelReservation(core, cls);
      const given = assign(core, worker, cls, count, 0, nowMs, null);
      taking.left -= given;
      if (cls.requirement.nodes > 1) taking.nodes -= given * cls.requirement.nodes;
      const limit = taking.limits?.get(cls.category);
      if (limit !== undefined) taking.limits!.set(cls.category, limit - given);
    }
    if (cls.ready === 0) core.active.delete(cls);
    // Where one does not fit, the rest of its class does not either.
    const next = count < wanted ? null : headOf(tasks, cls);
    const last = next ?? heads.pop()!;
    if (heads.length > 0) heads[0] = last;
    sink(heads, 0);
  }
}

function fitting({ worker, nodes, limits }: Taking, cls: ReadyClass, wanted: number): number {
  let count = Math.min(room(worker, cls, wanted), limits?.get(cls.category) ?? Infinity);
  const needs = cls.requirement.nodes;
  if (worker.capacity.maxParallel === null) {
    if (needs > nodes) return 0;
    if (needs > 1) count = Math.min(count, Math.floor(nodes / needs));
  }
  return Math.max(0, count);
}

/** Takes what is no longer ready off the head of the queue first. */
function headOf(tasks: Tasks, cls: ReadyClass): Head | null {
  while (cls.ready > 0) {
    const run = cls.queue.peek();
    if (!run) return null;
    let { first } = run;
    while (first < run.end && tasks.state[first] !== READY) first++;
    if (first > run.first) cls.queue.shift(first - run.first);
    if (first < run.end) return { cls, first, end: run.end };
  }
  return null;
}

function countReady(tasks: Tasks, first: number, end: number, limit: number): number {
  let count = 0;
  for (let task = first; task < end && count < limit; task++)
    if (tasks.state[task] === READY) count++;
  return count;
}

/** Lets the entry at `at` sink to its place in a heap with the lowest task number on top. */
function sink(heads: Head[], at: number): void {
  for (;;) {
    let least = at;
    for (const below of [2 * at + 1, 2 * at + 2])
      if (below < heads.length && heads[below]!.first < heads[least]!.first) least = below;
    if (least === at) return;
    [heads[at], heads[least]] = [heads[least]!, heads[at]!];
    at = least;
  }
}

/**
 * The runner does not hold these attempts any more: its lease is over (`worker_lost`) or it gave them back (`preempted`). The claim goes
 * when nothing is left of it.
 */
export function endClaim(
  core: Core,
  id: number,
  workflow: number,
  list: readonly number[],
  attempts: readonly number[],
  outcome: "worker_lost" | "preempted",
  nowMs: number,
): void {
  const worker = core.workers.get(id);
  const tasks = core.workflows.get(workflow);
  const lost: number[] = [];
  list.forEach((task, i) => {
    if (!tasks || !isLive(tasks, id, task, attempts[i]!)) {
      banish(core, worker, workflow, task, attempts[i]!);
      return;
    }
    lost.push(task);
    if (worker) release(core, worker, heldClass(tasks, task), 1);
  });
  if (tasks) loseAttempts(core, tasks, id, lost, [], outcome, nowMs);
  if (!worker) return;
  // Nobody looks for work for it; but others may have waited for its places under the limit of a category.
  core.dirty.delete(worker);
  core.moreReady = true;
  if (worker.holding.size > 0) return;
  core.workers.delete(id);
  forgetWorker(core, id);
}

/** A claim from before a restart goes on with those attempts that are still its own. */
export function restoreClaim(
  core: Core,
  id: number,
  capacity: Capacity,
  workflow: number,
  list: readonly number[],
  running: readonly number[],
  nowMs: number,
): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks || list.length === 0) return;
  const worker = addClaim(core, id, capacity, nowMs);
  for (const task of list) {
    if (tasks.owner[task] !== id) continue;
    const cls = heldClass(tasks, task);
    // It gives back what it takes now, whatever is learned meanwhile.
    if (cls.declared !== null) tasks.handed.set(task, cls);
    occupy(worker, cls, true);
  }
  const attempts = running.map((task) => tasks.attempt[task]!);
  noteStarted(core, id, workflow, running, attempts, nowMs);
}
