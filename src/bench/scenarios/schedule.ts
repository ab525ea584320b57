/** When which node goes: a Poisson process, drawn from a seed, so that every engine suffers the same. */
import type { LiveRun } from "../engines/run-engines.ts";
import { randomSource } from "../random.ts";

/**
 * Kills go on for twice the time that the tasks alone would take, the same for every engine: one whose workers take longer to come back
 * than from one kill to the next would otherwise never be done.
 */
export function lastBlowMs({ bag: { workload } }: LiveRun): number {
  return (2 * workload.tasks * (workload.sleep_ms ?? 0)) / workload.workers;
}

export interface Disturbance {
  warningS: number;
  /** mean seconds from one blow to the next */
  everyS: number;
  seed: number;
  /** no more blows than this; absent: as many as there is time for */
  most?: number;
}

export interface Blow {
  /** from the start of the bag */
  atMs: number;
  node: number;
}

/** `round` changes the schedule, the engine does not. Blows go on until `lastMs`. */
export function schedule(options: {
  seed: number;
  round: number;
  nodes: number;
  everyS: number;
  lastMs: number;
  most?: number;
}): Blow[] {
  const { seed, round, nodes, everyS, lastMs, most = Infinity } = options;
  const random = randomSource(seed * 1009 + round);
  const blows: Blow[] = [];
  for (let atMs = 0; ;) {
    atMs += -Math.log(1 - random.uniform()) * everyS * 1000;
    if (atMs > lastMs || blows.length >= most) return blows;
    blows.push({ atMs, node: random.integer(0, nodes - 1) });
  }
}
