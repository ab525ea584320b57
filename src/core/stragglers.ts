/**
 * Attempts that take too long, judged by execution time alone (waiting and transfers are not in it).
 *
 * Work Queue aborts after multiplier × average. Where run times differ by nature, that ends healthy tasks: with
 * lognormal times of σ = 1.5 and multiplier 3 it ends 7 % of them, and of two kinds of tasks in one category it ends
 * all of the longer kind, again and again, as those do not enter the average. Here the multiple is only a floor:
 *
 * - the limit is never below what times spread like those seen reach about once in 2,000 attempts (`usualLimitUs`);
 * - an aborted task gets four times as long on its next attempt;
 * - whether long attempts are the task's or the worker's doing cannot be seen in their times, but an abort tells: the
 *   task's next attempt is faster, or it is not. `AbortTrust` keeps that account. It bounds the wrong aborts whatever
 *   the distribution: at most 2, plus 1 in 2,000 completions, plus as many as were right.
 */
import type { Durations } from "./durations.ts";
import { logSpread, meanUs, medianUs, quantileUs } from "./durations.ts";

export interface AbortOptions {
  /** completions of the category before anything is aborted; default 10, as in Work Queue */
  minSamples?: number;
  /** earlier aborts of this task; default 0 */
  aborts?: number;
  /** share of the completions that counts as healthy beyond doubt; default 0.99, see `AbortTrust.tail` */
  tail?: number;
  /** no attempt is aborted earlier; default 1 s: below that, starting it elsewhere costs as much as it saves */
  leastUs?: number;
}

/** Of a task that is long by nature little is lost: all its aborted attempts together take a third of the last one. */
const GROWTH_PER_ABORT = 4;

/** Run time (µs) after which an attempt is aborted; null = not at all. `multiplier` ≥ 1. */
export function abortAfterUs(
  durations: Durations,
  multiplier: number,
  options: AbortOptions = {},
): number | null {
  const { minSamples = 10, aborts = 0, tail = 0.99, leastUs = 1_000_000 } = options;
  if (durations.count < Math.max(2, minSamples)) return null;
  const usual = Math.max(leastUs, multiplier * meanUs(durations), usualLimitUs(durations, tail));
  return usual * GROWTH_PER_ABORT ** aborts;
}

/**
 * The longest run time (µs) still to be expected of a healthy attempt, with s the deviation of the logarithms; the
 * larger of
 * - median × e^(t·s), the quantile 0.9995 of a lognormal distribution: t is Student's, with a term for the few
 *   samples that s is known from (5.0 at 10 samples, 3.3 at many);
 * - quantile `tail` × e^s, which covers distributions of several humps; as long as there are few samples, that
 *   quantile is the longest one seen.
 */
export function usualLimitUs(durations: Durations, tail: number): number {
  const { count } = durations;
  const spread = logSpread(durations);
  const t = tailFactor(count - 1) * Math.sqrt(1 + 1 / count);
  return Math.max(
    medianUs(durations) * Math.exp(t * spread),
    quantileUs(durations, tail) * Math.exp(spread),
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

/** What a category's aborts have turned out to be. Changed in place by the functions below. */
export interface AbortTrust {
  /** an abort costs one */
  tokens: number;
  /**
   * For `AbortOptions.tail`. Low at first, or slow workers that are not caught from the start soon make up a share of the
   * completions and pass for healthy; higher after an abort that was wrong, lower again after one that was right.
   */
  tail: number;
  /** tasks that were aborted and have not ended since */
  open: Map<number, AbortedTask>;
}

export interface AbortedTask {
  aborts: number;
  /** the longest of its aborted attempts */
  ranUs: number;
}

const FIRST_TOKENS = 2;
const MOST_TOKENS = 1024;
const TOKENS_PER_RIGHT = 2;
const TOKENS_PER_COMPLETION = 1 / 2000;
const TAILS = [0.95, 0.99, 0.999] as const;

export function createAbortTrust(): AbortTrust {
  return { tokens: FIRST_TOKENS, tail: TAILS[0], open: new Map() };
}

/** Earlier aborts of the task, for `AbortOptions.aborts`. */
export function abortsOf(trust: AbortTrust, task: number): number {
  return trust.open.get(task)?.aborts ?? 0;
}

/** False while too many aborts have been wrong, or have yet to show what they were. */
export function mayAbort(trust: AbortTrust): boolean {
  return trust.tokens >= 1;
}

export function noteAborted(trust: AbortTrust, task: number, ranUs: number): void {
  const before = trust.open.get(task);
  trust.tokens--;
  trust.open.set(task, {
    aborts: (before?.aborts ?? 0) + 1,
    ranUs: Math.max(ranUs, before?.ranUs ?? 0),
  });
}

/**
 * A task of the category succeeded (to be called for each). If it had been aborted and now was faster than the aborted
 * attempt had run, that abort was right; else it would have ended by itself.
 */
export function noteSucceeded(trust: AbortTrust, task: number, wallUs: number): void {
  if (trust.tokens < FIRST_TOKENS) trust.tokens += TOKENS_PER_COMPLETION;
  const aborted = trust.open.get(task);
  if (!aborted) return;
  trust.open.delete(task);
  const right = wallUs < aborted.ranUs;
  const step = TAILS.indexOf(trust.tail as (typeof TAILS)[number]) + (right ? -1 : 1);
  trust.tail = TAILS[Math.min(TAILS.length - 1, Math.max(0, step))]!;
  trust.tokens = right
    ? Math.min(MOST_TOKENS, trust.tokens + TOKENS_PER_RIGHT)
    : Math.min(FIRST_TOKENS - 1, trust.tokens);
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
