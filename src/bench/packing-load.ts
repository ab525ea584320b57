/**
 * The load of `bench packing`: tasks of 1–16 cpus, memory with a heavy tail (Pareto, exponent 1.1), one in ten with gpus, run times
 * lognormal; a fixed pool of unequal hosts. Memory is some two thirds as scarce as cpus, gpus about as scarce, so that no dimension can be
 * left out of account.
 */
import { randomSource } from "./random.ts";

export interface PackingTask {
  cpus: number;
  memoryBytes: number;
  gpus: number;
  /** what it takes */
  seconds: number;
  /** what the scheduler is told */
  estimate: number;
}

export interface PackingHost {
  cpus: number;
  memoryBytes: number;
  gpus: number;
}

const GIB = 2 ** 30;

export const POOL: readonly PackingHost[] = [
  [64, 256, 0],
  [64, 256, 0],
  [32, 128, 0],
  [32, 128, 0],
  [32, 64, 0],
  [16, 64, 0],
  [16, 32, 0],
  [16, 32, 0],
  [32, 128, 4],
  [16, 64, 2],
].map(([cpus, gib, gpus]) => ({ cpus: cpus!, memoryBytes: gib! * GIB, gpus: gpus! }));

const MEDIAN_SECONDS = 120;
const RUNTIME_SIGMA = 0.9;
const LONGEST_SECONDS = 3600;
const LEAST_GIB = 4;
const TAIL = 1.1;
/** What the largest hosts of each kind have room for. */
const MOST_GIB = { cpu: 200, gpu: 64 };

/**
 * `sigma`: of the error of the estimates, as a standard deviation of their logarithm. `draw`: the same tasks, their errors drawn another
 * time.
 */
export function packingLoad(seed: number, sigma: number, tasks = 1000, draw = 0): PackingTask[] {
  const random = randomSource(seed);
  const redrawn = draw === 0 ? null : randomSource(Math.imul(seed, 0x9e3779b1) + draw);
  return Array.from({ length: tasks }, () => {
    const gpus = random.uniform() < 0.1 ? (random.uniform() < 0.7 ? 1 : 2) : 0;
    const cpus = random.integer(1, gpus > 0 ? 8 : 16);
    const most = gpus > 0 ? MOST_GIB.gpu : MOST_GIB.cpu;
    const gib = Math.min(most, LEAST_GIB * (1 - random.uniform()) ** (-1 / TAIL));
    const seconds = Math.min(
      LONGEST_SECONDS,
      MEDIAN_SECONDS * Math.exp(RUNTIME_SIGMA * random.normal()),
    );
    // Drawn also when it is not used, so that the tasks are the same whatever the error.
    const first = random.normal();
    const error = redrawn ? redrawn.normal() : first;
    return {
      cpus,
      memoryBytes: Math.round(gib * GIB),
      gpus,
      seconds,
      estimate: seconds * Math.exp(sigma * error),
    };
  });
}

/** No schedule is shorter: the work in each dimension over what the pool has of it, for gpu tasks over the hosts with gpus; and the longest task. */
export function packingBound(
  tasks: readonly PackingTask[],
  pool: readonly PackingHost[] = POOL,
): number {
  const areas = (list: readonly PackingTask[], hosts: readonly PackingHost[]): number[] =>
    (["cpus", "memoryBytes", "gpus"] as const).map((kind) => {
      const work = list.reduce((sum, task) => sum + task[kind] * task.seconds, 0);
      const room = hosts.reduce((sum, host) => sum + host[kind], 0);
      return work === 0 ? 0 : work / room;
    });
  return Math.max(
    ...areas(tasks, pool),
    ...areas(
      tasks.filter(({ gpus }) => gpus > 0),
      pool.filter(({ gpus }) => gpus > 0),
    ),
    ...tasks.map(({ seconds }) => seconds),
  );
}
