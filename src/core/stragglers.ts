/**
 * Attempts that take too long, judged by execution time alone (waiting and transfers are not in it).
 *
 * Work Queue aborts after multiplier × average. Where run times differ by nature, that ends healthy tasks: with
 * lognormal times of σ = 1.5 and multiplier 3 it ends 7 % of them, and of two kinds of tasks in one category it ends
 * all of the longer kind, for ever, as those never enter the average. Here the multiple is only a floor:
 *
 * - the limit is never below what times spread like those seen reach once in 2,000 attempts (`usualLimitUs`);
 * - an aborted task gets four times as long on its next attempt;
 * - what cannot be seen in few samples (a kind of task not met yet) is bounded by `AbortTrust`: a category has
 *   few aborts whose worth is unknown, and has more once its aborts turn out to have been right.
 */
import type { Durations } from "./durations.ts";
import { logSpread, meanUs, medianUs, quantileUs } from "./durations.ts";

export interface AbortOptions {
  /** completions of the category before anything is aborted; default 10, as in Work Queue */
  minSamples?: number;
  /** earlier aborts of this task; default 0 */
  aborts?: number;
  /** no attempt is aborted earlier; default 1 s: below that, starting it elsewhere costs as much as it saves */
  leastUs?: number;
}

/** An abort has to be much too early for three in a row to hit one task: 4³ = 64 times the usual limit. */
const GROWTH_PER_ABORT = 4;

/** Run time (µs) after which an attempt is aborted; null = not at all. `multiplier` ≥ 1. */
export function abortAfterUs(
  durations: Durations,
  multiplier: number,
  options: AbortOptions = {},
): number | null {
  const { minSamples = 10, aborts = 0, leastUs = 1_000_000 } = options;
  if (durations.count < Math.max(2, minSamples)) return null;
  const usual = Math.max(leastUs, multiplier * meanUs(durations), usualLimitUs(durations));
  return usual * GROWTH_PER_ABORT ** aborts;
}

/**
 * The longest run time (µs) still to be expected of a healthy attempt: the larger of
 * - median × e^(t·s): the quantile 0.9995 of a lognormal distribution with deviation s of the logarithms, where
 *   t is Student's with a term for the few samples s is known from (4.9 at 10 samples, 3.3 at many);
 * - quantile 0.999 × e^(s/2): below 1,000 samples that is the longest seen. It covers distributions of several humps.
 */
export function usualLimitUs(durations: Durations): number {
  const { count } = durations;
  const spread = logSpread(durations);
  const t = tailFactor(count - 1) * Math.sqrt(1 + 1 / count);
  return Math.max(
    medianUs(durations) * Math.exp(t * spread),
    quantileUs(durations, 0.999) * Math.exp(spread / 2),
  );
}

/** Quantile 0.9995 of Student's t by its expansion around the normal (Abramowitz and Stegun 26.7.5). */
function tailFactor(freedom: number): number {
  const z = 3.2905;
  return (
    z +
    (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)
  );
}

/** How far a category's aborts are trusted. Changed in place by the functions below. */
export interface AbortTrust {
  /** tasks that may be open at a time */
  credit: number;
  /** tasks that were aborted and have not ended since */
  open: Map<number, AbortedTask>;
}

export interface AbortedTask {
  aborts: number;
  /** the longest of its aborted attempts */
  ranUs: number;
}

const FIRST_CREDIT = 2;
const MOST_CREDIT = 1024;

export function createAbortTrust(): AbortTrust {
  return { credit: FIRST_CREDIT, open: new Map() };
}

/** Earlier aborts of the task, for `AbortOptions.aborts`. */
export function abortsOf(trust: AbortTrust, task: number): number {
  return trust.open.get(task)?.aborts ?? 0;
}

/** False while too many of the category's aborts have yet to show what they were worth. */
export function mayAbort(trust: AbortTrust, task: number): boolean {
  return trust.open.has(task) || trust.open.size < trust.credit;
}

export function noteAborted(trust: AbortTrust, task: number, ranUs: number): void {
  const before = trust.open.get(task);
  trust.open.set(task, {
    aborts: (before?.aborts ?? 0) + 1,
    ranUs: Math.max(ranUs, before?.ranUs ?? 0),
  });
}

/**
 * The task succeeded. Faster than the aborted attempt had run: that abort was right, and twice as many may be
 * open. Not faster: it would have ended by itself, and the category starts again with one at a time.
 */
export function noteSucceeded(trust: AbortTrust, task: number, wallUs: number): void {
  const aborted = trust.open.get(task);
  if (!aborted) return;
  trust.open.delete(task);
  trust.credit = wallUs < aborted.ranUs ? Math.min(MOST_CREDIT, trust.credit * 2) : 1;
}

/** The task ended in another way (failed, canceled, reset): nothing is learned. */
export function noteClosed(trust: AbortTrust, task: number): void {
  trust.open.delete(task);
}

export interface SpeculateOptions {
  /** completions of the category before duplicates start; default 5 */
  minSamples?: number;
  /** no duplicate starts earlier; default 0.1 s */
  leastUs?: number;
}

/**
 * Run time (µs) after which a duplicate of the attempt makes sense; null = not yet known. A duplicate takes a slot
 * that nothing else wants, so a wrong one costs little and the rule is simpler than that for aborts: multiplier ×
 * median, but not before three quarters of the category would have ended, or half of a bag would run twice.
 * (Not a higher quantile: a slow host that runs a tenth of the bag must not hide itself.)
 */
export function speculateAfterUs(
  durations: Durations,
  multiplier: number,
  options: SpeculateOptions = {},
): number | null {
  const { minSamples = 5, leastUs = 100_000 } = options;
  if (durations.count < Math.max(1, minSamples)) return null;
  return Math.max(leastUs, multiplier * medianUs(durations), quantileUs(durations, 0.75));
}

/**
 * True when duplicates take nothing away: `left`, the tasks that are ready, assigned or running (blocked ones cannot
 * use a slot), fit into the `slots` that the workers have, all at a time.
 */
export function nearTail(left: number, slots: number): boolean {
  return left > 0 && left <= slots;
}
