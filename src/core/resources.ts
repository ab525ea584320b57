import type { Capacity } from "./events.ts";
import type { Requirement } from "./workflow.ts";

/** What a worker has left. Cpus and gpus may be fractions, so comparisons forgive rounding. */
export interface Free {
  cpus: number;
  memoryBytes: number;
  diskBytes: number;
  gpus: number;
  custom: Record<string, number>;
}

const EPSILON = 1e-9;

/** Of a custom resource; a name such as `constructor` must not find what every object has. */
export function amountOf(custom: Readonly<Record<string, number>>, name: string): number {
  return Object.hasOwn(custom, name) ? custom[name]! : 0;
}

export function freeOf(capacity: Capacity): Free {
  return {
    cpus: capacity.cpus,
    memoryBytes: capacity.memoryBytes,
    diskBytes: capacity.diskBytes,
    gpus: capacity.gpus,
    custom: { ...capacity.custom },
  };
}

/** How many tasks of this requirement fit into what is free, at most `limit`. */
export function fitCount(free: Free, need: Requirement, limit: number): number {
  let count = limit;
  if (need.cpus > 0) count = Math.min(count, Math.floor(free.cpus / need.cpus + EPSILON));
  if (need.memoryBytes > 0)
    count = Math.min(count, Math.floor(free.memoryBytes / need.memoryBytes));
  if (need.diskBytes > 0) count = Math.min(count, Math.floor(free.diskBytes / need.diskBytes));
  if (need.gpus > 0) count = Math.min(count, Math.floor(free.gpus / need.gpus + EPSILON));
  if (need.custom)
    for (const [name, amount] of Object.entries(need.custom))
      if (amount > 0)
        count = Math.min(count, Math.floor(amountOf(free.custom, name) / amount + EPSILON));
  return Math.max(0, count);
}

/** Takes (positive) or gives back (negative) `count` times the requirement. */
export function take(free: Free, need: Requirement, count: number): void {
  free.cpus -= need.cpus * count;
  free.memoryBytes -= need.memoryBytes * count;
  free.diskBytes -= need.diskBytes * count;
  free.gpus -= need.gpus * count;
  if (need.custom)
    for (const [name, amount] of Object.entries(need.custom))
      free.custom[name] = amountOf(free.custom, name) - amount * count;
}

/** The first resource of which even an idle worker has too little, with both amounts; null when the task fits. */
export function tooLarge(
  capacity: Capacity,
  need: Requirement,
): { resource: string; needed: number; offered: number } | null {
  if (capacity.maxParallel !== null) return null;
  const offered = freeOf(capacity);
  const check = (
    resource: string,
    needed: number,
    has: number,
  ): { resource: string; needed: number; offered: number } | null =>
    needed > has + EPSILON ? { resource, needed, offered: has } : null;
  const runtime =
    need.runtimeSeconds !== null && capacity.timeLimitSeconds !== null
      ? check("runtime", need.runtimeSeconds, capacity.timeLimitSeconds)
      : null;
  let custom: { resource: string; needed: number; offered: number } | null = null;
  for (const [name, amount] of Object.entries(need.custom ?? {}))
    custom ??= check(name, amount, amountOf(offered.custom, name));
  return (
    check("cpus", need.cpus, offered.cpus) ??
    check("memory", need.memoryBytes, offered.memoryBytes) ??
    check("gpus", need.gpus, offered.gpus) ??
    check("disk", need.diskBytes, offered.diskBytes) ??
    runtime ??
    custom
  );
}
