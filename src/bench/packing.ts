/**
 * `bench packing`: how long a bag of unequal tasks takes on a fixed pool, in a simulator with the real core, against the bound that no
 * schedule can beat and against the rules of others in the same simulator.
 */
import { packingBound, packingLoad, POOL } from "./packing-load.ts";
import { makespan, PACKING_RULES, type PackingRule } from "./packing-simulator.ts";

/** Makespan ÷ bound over the seeds. */
export interface Ratio {
  mean: number;
  max: number;
}

export interface PackingSet {
  /** of the logarithm of the estimates */
  sigma: number;
  rules: Record<PackingRule, Ratio>;
  /** ours against the best of fcfs, torc and workqueue, seed by seed: the largest makespan ratio */
  worst_against_best: number;
  worst_seed: number;
}

/** The same tasks with the errors of their estimates drawn several times: what is skill and what is luck. */
export interface PackingDraws {
  draws: number;
  /** per rule, makespan ÷ bound; `deviation`: standard deviation between draws of one seed, mean over the seeds */
  rules: Record<PackingRule, Ratio & { deviation: number }>;
  /** as that of a set, each rule with the mean of its draws of a seed */
  worst_against_best: number;
  worst_seed: number;
  /** as that of a set, each draw by itself */
  worst_draw: number;
  /** part of all draws in which ours takes more than 2 % longer than the best other rule */
  over: number;
}

export interface PackingResult {
  tasks: number;
  seeds: number;
  first_seed: number;
  hosts: number;
  exact: PackingSet;
  estimated: PackingSet;
  /** with more than one draw */
  drawn?: PackingDraws;
}

export const ESTIMATE_SIGMA = 0.5;
/** What is called as good as the best. */
const LIMIT = 1.02;

export interface PackingOptions {
  tasks: number;
  /** how many */
  seeds: number;
  firstSeed?: number;
  /** of the errors of estimates, per seed */
  draws?: number;
  note?: (text: string) => void;
}

/** Makespan ÷ bound of every rule. */
type Spans = Record<PackingRule, number>;

export function packingBench(options: PackingOptions): PackingResult {
  const { tasks, seeds, firstSeed = 1, draws = 1 } = options;
  const exact = play(options, 0, 1).map((each) => each[0]!);
  const estimated = play(options, ESTIMATE_SIGMA, draws);
  const first = estimated.map((each) => each[0]!);
  return {
    tasks,
    seeds,
    first_seed: firstSeed,
    hosts: POOL.length,
    exact: { sigma: 0, ...summary(exact, firstSeed) },
    estimated: { sigma: ESTIMATE_SIGMA, ...summary(first, firstSeed) },
    ...(draws > 1 && { drawn: drawn(estimated, firstSeed) }),
  };
}

/** Per seed, per draw. */
function play(
  { tasks, seeds, firstSeed = 1, note }: PackingOptions,
  sigma: number,
  draws: number,
): Spans[][] {
  return Array.from({ length: seeds }, (_, i) => {
    const spans = Array.from({ length: draws }, (__, draw) => {
      const load = packingLoad(firstSeed + i, sigma, tasks, draw);
      const bound = packingBound(load);
      return byRule((rule) => makespan(load, rule) / bound);
    });
    if ((i + 1) % 25 === 0) note?.(`sigma ${sigma}: ${i + 1} of ${seeds} seeds`);
    return spans;
  });
}

function byRule<T>(of: (rule: PackingRule) => T): Record<PackingRule, T> {
  return Object.fromEntries(PACKING_RULES.map((rule) => [rule, of(rule)])) as Record<
    PackingRule,
    T
  >;
}

function summary(sets: readonly Spans[], firstSeed: number): Omit<PackingSet, "sigma"> {
  const against = sets.map(againstBest);
  const worst = Math.max(...against);
  return {
    rules: byRule((rule) => {
      const ratios = sets.map((set) => set[rule]);
      return { mean: mean(ratios), max: Math.max(...ratios) };
    }),
    worst_against_best: worst,
    worst_seed: firstSeed + against.indexOf(worst),
  };
}

function drawn(sets: readonly Spans[][], firstSeed: number): PackingDraws {
  const means = sets.map((draws) => byRule((rule) => mean(draws.map((draw) => draw[rule]))));
  const single = sets.flat().map(againstBest);
  const { rules, ...worst } = summary(means, firstSeed);
  return {
    draws: sets[0]?.length ?? 0,
    rules: byRule((rule) => ({
      ...rules[rule],
      deviation: mean(sets.map((draws) => deviation(draws.map((draw) => draw[rule])))),
    })),
    ...worst,
    worst_draw: Math.max(...single),
    over: single.filter((ratio) => ratio > LIMIT).length / single.length,
  };
}

function againstBest({ auto, fcfs, torc, workqueue }: Spans): number {
  return auto / Math.min(fcfs, torc, workqueue);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(
    values.reduce((sum, each) => sum + (each - middle) ** 2, 0) / (values.length - 1),
  );
}
