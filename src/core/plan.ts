/**
 * The order of `auto` is tried out in thought. No rule that looks at one task at a time is best on every bag: what is good while much is
 * left wastes time at the end, which depends on the last few tasks. So when run times are expected and not too many tasks wait, the rest
 * of the bag is played through with several rules (play.ts), and the one with the shortest end is followed until a tenth of the tasks is
 * gone. Where expected run times are off, one play proves nothing: the rules run a race over scenarios that are the same for all of them,
 * and only one that is better beyond chance replaces the rule that was followed so far.
 */
import type { Core } from "./core.ts";
import { takesWork } from "./placement.ts";
import { drawScenario, type Planned, play, setStage, type Stage } from "./play.ts";
import { estimateSpread } from "./speed.ts";

/** Work as a rule of order sees it: seconds × share ^ exponent; with `gpusFirst`, whatever needs most gpus first. */
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
  return shape.gpusFirst && gpus > 0 ? work + 1e12 * gpus : work;
}

/** Tasks that are played through at most. */
const MOST_TASKS = 1024;
/** Tasks × workers. */
const MOST_PAIRS = 65_536;
/** The plan is looked at again when so much of the tasks is gone, or so many more have come. */
const STEP = 0.1;
/** Where expected run times are off by more than this (of the logarithm), scenarios are drawn. */
const EXACT = 0.05;
/** What all plays of a race may cost: tasks × plays. */
const RACE_TASKS = 32_768;
const MOST_PLAYS = 128;
/** Scenarios between two looks at who has fallen behind. */
const LAP = 4;
/** So many standard deviations, or errors of a mean, are beyond chance. */
const SIGNIFICANT = 2;
/** What was foreseen may take so much longer. */
const SLACK = 1.1;
/** A rest of less is not worth the thought. */
const LEAST_SECONDS = 10;

export interface Plan {
  shape: Shape;
  /** tasks that waited when it was made */
  waiting: number;
  /** it tells when everything will have ended */
  foreseen: boolean;
  /** as the first plan foresaw, with some slack: nobody starves longer; null = nothing was played through so far */
  untilMs: number | null;
  /** as this plan foresees */
  endMs: number;
  /** standard deviation of the logarithm of measured ÷ expected run times; 0 = as expected */
  spread: number;
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
    foreseen: false,
    untilMs: null,
    endMs: 0,
    spread: 0,
  };
  if (waiting === 0 || waiting > MOST_TASKS)
    return { ...standing, waiting: Infinity, foreseen: false };
  const change = Math.abs(waiting - standing.waiting);
  if (change < STEP * standing.waiting && standing.waiting !== Infinity) return standing;
  const workers = [...core.workers.values()].filter(
    (worker) => takesWork(core, worker) && worker.capacity.maxParallel === null,
  );
  if (workers.length === 0 || waiting * workers.length > MOST_PAIRS) return standing;
  const spread = estimateSpread(core, planned[0]!.cls.workflow);
  const stage = setStage(core, workers, planned, nowMs);
  const shapes = [standing.shape, ...SHAPES.filter((shape) => shape !== standing.shape)];
  const orders = shapes.map((shape) => orderOf(planned, shape));
  const expected = drawScenario(stage, 0, 0);
  let end = play(stage, expected, orders[0]!);
  let best = 0;
  if (end >= LEAST_SECONDS && spread < EXACT)
    for (let i = 1; i < orders.length; i++) {
      const other = play(stage, expected, orders[i]!);
      if (other >= end * (1 - 1e-9)) continue;
      end = other;
      best = i;
    }
  else if (end >= LEAST_SECONDS) best = race(stage, orders, spread, waiting);
  return {
    shape: shapes[best]!,
    waiting,
    foreseen: true,
    untilMs: standing.untilMs ?? nowMs + end * 1000 * SLACK,
    endMs: nowMs + end * 1000,
    spread: spread < EXACT ? 0 : spread,
  };
}

/**
 * Something that takes `seconds` may wait on: the plan has it start in time. Where run times are as expected that is so until the end that
 * was foreseen; else only until it has to start so as not to be the last to end, should it take as much longer than expected as is
 * just not beyond chance.
 */
export function mayWait(plan: Plan, seconds: number | null, nowMs: number): boolean {
  if (!plan.foreseen || nowMs >= (plan.untilMs ?? 0)) return false;
  if (plan.spread === 0) return true;
  return (
    seconds !== null && nowMs + seconds * 1000 * Math.exp(SIGNIFICANT * plan.spread) < plan.endMs
  );
}

/** Classes by this shape's idea of work, most first. */
function orderOf(planned: readonly Planned[], shape: Shape): Int32Array {
  const work = planned.map(({ cls, seconds, share }) =>
    workOf(shape, seconds, share, cls.requirement.gpus),
  );
  return Int32Array.from(planned.keys()).sort((a, b) => work[b]! - work[a]! || a - b);
}

/**
 * The order with the shortest mean end; the first one unless another is better beyond chance. Who has fallen behind the leader beyond
 * chance drops out, so that the plays that are left go to those that are close.
 */
function race(
  stage: Stage,
  orders: readonly Int32Array[],
  spread: number,
  waiting: number,
): number {
  const ends = orders.map((): number[] => []);
  let runners = [...orders.keys()];
  let leader = 0;
  let plays = Math.min(MOST_PLAYS, Math.floor(RACE_TASKS / waiting));
  for (let number = 1; runners.length > 1 && plays >= runners.length; number++) {
    const scenario = drawScenario(stage, spread, number);
    for (const i of runners) ends[i]!.push(play(stage, scenario, orders[i]!));
    plays -= runners.length;
    if (number % LAP !== 0) continue;
    leader = runners.reduce((a, b) => (lag(ends[a]!, ends[b]!) > 0 ? b : a));
    runners = runners.filter((i) => lag(ends[i]!, ends[leader]!) < SIGNIFICANT);
  }
  return leader === 0 || runners.includes(0) ? 0 : leader;
}

/** How much longer `a` takes than `b` in the same scenarios, in standard errors of the mean difference. */
function lag(a: readonly number[], b: readonly number[]): number {
  const mean = a.reduce((sum, end, i) => sum + end - b[i]!, 0) / a.length;
  if (mean === 0) return 0;
  const squares = a.reduce((sum, end, i) => sum + (end - b[i]! - mean) ** 2, 0);
  return mean / Math.sqrt(squares / (a.length - 1) / a.length);
}
