/** Order statistics that summaries and reports share. All of them want at least one value, and throw RangeError without. */

export interface Spread {
  count: number;
  min: number;
  /** quartiles, linear between the two nearest values */
  q1: number;
  median: number;
  q3: number;
  max: number;
}

/** The `fraction` quantile of ascending values: linear between the two nearest, as in numpy's default. */
export function quantile(sorted: readonly number[], fraction: number): number {
  if (sorted.length === 0) throw new RangeError("no values");
  const at = Math.min(Math.max(fraction, 0), 1) * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (high - low) * (at - Math.floor(at));
}

export function ascending(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = ascending(values);
  return {
    count: sorted.length,
    min: quantile(sorted, 0),
    q1: quantile(sorted, 0.25),
    median: quantile(sorted, 0.5),
    q3: quantile(sorted, 0.75),
    max: quantile(sorted, 1),
  };
}

export function medianOf(values: readonly number[]): number {
  return quantile(ascending(values), 0.5);
}

export function meanOf(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("no values");
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}
