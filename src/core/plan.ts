/**
 * The order of `auto` is tried out in thought. No rule that looks at one task at a time is best on every bag: what is good while much is
 * left wastes time at the end, which depends on the last few tasks. So when run times are expected and not too many tasks wait, the rest
 * of the bag is played through with several rules, and the one with the shortest end is followed until a tenth of the tasks is gone.
 * One play of a thousand tasks takes about a millisecond.
 */
import { nextRandom, type Scheduling } from "./scheduling.ts";
import { estimateSpread, quantizedSlowness } from "./speed.ts";
import { type Core, type WorkerState } from "./core.ts";
import { mayRun, takesWork } from "./placement.ts";
import type { ReadyClass } from "./ready.ts";

/** Work as a rule of order sees it: seconds × share ^ exponent; with `gpusFirst`, whatever needs gpus first. */
export interface Shape {
  exponent: number;
  gpusFirst: boolean;
}

/** The first is the default, where nothing can be tried out. */
export const SHAPES: readonly Shape[] = [
  { exponent: 0.5, gpusFirst: false },
  { exponent: 0, gpusFirst: false },
  { exponent: 1, gpusFirst: false },
  { exponent: 0.3, gpusFirst: false },
  { exponent: 0.7, gpusFirst: false },
  { exponent: 0.5, gpusFirst: true },
  { exponent: 0, gpusFirst: true },
];

export function workOf(shape: Shape, seconds: number, share: number, gpus: number): number {
  const work = seconds * (shape.exponent === 0 ? 1 : share ** shape.exponent);
  return shape.gpusFirst && gpus > 0 ? work + 1e12 : work;
}

/** Tasks that are played through at most. */
const MOST_TASKS = 1024;
/** Tasks × workers. */
const MOST_PAIRS = 65_536;
/** The plan is looked at again when so much of the tasks is gone, or so many more have come. */
const STEP = 0.1;
/** Where expected run times are off by more than this (of the logarithm), the mean of several scenarios counts. */
const EXACT = 0.05;
const SCENARIO_TASKS = 4096;
/** What was foreseen may take so much longer. */
const SLACK = 1.1;
/** A rest of less is not worth the thought. */
const LEAST_SECONDS = 10;

export interface Plan {
  shape: Shape;
  /** tasks that waited when it was made */
  waiting: number;
  /** run times are as expected so far, and everything will have ended by `untilMs` as the first plan foresaw: nobody starves till then */
  exact: boolean;
  /** null = nothing was played through so far */
  untilMs: number | null;
}

export interface Planned {
  cls: ReadyClass;
  seconds: number;
  /** largest share of the pool that one task takes */
  share: number;
}

/** The shape to follow for these classes, all of one workflow and priority; a plan made before is kept while it is good. */
export function choosePlan(
  core: Core,
  before: Plan | null,
  planned: readonly Planned[],
  nowMs: number,
): Plan {
  let waiting = 0;
  for (const { cls } of planned) waiting += cls.ready;
  const standing = before ?? {
    shape: SHAPES[0]!,
    waiting: Infinity,
    exact: false,
    untilMs: null,
  };
  if (waiting === 0 || waiting > MOST_TASKS)
    return { ...standing, waiting: Infinity, exact: false };
  const change = Math.abs(waiting - standing.waiting);
  if (change < STEP * standing.waiting && standing.waiting !== Infinity) return standing;
  const workers = [...core.workers.values()].filter(
    (worker) => takesWork(core, worker) && worker.capacity.maxParallel === null,
  );
  if (workers.length === 0 || waiting * workers.length > MOST_PAIRS) return standing;
  const spread = estimateSpread(core, planned[0]!.cls.workflow);
  const scenarios = Math.max(4, Math.min(16, Math.floor(SCENARIO_TASKS / waiting)));
  const stages =
    spread < EXACT
      ? [setStage(core, workers, planned, 0, 0, nowMs)]
      : Array.from({ length: scenarios }, (_, i) =>
          setStage(core, workers, planned, spread, i + 1, nowMs),
        );
  const meanEnd = (shape: Shape): number =>
    stages.reduce((sum, stage) => sum + play(stage, shape), 0) / stages.length;
  let best = standing.shape;
  let least = meanEnd(best);
  const plan = (): Plan => ({
    shape: best,
    waiting,
    exact: spread < EXACT,
    untilMs: standing.untilMs ?? nowMs + least * 1000 * SLACK,
  });
  if (least < LEAST_SECONDS) return plan();
  for (const shape of SHAPES) {
    const end = meanEnd(shape);
    if (end >= least * (1 - 1e-9)) continue;
    least = end;
    best = shape;
  }
  return plan();
}

interface Stage {
  planned: readonly Planned[];
  /** what they take in this scenario */
  actual: readonly number[];
  /** per class and worker: 1 = may run there */
  allowed: Uint8Array;
  slowness: Float64Array;
  /** per worker: cpus, memory, gpus, disk */
  offered: Float64Array;
  free: Float64Array;
  running: readonly Run[];
}

/** Something that runs in thought. */
interface Run {
  end: number;
  worker: number;
  /** its four needs */
  need: readonly number[];
}

const KINDS = 4;

function setStage(
  core: Core,
  workers: readonly WorkerState[],
  planned: readonly Planned[],
  spread: number,
  scenario: number,
  nowMs: number,
): Stage {
  const random = { random: scenario } as Scheduling;
  const error = (): number =>
    spread === 0
      ? 1
      : Math.exp(
          spread *
            Math.sqrt(-2 * Math.log(1 - nextRandom(random))) *
            Math.cos(2 * Math.PI * nextRandom(random)),
        );
  const allowed = new Uint8Array(planned.length * workers.length);
  planned.forEach(({ cls }, i) =>
    workers.forEach((worker, w) => {
      if (mayRun(worker, cls, nowMs)) allowed[i * workers.length + w] = 1;
    }),
  );
  const running: Run[] = [];
  const seconds = new Map(planned.map((each) => [each.cls, each.seconds]));
  workers.forEach((worker, w) => {
    for (const { cls, running: count, sinceMs } of worker.holding.values()) {
      const expected =
        cls.requirement.runtimeSeconds ?? seconds.get(cls) ?? cls.category.meanWallUs / 1e6;
      const ran = (nowMs - sinceMs) / 1000;
      for (let i = 0; i < count; i++) {
        // What should have ended goes on for a while.
        const end = Math.max(1, spread * 0.5 * ran, expected * error() - ran);
        running.push({ end, worker: w, need: needOf(cls) });
      }
    }
  });
  running.sort((a, b) => b.end - a.end);
  return {
    planned,
    actual: planned.map((each) => each.seconds * error()),
    allowed,
    slowness: Float64Array.from(workers, (worker) => quantizedSlowness(core, worker.id)),
    offered: Float64Array.from(
      workers.flatMap(({ capacity: { cpus, memoryBytes, gpus, diskBytes } }) => [
        cpus,
        memoryBytes,
        gpus,
        diskBytes,
      ]),
    ),
    free: Float64Array.from(
      workers.flatMap(({ free: { cpus, memoryBytes, gpus, diskBytes } }) => [
        cpus,
        memoryBytes,
        gpus,
        diskBytes,
      ]),
    ),
    running,
  };
}

function needOf({ requirement: { cpus, memoryBytes, gpus, diskBytes } }: ReadyClass): number[] {
  return [cpus, memoryBytes, gpus, diskBytes];
}

/** When the last task ends under this shape, in seconds from now. Tasks that fit nowhere are left out. */
function play(stage: Stage, shape: Shape): number {
  const { planned, actual, allowed, slowness, offered } = stage;
  const free = stage.free.slice();
  const workers = slowness.length;
  const running = [...stage.running];
  const waiting = planned
    .map(({ cls, seconds, share }, i) => ({
      i,
      seconds: actual[i]!,
      need: needOf(cls),
      left: cls.ready,
      work: workOf(shape, seconds, share, cls.requirement.gpus),
    }))
    .sort((a, b) => b.work - a.work || a.i - b.i);
  let now = 0;
  let from = 0;
  let to = workers;
  for (;;) {
    let kept = 0;
    for (const each of waiting) {
      const { need } = each;
      while (each.left > 0) {
        let best = -1;
        let least = Infinity;
        for (let w = from; w < to; w++) {
          if (!hasRoom(free, w, need) || allowed[each.i * workers + w] === 0) continue;
          const cost = to - from === 1 ? 0 : thoughtCost(free, offered, slowness[w]!, w, need);
          if (cost >= least) continue;
          least = cost;
          best = w;
        }
        if (best < 0) break;
        for (let kind = 0; kind < KINDS; kind++) free[best * KINDS + kind]! -= need[kind]!;
        insert(running, { end: now + each.seconds * slowness[best]!, worker: best, need });
        each.left--;
      }
      if (each.left > 0) waiting[kept++] = each;
    }
    waiting.length = kept;
    if (kept === 0 || running.length === 0) return running[0]?.end ?? now;
    // Only there has room come free.
    const { end, worker, need } = running.pop()!;
    now = end;
    for (let kind = 0; kind < KINDS; kind++) free[worker * KINDS + kind]! += need[kind]!;
    from = worker;
    to = worker + 1;
  }
}

function hasRoom(free: Float64Array, worker: number, need: readonly number[]): boolean {
  const at = worker * KINDS;
  return (
    need[0]! <= free[at]! + 1e-9 &&
    need[1]! <= free[at + 1]! &&
    need[2]! <= free[at + 2]! + 1e-9 &&
    need[3]! <= free[at + 3]!
  );
}

/** As `placement.ts` chooses: the fastest, gpus left for those that need them, then what stays balanced. */
function thoughtCost(
  free: Float64Array,
  offered: Float64Array,
  slowness: number,
  worker: number,
  need: readonly number[],
): number {
  const at = worker * KINDS;
  const waste = need[2] === 0 && free[at + 2]! > 0 ? 1 : 0;
  const cpus = (free[at]! - need[0]!) / offered[at]!;
  const memory = (free[at + 1]! - need[1]!) / offered[at + 1]!;
  return slowness * 100 + waste * 10 + Math.abs(cpus - memory);
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
