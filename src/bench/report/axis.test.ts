import { describe, expect, test } from "bun:test";
import { array, assert, boolean, double, property } from "fast-check";
import { bytesLabel, niceStep, plain, scaleOf, secondsLabel } from "./axis.ts";

const label = String;
const range = [100, 500] as const;

describe("linear", () => {
  test("begins at zero when asked, and ends at a round number", () => {
    const scale = scaleOf({ values: [3.1, 9.7], range, log: false, zero: true, label });
    expect(scale.ticks.map((tick) => tick.value)).toEqual([0, 2, 4, 6, 8, 10]);
    expect([scale.at(0), scale.at(5), scale.at(10)]).toEqual([100, 300, 500]);
  });

  test("steps are 1, 2 or 5 times a power of ten", () => {
    expect([niceStep(1, 6), niceStep(7, 6), niceStep(23, 6)]).toEqual([0.2, 2, 5]);
  });

  test("one value is an axis too", () => {
    const scale = scaleOf({ values: [4], range, log: false, label });
    expect(scale.at(4)).toBeGreaterThanOrEqual(100);
    expect(scale.ticks.length).toBeGreaterThan(1);
  });
});

describe("log", () => {
  test("decades are equally far apart, and each has a label", () => {
    const scale = scaleOf({ values: [1, 1000], range, log: true, label });
    expect(scale.at(10) - scale.at(1)).toBeCloseTo(scale.at(1000) - scale.at(100), 9);
    const named = scale.ticks.filter((tick) => tick.label !== "");
    expect(named.map((tick) => tick.value)).toEqual([1, 10, 100, 1000]);
  });

  test("what has no logarithm is ignored", () => {
    const scale = scaleOf({ values: [0, -3, Number.NaN, 20, 40], range, log: true, label });
    expect(scale.ticks[0]!.value).toBe(20);
  });
});

test("every value lies within the range, whatever the values", () => {
  const value = double({ min: 1e-9, max: 1e12, noNaN: true });
  assert(
    property(array(value, { minLength: 1 }), boolean(), (values, log) => {
      const scale = scaleOf({ values, range, log, zero: true, label });
      for (const each of values) {
        expect(scale.at(each)).toBeGreaterThanOrEqual(99.9);
        expect(scale.at(each)).toBeLessThanOrEqual(500.1);
      }
      expect(scale.ticks.filter((tick) => tick.label !== "").length).toBeWithin(1, 12);
    }),
  );
});

test("labels are short", () => {
  expect([0, 0.00025, 0.02, 1.5, 600].map(secondsLabel)).toEqual([
    "0",
    "250 µs",
    "20 ms",
    "1.5 s",
    "10 min",
  ]);
  expect([512, 1500, 250e6, 1e9].map(bytesLabel)).toEqual(["512 B", "1.5 kB", "250 MB", "1 GB"]);
  expect([0.03123, 31.2, 3120, 310_000, 3_100_000].map(plain)).toEqual([
    "0.0312",
    "31.2",
    "3,120",
    "310k",
    "3.1M",
  ]);
});
