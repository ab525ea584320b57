/**
 * Learned allocations. A category that asks for them (`allocation` other than fixed) notes what its tasks used; from that follows what
 * its tasks are given at first (first-allocation.ts). What a class needs never changes: for other amounts there is another class, which
 * takes over the queue. So an attempt gives back what it was given (`tasks.handed`), however often the allocation changed meanwhile.
 *
 * A task that had too little gets more by an allocation of its own (`tasks.override`); others of its category keep theirs.
 */
import type { Core } from "./core.ts";
import type { Finished, Grant } from "./events.ts";
import {
  type CategoryUse,
  createCategoryUse,
  firstAllocation,
  LEARN_EVERY,
  LEARNED_RESOURCES,
  type LearnedResource,
  nextAllocation,
  recordUse,
  roundUp,
  withAllocation,
} from "./first-allocation.ts";
import { mayRun } from "./placement.ts";
import { type Category, createClass, type ReadyClass } from "./ready.ts";
import { fitCount, freeOf } from "./resources.ts";
import { READY } from "./states.ts";
import { classOf, enqueue, type Tasks } from "./tasks.ts";
import { formatBytes } from "./units.ts";
import type { Allocation, CategorySettings, Requirement } from "./workflow.ts";

/** What is learned of a category, and the classes made from it. */
export interface Learning {
  mode: Exclude<Allocation, "fixed">;
  use: CategoryUse;
  /** classes by what they are given; see `classKey` */
  classes: Map<string, ReadyClass>;
  /** those that tasks without an allocation of their own are in */
  current: Set<ReadyClass>;
}

/** A task's own allocation, because what it had was too little. */
export interface Override {
  cls: ReadyClass;
  resource: LearnedResource;
  /** this was too little; 0 = it had no limit */
  exceeded: number;
}

/** CPU time by wall time says little of an attempt shorter than this: both are measured in steps. */
const LEAST_WALL_US = 50_000;

/**
 * Short attempts are measured by their largest process, longer ones are held to what all of them have: below this, a shell around
 * the program would make the difference.
 */
const LEAST_MEMORY_BYTES = 16 * 2 ** 20;

/** Null where amounts are as declared. */
export function createLearning(settings: CategorySettings | undefined): Learning | null {
  const mode = settings?.allocation ?? "fixed";
  if (mode === "fixed") return null;
  return { mode, use: createCategoryUse(), classes: new Map(), current: new Set() };
}

/** A class made for a block whose category learns: its first allocation is what the block declares. */
export function beginLearning(cls: ReadyClass): void {
  const { learning } = cls.category;
  if (!learning || cls.declared !== null) return;
  cls.declared = { id: cls.id, requirement: cls.requirement };
  learning.classes.set(keyOf("first", cls.declared.id, cls.requirement), cls);
  learning.current.add(cls);
}

/**
 * What an attempt of the class is given; null = amounts are only reserved, as its category does not learn. A worker of queue depth holds
 * it to nothing, but tells it when it comes back to a restarted server: the class is known by it.
 */
export function grantOf(cls: ReadyClass): Grant | null {
  if (cls.declared === null) return null;
  const { cpus, memoryBytes, diskBytes } = cls.requirement;
  return { cpus, memoryBytes, diskBytes };
}

/** The class under which the live (or dying) attempt of the task was handed out. */
export function heldClass(tasks: Tasks, task: number): ReadyClass {
  return (tasks.handed.size > 0 ? tasks.handed.get(task) : undefined) ?? classOf(tasks, task);
}

/** The class of an attempt that a worker brings, and that it was given these amounts for. */
export function classWith(tasks: Tasks, task: number, grant: Grant | null): ReadyClass {
  const cls = classOf(tasks, task);
  if (!grant || cls.declared === null) return cls;
  const kind = tasks.override.has(task) ? "again" : "first";
  return variant(kind, cls, withAllocation(cls.requirement, grant));
}

/** The attempt of the task's owner is gone; answers the class whose room it had. */
export function letGo(tasks: Tasks, task: number): ReadyClass {
  const cls = heldClass(tasks, task);
  tasks.owner[task] = 0;
  if (tasks.handed.size > 0) tasks.handed.delete(task);
  return cls;
}

/** Notes what a task used that succeeded. */
export function learnUse(
  core: Core,
  tasks: Tasks,
  cls: ReadyClass,
  batch: Finished,
  i: number,
): void {
  const { learning } = cls.category;
  if (!learning) return;
  const wallUs = batch.wallUs[i]!;
  const sample = useOf(wallUs, cpuUs(batch, i), batch.peakBytes?.[i] ?? null);
  if (recordUse(learning.use, sample)) review(core, tasks, cls.category);
}

/** Durations in µs; null = not measured. */
export function useOf(
  wallUs: number,
  cpuTimeUs: number | null,
  peakBytes: number | null,
): Parameters<typeof recordUse>[1] {
  const cpus = cpuTimeUs === null || wallUs < LEAST_WALL_US ? null : cpuTimeUs / wallUs;
  return { wallUs, used: { cpus, memoryBytes: peakBytes, diskBytes: null } };
}

function cpuUs(batch: Finished, i: number): number | null {
  const user = batch.userUs?.[i] ?? null;
  const system = batch.systemUs?.[i] ?? null;
  return user === null || system === null ? null : user + system;
}

/** Workers came or went: what is the most that a task can be given may have changed. */
export function reviewAllocations(core: Core): void {
  for (const tasks of core.workflows.values()) {
    if (!tasks.learns) continue;
    const categories = new Set(tasks.classes.map((cls) => cls.category));
    for (const category of categories) if (category.learning) review(core, tasks, category);
    for (const [task, own] of tasks.override) fitOverride(core, tasks, task, own);
  }
}

/** Computes the first allocations of a category anew. */
export function review(core: Core, tasks: Tasks, category: Category): void {
  const learning = category.learning!;
  const changed = new Map<ReadyClass, ReadyClass>();
  for (const cls of learning.current) {
    const next = firstClass(core, learning, cls);
    if (next !== cls) changed.set(cls, next);
  }
  if (changed.size === 0) return;
  for (let block = 0; block < tasks.classes.length; block++) {
    const next = changed.get(tasks.classes[block]!);
    if (next) tasks.classes[block] = next;
  }
  for (const [from, to] of changed) {
    learning.current.delete(from);
    learning.current.add(to);
    takeOver(core, tasks, from, to);
  }
}

/** One resource after the other, each as far as some worker has it that has what was chosen before. */
function firstClass(core: Core, learning: Learning, cls: ReadyClass): ReadyClass {
  let requirement = cls.declared!.requirement;
  for (const resource of LEARNED_RESOURCES) {
    const limits = {
      declared: requirement[resource],
      largest: largest(core, cls, requirement, resource),
    };
    const use = learning.use.resources[resource];
    let amount = firstAllocation(learning.mode, use, limits);
    if (resource === "memoryBytes" && use.count >= LEARN_EVERY)
      amount = Math.max(amount, Math.min(LEAST_MEMORY_BYTES, limits.largest ?? Infinity));
    requirement = withAllocation(requirement, { [resource]: amount });
  }
  return variant("first", cls, requirement);
}

/** The most of a resource that a worker has on which the class could run otherwise; null = no such worker is known. */
function largest(
  core: Core,
  cls: ReadyClass,
  requirement: Requirement,
  resource: LearnedResource,
): number | null {
  let most: number | null = null;
  const others = { ...requirement, [resource]: 0 };
  for (const worker of core.workers.values()) {
    const { capacity, joinedMs } = worker;
    if (worker.claim || capacity.maxParallel !== null) continue;
    if (!mayRun(worker, cls, joinedMs)) continue;
    if (fitCount(freeOf(capacity), others, 1) === 0) continue;
    most = Math.max(most ?? 0, capacity[resource]);
  }
  return most;
}

function keyOf(
  kind: "first" | "again",
  id: number,
  { cpus, memoryBytes, diskBytes }: Grant,
): string {
  return `${kind} ${id} ${cpus} ${memoryBytes} ${diskBytes}`;
}

/** The class like `cls` with these amounts. */
function variant(kind: "first" | "again", cls: ReadyClass, requirement: Requirement): ReadyClass {
  const { classes } = cls.category.learning!;
  const declared = cls.declared!;
  const key = keyOf(kind, declared.id, requirement);
  let made = classes.get(key);
  if (!made) {
    const { workflow, priority, workflowPriority, scheduler, placement, algorithm, category } = cls;
    const taken = new Set([...classes.values()].map(({ id }) => id));
    let id = -(workflow * VARIANTS + hash(key));
    while (taken.has(id)) id--;
    made = createClass({
      id,
      workflow,
      requirement,
      priority,
      workflowPriority,
      scheduler,
      placement,
      algorithm,
      category,
      declared,
    });
    classes.set(key, made);
  }
  return made;
}

/**
 * The number of a class is made from what it is given: workers that come back after a restart still have attempts under it, and it must
 * not mean anything else then. Negative, apart from the classes of blocks.
 */
const VARIANTS = 2 ** 24;

function hash(text: string): number {
  // FNV-1a, folded to 24 bits.
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return ((value >>> 24) ^ value) & 0xffffff;
}

/** Everything that waits in `from` waits in `to` now; what was handed out stays as it is. */
function takeOver(core: Core, tasks: Tasks, from: ReadyClass, to: ReadyClass): void {
  const { queue, ready, marks, passedMs, reserveAtMs } = from;
  Object.assign(from, { queue: to.queue, ready: 0, marks: to.marks, passedMs: null });
  Object.assign(to, { queue, ready, marks, passedMs, reserveAtMs });
  from.queue.clear();
  from.marks = { list: [], total: 0 };
  for (const reservation of core.scheduling.reservations.values())
    if (reservation.cls === from) reservation.cls = to;
  if (core.active.delete(from)) core.scheduling.order = null;
  if (to.ready > 0) core.sink.becameReady(tasks, to);
}

/** Told of attempts that had too little: a restart knows them by it from those that drew on a budget. */
export const AGAIN_WITH = ": again with ";

/** Gives a task more than the amount that was too little. The text is for people; `larger` false = there is no more. */
export function enlarge(
  core: Core,
  tasks: Tasks,
  task: number,
  cls: ReadyClass,
  resource: "memoryBytes" | "diskBytes",
  used: number | null,
): { larger: boolean; text: string } {
  const current = cls.requirement[resource];
  const next = moreThan(cls, resource, used, largest(core, cls, cls.requirement, resource));
  const what = resource === "memoryBytes" ? "memory" : "disk";
  const had = current > 0 ? `${formatBytes(current)} of ${what} were too little` : `out of ${what}`;
  if (next === null)
    return { larger: false, text: `${had}, and no worker known has more for one task` };
  setOverride(tasks, task, { resource, exceeded: current }, cls, next);
  return { larger: true, text: `${had}${AGAIN_WITH}${formatBytes(next)}` };
}

function moreThan(
  cls: ReadyClass,
  resource: LearnedResource,
  used: number | null,
  most: number | null,
): number | null {
  const current = cls.requirement[resource];
  const mostSeen = cls.category.learning!.use.resources[resource].most;
  // Nothing was reserved, and nothing is known: all there is.
  if (current === 0 && !used && mostSeen === 0) return most;
  return nextAllocation({ resource, current, used, mostSeen, largest: most });
}

function setOverride(
  tasks: Tasks,
  task: number,
  what: Omit<Override, "cls">,
  cls: ReadyClass,
  amount: number,
): void {
  const requirement = withAllocation(cls.requirement, { [what.resource]: amount });
  tasks.override.set(task, { ...what, cls: variant("again", cls, requirement) });
}

/** What a restart knows of an attempt that had too little: its measured peak. The workers are not there yet, so nothing limits it. */
export function restoreOverride(
  tasks: Tasks,
  task: number,
  resource: "memoryBytes" | "diskBytes",
  used: number | null,
): void {
  const cls = classOf(tasks, task);
  if (!cls.category.learning || cls.declared === null) return;
  const mostSeen = cls.category.learning.use.resources[resource].most;
  const exceeded = Math.max(cls.requirement[resource], used ?? 0);
  const amount = mostSeen > exceeded ? mostSeen : roundUp(resource, 2 * exceeded);
  if (exceeded > 0) setOverride(tasks, task, { resource, exceeded }, cls, amount);
}

/** More than any worker has helps nobody, as long as the largest has more than what was too little. */
function fitOverride(core: Core, tasks: Tasks, task: number, own: Override): void {
  const { cls, resource, exceeded } = own;
  const most = largest(core, cls, cls.requirement, resource);
  if (most === null || cls.requirement[resource] <= most || exceeded >= most) return;
  const waits = tasks.state[task] === READY && !tasks.notBefore.has(task);
  if (waits && cls.queue.take(task)) cls.ready--;
  setOverride(tasks, task, { resource, exceeded }, cls, most);
  if (waits) enqueue(tasks, task, true, core.sink);
}
