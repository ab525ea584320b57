/**
 * Which class comes first:
 *
 * 1. workflow priority, higher first;
 * 2. task priority, higher first. Tasks that waited for the workflow's ageing time count one more, so they pass those of the next
 *    higher priority; two apart is never passed;
 * 3. within a priority, aged tasks, the longest waiting first, whatever the sort method;
 * 4. the workflow submitted first;
 * 5. its sort method: `gpus_runtime_memory` and `gpus_memory_runtime` descending (an unknown run time counts as 0), `none` = order of
 *    submission, `auto` = most work first: expected run time × a power of the largest share of the whole pool that a task takes of any
 *    resource. Large and long tasks first leaves the small ones to fill gaps, and what is scarce is not left to the end. Which power is
 *    found by trying (plan.ts);
 * 6. submission.
 */
import { agedCount, markWaiting, waitingSince } from "./ageing.ts";
import { choosePlan, SHAPES, type Shape, workOf } from "./plan.ts";
import type { Planned } from "./play.ts";
import type { Core } from "./core.ts";
import type { ReadyClass } from "./ready.ts";
import { amountOf, type Free, take } from "./resources.ts";
import type { Order, Turn } from "./scheduling.ts";
import { DEFAULT_REQUIREMENT, type Requirement, type WorkflowDefinition } from "./workflow.ts";

/** Estimates and pool change slowly: how long an order made from them is kept. */
const KEEP_MS = 1000;

type SortMethod = WorkflowDefinition["sortMethod"];

const DEFAULT_AGE_SECONDS = 600;

/** The run time to expect: as given, else as measured for the category; null = unknown. Seconds. */
export function expectedSeconds(cls: ReadyClass): number | null {
  if (cls.requirement.runtimeSeconds !== null) return cls.requirement.runtimeSeconds;
  return cls.category.samples > 0 ? cls.category.meanWallUs / 1e6 : null;
}

export function ageMsOf(core: Core, cls: ReadyClass): number {
  const seconds = core.workflows.get(cls.workflow)?.definition.ageSeconds ?? DEFAULT_AGE_SECONDS;
  return seconds * 1000;
}

/** The order of the classes with ready tasks; kept until it may have changed. */
export function currentOrder(core: Core, nowMs: number): Order {
  const { scheduling } = core;
  const { order } = scheduling;
  if (
    order &&
    nowMs < order.validUntilMs &&
    nowMs >= order.builtMs &&
    !(order.measured && nowMs - order.builtMs >= KEEP_MS) &&
    !(order.measured && order.workers !== core.workers.size)
  )
    return order;
  return (scheduling.order = buildOrder(core, nowMs));
}

interface Place extends Turn {
  priority: number;
  sinceMs: number;
  keys: readonly number[];
}

function buildOrder(core: Core, nowMs: number): Order {
  const places: Place[] = [];
  let validUntilMs = Infinity;
  let measured = false;
  const unknown = typicalSeconds(core);
  const { pool, largest } = poolOf(core);
  const shapes = makePlans(core, pool, nowMs);
  for (const cls of core.active) {
    if (cls.ready === 0) {
      // Out of the order and out of the active ones: that it becomes active is what asks for a new order.
      core.active.delete(cls);
      continue;
    }
    const ageMs = ageMsOf(core, cls);
    markWaiting(cls, nowMs, ageMs);
    const aged = agedCount(cls, nowMs, ageMs);
    const method = core.workflows.get(cls.workflow)?.definition.sortMethod ?? "none";
    measured ||= method === "auto" && core.active.size > 1;
    const seconds = expectedSeconds(cls) ?? unknown.get(cls.workflow) ?? 1;
    const shape = shapes.get(cls.workflow) ?? SHAPES[0]!;
    const keys = sortKeys(cls, method, seconds, largestShare(pool, cls), shape);
    const common = { cls, bulk: largestShare(largest, cls), keys };
    if (aged > 0)
      places.push({
        ...common,
        aged: true,
        priority: cls.priority + 1,
        sinceMs: waitingSince(cls),
      });
    places.push({ ...common, aged: false, priority: cls.priority, sinceMs: Infinity });
    const next = aged > 0 ? cls.marks.list[2] : cls.marks.list[0];
    if (next !== undefined) validUntilMs = Math.min(validUntilMs, next + ageMs);
  }
  places.sort(comparePlaces);
  return {
    turns: places,
    builtMs: nowMs,
    validUntilMs,
    measured,
    workers: core.workers.size,
    leastCpus: places.reduce((least, { cls }) => Math.min(least, cls.requirement.cpus), Infinity),
    bound: places.some(({ cls }) => cls.scheduler !== null),
  };
}

function comparePlaces(a: Place, b: Place): number {
  return (
    b.cls.workflowPriority - a.cls.workflowPriority ||
    b.priority - a.priority ||
    (a.sinceMs === b.sinceMs ? 0 : a.sinceMs - b.sinceMs) ||
    a.cls.workflow - b.cls.workflow ||
    b.keys[0]! - a.keys[0]! ||
    b.keys[1]! - a.keys[1]! ||
    b.keys[2]! - a.keys[2]! ||
    a.cls.id - b.cls.id
  );
}

function sortKeys(
  cls: ReadyClass,
  method: SortMethod,
  seconds: number,
  share: number,
  shape: Shape,
): readonly number[] {
  const { gpus, memoryBytes, runtimeSeconds } = cls.requirement;
  switch (method) {
    case "gpus_runtime_memory":
      return [gpus, runtimeSeconds ?? 0, memoryBytes];
    case "gpus_memory_runtime":
      return [gpus, memoryBytes, runtimeSeconds ?? 0];
    case "none":
      return [0, 0, 0];
    case "auto":
      return [workOf(shape, seconds, share, gpus), 0, 0];
  }
}

/**
 * The shape of `auto` for each workflow of which all waiting classes have one priority and an expected run time. Others follow the
 * default.
 */
function makePlans(core: Core, pool: Free, nowMs: number): Map<number, Shape> {
  const { plans } = core.scheduling;
  const groups = new Map<number, Planned[] | null>();
  for (const cls of core.active) {
    if (cls.ready === 0 || core.workflows.get(cls.workflow)?.definition.sortMethod !== "auto")
      continue;
    const seconds = expectedSeconds(cls);
    const group = groups.get(cls.workflow);
    const apart = group?.[0] !== undefined && group[0].cls.priority !== cls.priority;
    if (group === null || seconds === null || apart || cls.requirement.custom)
      groups.set(cls.workflow, null);
    else if (group) group.push({ cls, seconds, share: largestShare(pool, cls) });
    else groups.set(cls.workflow, [{ cls, seconds, share: largestShare(pool, cls) }]);
  }
  const shapes = new Map<number, Shape>();
  for (const workflow of plans.keys()) if (!groups.has(workflow)) plans.delete(workflow);
  for (const [workflow, planned] of groups) {
    if (planned === null || planned.length < 2) continue;
    const plan = choosePlan(core, plans.get(workflow) ?? null, planned, nowMs);
    plans.set(workflow, plan);
    shapes.set(workflow, plan.shape);
  }
  return shapes;
}

/** Of the workers that look at resources: everything they offer, and the most that one of them does, resource by resource. */
function poolOf(core: Core): { pool: Free; largest: Free } {
  const pool: Free = { cpus: 0, memoryBytes: 0, diskBytes: 0, gpus: 0, custom: {} };
  const largest: Free = { ...pool, custom: {} };
  if (core.active.size < 2) return { pool, largest };
  for (const { capacity, claim } of core.workers.values()) {
    if (capacity.maxParallel !== null || claim) continue;
    take(pool, { ...NEEDS_NOTHING, ...capacity }, -1);
    for (const kind of ["cpus", "memoryBytes", "diskBytes", "gpus"] as const)
      largest[kind] = Math.max(largest[kind], capacity[kind]);
    for (const [name, amount] of Object.entries(capacity.custom ?? {}))
      largest.custom[name] = Math.max(largest.custom[name] ?? 0, amount);
  }
  return { pool, largest };
}

const NEEDS_NOTHING: Requirement = { ...DEFAULT_REQUIREMENT, cpus: 0 };

/** The largest share of what is offered that one task of the class takes of any resource. */
function largestShare(pool: Free, { requirement: need }: ReadyClass): number {
  const share = (needed: number, offered: number): number =>
    needed > 0 && offered > 0 ? needed / offered : 0;
  let largest = Math.max(
    share(need.cpus, pool.cpus),
    share(need.memoryBytes, pool.memoryBytes),
    share(need.gpus, pool.gpus),
    share(need.diskBytes, pool.diskBytes),
  );
  if (need.custom)
    for (const [name, amount] of Object.entries(need.custom))
      largest = Math.max(largest, share(amount, amountOf(pool.custom, name)));
  return largest;
}

/** Per workflow, the mean of what is known about run times: for classes of which nothing is. */
function typicalSeconds(core: Core): Map<number, number> {
  const sums = new Map<number, [sum: number, count: number]>();
  for (const cls of core.active) {
    const seconds = expectedSeconds(cls);
    if (seconds === null) continue;
    const entry = sums.get(cls.workflow) ?? [0, 0];
    sums.set(cls.workflow, [entry[0] + seconds, entry[1] + 1]);
  }
  return new Map([...sums].map(([workflow, [sum, count]]) => [workflow, sum / count]));
}
