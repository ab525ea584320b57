/** The loads of `bench placement`: workers of unequal speed, inputs of which a few are wanted by many tasks, workers that come and go. */
import { randomSource } from "./random.ts";

export interface PlacementTrace {
  name: string;
  /** all at once, or one after the other at about two thirds of what the workers can do */
  arrivals: "bag" | "open";
  speeds: boolean;
  inputs: boolean;
  churn: boolean;
}

const KINDS = [
  { name: "speeds", speeds: true, inputs: false, churn: false },
  { name: "inputs", speeds: false, inputs: true, churn: false },
  { name: "churn", speeds: true, inputs: false, churn: true },
  { name: "all", speeds: true, inputs: true, churn: true },
];

export const PLACEMENT_TRACES: readonly PlacementTrace[] = (["open", "bag"] as const).flatMap(
  (arrivals) => KINDS.map((kind) => ({ ...kind, name: `${kind.name}, ${arrivals}`, arrivals })),
);

export interface PlacementTask {
  arrivesMs: number;
  /** on a worker of speed 1 */
  ms: number;
  /** -1 = none */
  input: number;
}

export interface PlacementWorker {
  cpus: number;
  /** 1–4 */
  speed: number;
  joinsMs: number;
  /** Infinity = never */
  leavesMs: number;
}

export interface PlacementLoad {
  tasks: PlacementTask[];
  workers: PlacementWorker[];
  /** bytes of each input */
  inputs: number[];
}

const SLOTS = 16;
const CPUS = 4;
const MEAN_MS = 60_000;
const SIGMA = 0.5;
const UTILISATION = 0.65;
const INPUTS = 64;
const MEAN_STAY_MS = 1_200_000;
const REPLACED_AFTER_MS = 30_000;

export function placementLoad(trace: PlacementTrace, seed: number, tasks: number): PlacementLoad {
  const random = randomSource(seed);
  const exponential = (mean: number): number => -Math.log(1 - random.uniform()) * mean;
  const speeds = Array.from({ length: SLOTS }, () => (trace.speeds ? 4 ** random.uniform() : 1));
  const perMs = (speeds.reduce((sum, speed) => sum + speed, 0) * CPUS) / MEAN_MS;
  const inputs = Array.from({ length: INPUTS }, () => 1e9 * 4 ** random.uniform());
  // Zipf: the n-th most wanted input is wanted 1/n times as often as the first.
  const weights = inputs.map((_, i) => 1 / (i + 1));
  const total = weights.reduce((sum, each) => sum + each, 0);
  const anyInput = (): number => {
    let at = random.uniform() * total;
    return Math.max(
      0,
      weights.findIndex((weight) => (at -= weight) < 0),
    );
  };
  let now = 0;
  const list = Array.from({ length: tasks }, () => {
    now += exponential(1 / (perMs * UTILISATION));
    return {
      arrivesMs: trace.arrivals === "open" ? now : 0,
      ms: MEAN_MS * Math.exp(SIGMA * random.normal() - SIGMA ** 2 / 2),
      input: trace.inputs ? anyInput() : -1,
    };
  });
  // Long enough for the slowest way through.
  const horizonMs = 8 * (now + MEAN_MS * 20);
  const workers = speeds.flatMap((speed) => {
    if (!trace.churn) return [{ cpus: CPUS, speed, joinsMs: 0, leavesMs: Infinity }];
    const stays: PlacementWorker[] = [];
    for (let joinsMs = 0; joinsMs < horizonMs;) {
      const leavesMs = joinsMs + exponential(MEAN_STAY_MS);
      stays.push({ cpus: CPUS, speed, joinsMs, leavesMs });
      joinsMs = leavesMs + REPLACED_AFTER_MS;
    }
    return stays;
  });
  return { tasks: list, workers, inputs };
}
