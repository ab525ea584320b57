import { expect, test } from "bun:test";
import { meanOf, medianOf, quantile, spreadOf } from "./statistics.ts";

test("quantiles are linear between neighbours", () => {
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
  expect(quantile([1, 2, 3, 4], 0.95)).toBeCloseTo(3.85, 12);
  expect(quantile([7], 0.25)).toBe(7);
});

test("a spread sorts, and leaves its input as it was", () => {
  const values = [5, 1, 4, 2, 3];
  expect(spreadOf(values)).toEqual({ count: 5, min: 1, q1: 2, median: 3, q3: 4, max: 5 });
  expect(values).toEqual([5, 1, 4, 2, 3]);
  expect(medianOf([3, 1])).toBe(2);
  expect(meanOf([1, 2, 6])).toBe(3);
});

test("nothing has no statistics", () => {
  expect(() => medianOf([])).toThrow(RangeError);
  expect(() => meanOf([])).toThrow(RangeError);
});
