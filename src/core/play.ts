/**
 * Plays the rest of a bag through in thought: what waits is handed out by a given order as the scheduler would, worker by worker as room
 * comes free. A scenario says what each task takes.
 */
import type { Core, WorkerState } from "./core.ts";
import { mayRun } from "./placement.ts";
import type { ReadyClass } from "./ready.ts";
import { nextRandom, type Scheduling } from "./scheduling.ts";
import { quantizedSlowness } from "./speed.ts";

export interface Planned {
  cls: ReadyClass;
  seconds: number;
  /** largest share of the pool that one task takes */
  share: number;
}

/** What is the same in every scenario. */
export interface Stage {
  /** tasks of each class that wait */
  ready: Int32Array;
  /** what each class takes, if it takes what is expected */
  seconds: Float64Array;
  /** of each class: cpus, memory, gpus, disk */
  need: Float64Array;
  leastCpus: number;
  workers: number;
  slowness: Float64Array;
  /** per worker: the four kinds */
  offered: Float64Array;
  free: Float64Array;
  /** per worker and class: 1 = may run there; null = all may everywhere */
  allowed: Uint8Array | null;
  running: readonly Underway[];
}

/** Something that runs when the play begins. */
interface Underway {
  worker: number;
  expected: number;
  ran: number;
  need: readonly number[];
}

/** What everything takes. */
export interface Scenario {
  seconds: Float64Array;
  /** of what runs, in order, the first to end last */
  running: readonly Run[];
}

interface Run {
  end: number;
  worker: number;
  cpus: number;
  memory: number;
  gpus: number;
  disk: number;
}

const KINDS = 4;
/** Of a run time that is expected, where nothing is known of it. */
const LEAST_SECONDS = 0.001;

export function setStage(
  core: Core,
  workers: readonly WorkerState[],
  planned: readonly Planned[],
  nowMs: number,
): Stage {
  const classes = planned.length;
  let allowed: Uint8Array | null = null;
  workers.forEach((worker, w) =>
    planned.forEach(({ cls }, i) => {
      if (mayRun(worker, cls, nowMs)) return;
      allowed ??= new Uint8Array(workers.length * classes).fill(1);
      allowed[w * classes + i] = 0;
    }),
  );
  const seconds = new Map(planned.map((each) => [each.cls, each.seconds]));
  const running: Underway[] = [];
  workers.forEach((worker, w) => {
    for (const { cls, running: count, sinceMs } of worker.holding.values()) {
      const expected =
        cls.requirement.runtimeSeconds ?? seconds.get(cls) ?? cls.category.meanWallUs / 1e6;
      const ran = Math.max(0, nowMs - sinceMs) / 1000;
      for (let i = 0; i < count; i++)
        running.push({ worker: w, expected, ran, need: kindsOf(cls.requirement) });
    }
  });
  return {
    ready: Int32Array.from(planned, ({ cls }) => cls.ready),
    seconds: Float64Array.from(planned, (each) => each.seconds),
    need: Float64Array.from(planned.flatMap(({ cls }) => kindsOf(cls.requirement))),
    leastCpus: planned.reduce((least, { cls }) => Math.min(least, cls.requirement.cpus), Infinity),
    workers: workers.length,
    slowness: Float64Array.from(workers, (worker) => quantizedSlowness(core, worker.id)),
    offered: Float64Array.from(workers.flatMap(({ capacity }) => kindsOf(capacity))),
    free: Float64Array.from(workers.flatMap(({ free }) => kindsOf(free))),
    allowed,
    running,
  };
}

interface Kinds {
  cpus: number;
  memoryBytes: number;
  gpus: number;
  diskBytes: number;
}

function kindsOf({ cpus, memoryBytes, gpus, diskBytes }: Kinds): number[] {
  return [cpus, memoryBytes, gpus, diskBytes];
}

/** Run times around those expected, lognormal; of what runs, that it has not ended yet is taken into account. */
export function drawScenario(stage: Stage, spread: number, seed: number): Scenario {
  const random = { random: seed } as Scheduling;
  const running = stage.running.map(({ worker, expected, ran, need }): Run => {
    const end =
      spread === 0
        ? Math.max(1, expected - ran)
        : Math.max(1, restOf(random, Math.max(LEAST_SECONDS, expected), ran, spread));
    return { end, worker, cpus: need[0]!, memory: need[1]!, gpus: need[2]!, disk: need[3]! };
  });
  return {
    running: running.sort((a, b) => b.end - a.end),
    seconds:
      spread === 0
        ? stage.seconds
        : stage.seconds.map((each) => each * Math.exp(spread * normal(random))),
  };
}

function normal(random: Scheduling): number {
  return (
    Math.sqrt(-2 * Math.log(1 - nextRandom(random))) * Math.cos(2 * Math.PI * nextRandom(random))
  );
}

/** How long something goes on that was to take `expected` and has not ended after `ran`. */
function restOf(random: Scheduling, expected: number, ran: number, spread: number): number {
  if (ran <= 0) return expected * Math.exp(spread * normal(random));
  const least = Math.log(ran / expected) / spread;
  return ran * Math.expm1(spread * excess(random, least));
}

/** How far a standard normal number that is above `least` is above it; far out by rejection from an exponential one (Robert 1995). */
function excess(random: Scheduling, least: number): number {
  if (least < 0.5)
    for (;;) {
      const value = normal(random);
      if (value >= least) return value - least;
    }
  const rate = (least + Math.sqrt(least * least + 4)) / 2;
  for (;;) {
    const value = -Math.log(1 - nextRandom(random)) / rate;
    if (nextRandom(random) <= Math.exp(-((least + value - rate) ** 2) / 2)) return value;
  }
}

/** When the last task ends, in seconds from now, if classes go in this order. Tasks that fit nowhere are left out. */
export function play(stage: Stage, scenario: Scenario, order: Int32Array): number {
  const { need, leastCpus, workers, slowness, allowed } = stage;
  const classes = stage.ready.length;
  const free = stage.free.slice();
  const left = stage.ready.slice();
  const waiting = order.slice();
  let waits = waiting.length;
  const running = [...scenario.running];
  const start = (i: number, worker: number, now: number): void => {
    const at = i * KINDS;
    const run = {
      end: now + scenario.seconds[i]! * slowness[worker]!,
      worker,
      cpus: need[at]!,
      memory: need[at + 1]!,
      gpus: need[at + 2]!,
      disk: need[at + 3]!,
    };
    const to = worker * KINDS;
    free[to]! -= run.cpus;
    free[to + 1]! -= run.memory;
    free[to + 2]! -= run.gpus;
    free[to + 3]! -= run.disk;
    insert(running, run);
    left[i]!--;
  };
  const hasRoom = (i: number, worker: number): boolean => {
    const at = i * KINDS;
    const to = worker * KINDS;
    return (
      need[at]! <= free[to]! + 1e-9 &&
      need[at + 1]! <= free[to + 1]! &&
      need[at + 2]! <= free[to + 2]! + 1e-9 &&
      need[at + 3]! <= free[to + 3]! &&
      (allowed === null || allowed[worker * classes + i] === 1)
    );
  };
  // At first any worker may have room.
  let kept = 0;
  for (let k = 0; k < waits; k++) {
    const i = waiting[k]!;
    while (left[i]! > 0) {
      let best = -1;
      let least = Infinity;
      for (let w = 0; w < workers; w++) {
        if (!hasRoom(i, w)) continue;
        const cost = costOf(stage, free, i, w);
        if (cost >= least) continue;
        least = cost;
        best = w;
      }
      if (best < 0) break;
      start(i, best, 0);
    }
    if (left[i]! > 0) waiting[kept++] = i;
  }
  waits = kept;
  while (waits > 0 && running.length > 0) {
    // Only there has room come free.
    const { end, worker, cpus, memory, gpus, disk } = running.pop()!;
    const to = worker * KINDS;
    free[to]! += cpus;
    free[to + 1]! += memory;
    free[to + 2]! += gpus;
    free[to + 3]! += disk;
    for (let k = 0; k < waits && free[to]! + 1e-9 >= leastCpus; k++) {
      const i = waiting[k]!;
      if (need[i * KINDS]! > free[to]! + 1e-9) continue;
      while (left[i]! > 0 && hasRoom(i, worker)) start(i, worker, end);
      if (left[i]! > 0) continue;
      waiting.copyWithin(k, k + 1, waits);
      waits--;
      k--;
    }
    if (waits === 0) break;
    if (running.length === 0) return end;
  }
  return running[0]?.end ?? 0;
}

/** As `placement.ts` chooses: the fastest, gpus left for those that need them, then what stays balanced. */
function costOf(stage: Stage, free: Float64Array, i: number, worker: number): number {
  const { need, offered, slowness } = stage;
  const at = i * KINDS;
  const to = worker * KINDS;
  const waste = need[at + 2] === 0 && free[to + 2]! > 0 ? 1 : 0;
  const cpus = (free[to]! - need[at]!) / offered[to]!;
  const memory = (free[to + 1]! - need[at + 1]!) / offered[to + 1]!;
  return slowness[worker]! * 100 + waste * 10 + Math.abs(cpus - memory);
}

/** Keeps the list in order, the first to end last. */
function insert(running: Run[], run: Run): void {
  let low = 0;
  let high = running.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (running[middle]!.end > run.end) low = middle + 1;
    else high = middle;
  }
  running.splice(low, 0, run);
}
