import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  addDuration,
  createDurations,
  logSpread,
  meanUs,
  medianUs,
  mergeDurations,
  quantileUs,
  spreadUs,
} from "./durations.ts";
import { normalNumbers } from "./testing/random.ts";

const RUNS = { numRuns: 500 };

/** From microseconds to 12 days, as often short as long. */
const anyUs = fc
  .tuple(fc.nat(39), fc.nat(2 ** 20 - 1))
  .map(([power, rest]) => Math.floor(2 ** power * (1 + rest / 2 ** 20)));
const anyShare = fc.nat(1000).map((share) => share / 1000);

function durationsOf(values: readonly number[]) {
  const durations = createDurations();
  values.forEach((value) => addDuration(durations, value));
  return durations;
}

test("quantiles are within 1.6 % (8 µs) of those of the sorted values, mean and ends exact", () => {
  fc.assert(
    fc.property(fc.array(anyUs, { minLength: 1, maxLength: 200 }), anyShare, (values, share) => {
      const durations = durationsOf(values);
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(share * values.length)) - 1]!;
      const error = Math.abs(quantileUs(durations, share) - exact);
      expect(error).toBeLessThanOrEqual(Math.max(8, exact / 64));
      expect(quantileUs(durations, 0)).toBe(sorted[0]!);
      expect(quantileUs(durations, 1)).toBe(sorted.at(-1)!);
      const sum = values.reduce((a, b) => a + b, 0);
      expect(meanUs(durations)).toBeCloseTo(sum / values.length, 3);
      expect(durations.buckets.byteLength).toBeLessThanOrEqual(4096);
      expect(durations.buckets.reduce((a, b) => a + b, 0)).toBe(values.length);
    }),
    RUNS,
  );
});

test("merging is adding one by one, in whatever order", () => {
  fc.assert(
    fc.property(fc.array(anyUs), fc.array(anyUs), (left, right) => {
      const merged = durationsOf(left);
      mergeDurations(merged, durationsOf(right));
      const other = durationsOf(right);
      mergeDurations(other, durationsOf(left));
      const all = durationsOf([...left, ...right]);
      expect(merged).toEqual(all);
      expect(other).toEqual(all);
    }),
    RUNS,
  );
});

test("values beyond the last bucket keep their maximum and mean", () => {
  const year = 365 * 86_400e6;
  const durations = durationsOf([1, year, year]);
  expect(quantileUs(durations, 1)).toBe(year);
  expect(meanUs(durations)).toBeCloseTo((1 + 2 * year) / 3, 0);
  expect(durations.buckets.byteLength).toBe(4096);
});

test("a category of similar tasks stays small", () => {
  const durations = createDurations();
  addDuration(durations, 3_600e6, 1000);
  addDuration(durations, 1_800e6, 1000);
  expect(durations.buckets.byteLength).toBe(256);
  expect(durations.count).toBe(2000);
});

test("an empty histogram answers 0", () => {
  const durations = createDurations();
  expect([meanUs, medianUs, spreadUs, logSpread].map((of) => of(durations))).toEqual([0, 0, 0, 0]);
});

test("spread and logarithmic spread are the deviations of normal and lognormal values", () => {
  const normal = normalNumbers(1);
  const plain = createDurations();
  const logarithmic = createDurations();
  for (let i = 0; i < 20_000; i++) {
    addDuration(plain, 10e6 + 1e6 * normal());
    addDuration(logarithmic, 1e6 * Math.exp(0.7 * normal()));
  }
  expect(spreadUs(plain)).toBeWithin(0.85e6, 1.15e6);
  expect(logSpread(logarithmic)).toBeWithin(0.68, 0.72);
  expect(medianUs(logarithmic)).toBeWithin(0.97e6, 1.03e6);
});
