/**
 * How much of a resource a category's tasks are given at first, learned from what earlier ones used; and how much a
 * task gets that had too little. The formulas are those of Work Queue (Tovar et al., "A Job Sizing Strategy for
 * High-Throughput Scientific Workflows", IEEE TPDS 2018). Its buckets are 250 MB of memory wide, whether
 * tasks use 3 MB or 300 GB; here they are relative: an amount is rounded up by at most 1 part in 16.
 */
import type { Allocation, Requirement } from "./workflow.ts";

export const LEARNED_RESOURCES = ["cpus", "memoryBytes", "diskBytes"] as const;
export type LearnedResource = (typeof LEARNED_RESOURCES)[number];

/** Before this many completions nothing is derived from them, and again after each as many: as in Work Queue. */
export const LEARN_EVERY = 25;

/** Steps an octave for memory and disk. */
const STEPS = 16;
const LEAST_BYTES = 2 ** 20;

/** What the completed tasks of a category used of one resource. */
export interface ResourceUse {
  count: number;
  /** of all of them together */
  wallUs: number;
  /** the largest amount, rounded up; 0 when there is none */
  most: number;
  /** by amount, rounded up */
  buckets: Map<number, { count: number; wallUs: number }>;
}

export interface CategoryUse {
  completions: number;
  resources: Record<LearnedResource, ResourceUse>;
}

export interface UseSample {
  wallUs: number;
  /** null = not measured; `cpus` is CPU time by wall time, the others are peaks */
  used: Readonly<Record<LearnedResource, number | null>>;
}

export interface AllocationLimits {
  /** what the task asks for; 0 = nothing reserved */
  declared: number;
  /** the most any worker has; null = not known */
  largest: number | null;
}

export function createCategoryUse(): CategoryUse {
  const none = (): ResourceUse => ({ count: 0, wallUs: 0, most: 0, buckets: new Map() });
  return {
    completions: 0,
    resources: { cpus: none(), memoryBytes: none(), diskBytes: none() },
  };
}

/**
 * Notes a task that succeeded (what an exhausted attempt used is cut off by its limit and says nothing).
 * True when first allocations are to be computed again: every 25 completions, and at a new maximum after the first 25.
 */
export function recordUse(use: CategoryUse, sample: UseSample): boolean {
  use.completions++;
  let record = false;
  for (const name of LEARNED_RESOURCES) {
    const used = sample.used[name];
    if (used === null || !(used >= 0)) continue;
    const resource = use.resources[name];
    const amount = roundUp(name, used);
    if (amount > resource.most) {
      resource.most = amount;
      record = true;
    }
    const bucket = resource.buckets.get(amount);
    if (bucket) {
      bucket.count++;
      bucket.wallUs += sample.wallUs;
    } else resource.buckets.set(amount, { count: 1, wallUs: sample.wallUs });
    resource.count++;
    resource.wallUs += sample.wallUs;
  }
  if (use.completions < LEARN_EVERY) return false;
  return record || use.completions % LEARN_EVERY === 0;
}

/**
 * What a task of the category is given at first. Until 25 tasks were measured that is what it declares;
 * the learned amount may be larger than the declared one, never larger than the largest worker.
 */
export function firstAllocation(
  mode: Allocation,
  use: ResourceUse,
  limits: AllocationLimits,
): number {
  const { declared, largest } = limits;
  if (mode === "fixed" || use.count < LEARN_EVERY) return declared;
  const learned = mode === "max" ? use.most : best(mode, use);
  return largest === null ? learned : Math.min(learned, largest);
}

/** The bucket with the best score as first allocation, given that what does not fit runs once more with the maximum. */
function best(mode: "min_waste" | "max_throughput", use: ResourceUse): number {
  const amounts = [...use.buckets.keys()].toSorted((a, b) => a - b);
  const { most } = use;
  const meanWall = use.wallUs / use.count;
  let chosen = most;
  let bestScore = -Infinity;
  let fitting = 0;
  let fittingWall = 0;
  for (const amount of amounts) {
    const bucket = use.buckets.get(amount)!;
    fitting += bucket.count;
    fittingWall += bucket.wallUs;
    const fits = fitting / use.count;
    const retriedWall = (use.wallUs - fittingWall) / use.count;
    const score =
      mode === "min_waste"
        ? -(amount * meanWall + most * retriedWall)
        : ((most / amount) * fits + (1 - fits)) / (meanWall + retriedWall);
    // On a tie the larger: fewer tasks run twice for the same price.
    if (score >= bestScore) {
      bestScore = score;
      chosen = amount;
    }
  }
  return chosen;
}

export interface Exhausted {
  resource: LearnedResource;
  /** what the exhausted attempt was given */
  current: number;
  /** its measured peak, which may be above `current`; null = not known */
  used: number | null;
  /** `most` of the category */
  mostSeen: number;
  /** the most any worker has; null = not known */
  largest: number | null;
}

/**
 * What this one task gets next, or null when there is nothing larger. First as much as any of its kind used, then
 * double each time (at most twice the need is held in vain, and ten steps are a factor of 1,000), at last
 * the largest worker's all. Work Queue goes from the first guess to a whole worker at once.
 */
export function nextAllocation(exhausted: Exhausted): number | null {
  const { resource, current, mostSeen } = exhausted;
  const largest = exhausted.largest ?? Infinity;
  if (current >= largest) return null;
  const used = exhausted.used ?? 0;
  // Nothing reserved: the limit was that of the worker, and only its measured peak says where to begin.
  const base = Math.max(current, used);
  const wanted = mostSeen > base ? mostSeen : roundUp(resource, 2 * base);
  return wanted > current ? Math.min(largest, wanted) : null;
}

/** A requirement with the given amounts in place; the same object when nothing differs. */
export function withAllocation(
  requirement: Requirement,
  amounts: Readonly<Partial<Record<LearnedResource, number>>>,
): Requirement {
  const differs = LEARNED_RESOURCES.some(
    (name) => amounts[name] !== undefined && amounts[name] !== requirement[name],
  );
  return differs ? { ...requirement, ...amounts } : requirement;
}

/** Upper edge of the amount's bucket: whole cpus (at least 1); memory and disk in 16 steps an octave (at least 1 MiB). */
export function roundUp(resource: LearnedResource, amount: number): number {
  if (resource === "cpus") {
    // 2.03 cpus measured is a task of 2 threads and some noise of the clocks.
    return Math.max(1, Math.ceil(amount - 0.05));
  }
  if (amount <= LEAST_BYTES) return LEAST_BYTES;
  const step = 2 ** Math.floor(Math.log2(amount)) / STEPS;
  return Math.ceil(amount / step) * step;
}
