/** Which workers may run a class, and which of those that have room get its tasks. */
import type { Core, WorkerState } from "./core.ts";
import { expectedSeconds } from "./order.ts";
import type { ReadyClass } from "./ready.ts";
import { fitCount, freeOf } from "./resources.ts";
import { quantizedSlowness } from "./speed.ts";
import { nextRandom, type TaskInput } from "./scheduling.ts";
import type { Algorithm } from "./workflow.ts";

/** It gets new attempts at all. */
export function takesWork(core: Core, worker: WorkerState): boolean {
  if (worker.draining || worker.absent) return false;
  if (core.suspicion.excludedUntilMs.has(worker.id)) return false;
  const { blockedHosts } = core.scheduling;
  const { host } = worker.capacity;
  return blockedHosts.size === 0 || host === undefined || !blockedHosts.has(host);
}

/**
 * Everything but room: scheduler, features, required hosts, time left (equal fits). Queue depth ignores resources, and time is one.
 * A flexible worker may be asked about what is bound to others (`borrowing`).
 */
export function mayRun(
  worker: WorkerState,
  cls: ReadyClass,
  nowMs: number,
  borrowing = false,
): boolean {
  const { capacity } = worker;
  if (cls.scheduler !== null && cls.scheduler !== capacity.scheduler && !borrowing) return false;
  const { placement } = cls;
  if (placement) {
    const { requiredHosts, features } = placement;
    if (requiredHosts && requiredHosts.length > 0)
      if (capacity.host === undefined || !requiredHosts.includes(capacity.host)) return false;
    if (features)
      for (const feature of features) if (!capacity.features?.includes(feature)) return false;
  }
  const needs = cls.requirement.runtimeSeconds;
  return capacity.maxParallel !== null || needs === null || needs <= secondsLeft(worker, nowMs);
}

/** Of a worker's time limit. Begun seconds are not counted off: what takes as long as the limit fits when the worker has just joined. */
export function secondsLeft({ capacity, joinedMs }: WorkerState, nowMs: number): number {
  if (capacity.timeLimitSeconds === null) return Infinity;
  return Math.max(0, capacity.timeLimitSeconds - Math.floor((nowMs - joinedMs) / 1000));
}

/** It could if it were idle. */
export function couldRun(worker: WorkerState, cls: ReadyClass, nowMs: number): boolean {
  if (!mayRun(worker, cls, nowMs)) return false;
  if (worker.capacity.maxParallel !== null) return worker.capacity.maxParallel > 0;
  return fitCount(freeOf(worker.capacity), cls.requirement, 1) > 0;
}

/** How many tasks of the class it has room for now, at most `limit`. */
export function room(worker: WorkerState, cls: ReadyClass, limit: number): number {
  const { maxParallel } = worker.capacity;
  if (maxParallel !== null) return Math.max(0, Math.min(limit, maxParallel - worker.running));
  return fitCount(worker.free, cls.requirement, limit);
}

export interface Candidate {
  worker: WorkerState;
  /** tasks it has room for */
  room: number;
}

/** Tasks per candidate, in the candidates' order; `limit` is less than what all of them have room for. */
export function share(
  core: Core,
  cls: ReadyClass,
  candidates: readonly Candidate[],
  limit: number,
): number[] {
  const counts = candidates.map(() => 0);
  if (cls.algorithm === "random") {
    const left = candidates.map((_, i) => i);
    for (let given = 0; given < limit; given++) {
      const at = Math.floor(nextRandom(core.scheduling) * left.length);
      const chosen = left[at]!;
      if (++counts[chosen]! < candidates[chosen]!.room) continue;
      left[at] = left[left.length - 1]!;
      left.pop();
    }
    return counts;
  }
  if (cls.algorithm === "worst") {
    spread(cls, candidates, limit, counts);
    return counts;
  }
  const order = candidates.map((_, i) => i);
  const costs = candidates.map(({ worker }) => costOf(core, cls, worker, cls.algorithm, []));
  order.sort((a, b) => compareCosts(costs[a]!, costs[b]!) || a - b);
  let left = limit;
  for (const at of order) {
    const count = Math.min(left, candidates[at]!.room);
    counts[at] = count;
    left -= count;
  }
  return counts;
}

/** One at a time to the one with the most left: a heap, largest share free on top. */
function spread(
  cls: ReadyClass,
  candidates: readonly Candidate[],
  limit: number,
  counts: number[],
): void {
  const free = candidates.map(({ worker }) => freeShare(worker, cls, 0));
  const heap = candidates.map((_, i) => i).sort((a, b) => free[b]! - free[a]! || a - b);
  for (let given = 0; given < limit && heap.length > 0; given++) {
    const top = heap[0]!;
    const { worker, room: has } = candidates[top]!;
    if (++counts[top]! >= has) {
      const last = heap.pop()!;
      if (heap.length === 0) break;
      if (last !== top) heap[0] = last;
    } else free[top] = freeShare(worker, cls, counts[top]!);
    for (let at = 0; ;) {
      let best = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length) {
          const [a, b] = [heap[child]!, heap[best]!];
          if (free[a]! > free[b]! || (free[a] === free[b] && a < b)) best = child;
        }
      if (best === at) break;
      [heap[at], heap[best]] = [heap[best]!, heap[at]!];
      at = best;
    }
  }
}

/** The mean share of its cpus, memory and gpus that would be free with `more` tasks of the class. */
function freeShare(
  { free, capacity, running }: WorkerState,
  cls: ReadyClass,
  more: number,
): number {
  if (capacity.maxParallel !== null) return 1 - (running + more) / capacity.maxParallel;
  const need = cls.requirement;
  let sum = 0;
  let kinds = 0;
  const add = (left: number, offered: number): void => {
    if (offered <= 0) return;
    sum += left / offered;
    kinds++;
  };
  add(free.cpus - need.cpus * more, capacity.cpus);
  add(free.memoryBytes - need.memoryBytes * more, capacity.memoryBytes);
  add(free.gpus - need.gpus * more, capacity.gpus);
  return kinds === 0 ? 1 : sum / kinds;
}

/** How unequally cpus and memory would be left: one without the other is of no use. */
function imbalance({ free, capacity }: WorkerState, { requirement: need }: ReadyClass): number {
  if (capacity.maxParallel !== null || capacity.cpus <= 0 || capacity.memoryBytes <= 0) return 0;
  const cpus = (free.cpus - need.cpus) / capacity.cpus;
  const memory = (free.memoryBytes - need.memoryBytes) / capacity.memoryBytes;
  return Math.abs(cpus - memory);
}

/** The best of the candidates for one task with these inputs. */
export function bestFor(
  core: Core,
  cls: ReadyClass,
  candidates: readonly Candidate[],
  inputs: readonly TaskInput[],
): number {
  let best = 0;
  let least: readonly number[] | null = null;
  candidates.forEach(({ worker }, i) => {
    const cost = costOf(core, cls, worker, cls.algorithm, inputs);
    if (least && compareCosts(cost, least) >= 0) return;
    best = i;
    least = cost;
  });
  return best;
}

/** Bytes of these inputs that the worker has already. */
export function cachedBytes(core: Core, worker: WorkerState, inputs: readonly TaskInput[]): number {
  const cache = core.scheduling.cached.get(worker.id);
  if (!cache) return 0;
  let bytes = 0;
  for (const input of inputs) if (cache.has(input.digest)) bytes += input.bytes;
  return bytes;
}

/** Gpus that a task does not use stand idle beside it when it takes the last cpu: as if the worker were this much slower. */
const WASTE = 0.25;

/** Less is better, compared entry by entry. */
function costOf(
  core: Core,
  cls: ReadyClass,
  worker: WorkerState,
  algorithm: Algorithm | null,
  inputs: readonly TaskInput[],
): readonly number[] {
  const slowness = core.scheduling.speeds.get(worker.id)?.slowness ?? 1;
  switch (algorithm) {
    case "files":
      return [-cachedBytes(core, worker, inputs)];
    case "time":
      return [slowness];
    case "worst":
      return [-freeShare(worker, cls, 0)];
    case "fcfs":
    case "random":
      return [0];
    case null: {
      // Ours: when would it be done there, transfers included; among equals where cpus and memory are used up alike.
      let missing = -cachedBytes(core, worker, inputs);
      for (const { bytes } of inputs) missing += bytes;
      const fetch = missing / core.config.fetchBytesPerSecond;
      const waste = cls.requirement.gpus === 0 && worker.free.gpus > 0 ? WASTE : 0;
      const slow = quantizedSlowness(core, worker.id);
      const seconds = fetch + (expectedSeconds(cls) ?? 1) * (slow + waste);
      return [seconds, imbalance(worker, cls)];
    }
  }
}

function compareCosts(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}
