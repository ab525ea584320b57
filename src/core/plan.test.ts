import { expect, test } from "bun:test";
import { mayWait, type Plan, SHAPES, workOf } from "./plan.ts";

const PLAN: Plan = {
  shape: SHAPES[0]!,
  waiting: 10,
  foreseen: true,
  untilMs: 110_000,
  endMs: 100_000,
  spread: 0,
};

test("where run times are as expected, whatever waits may wait until the end that was foreseen", () => {
  expect(mayWait(PLAN, 90, 50_000)).toBe(true);
  expect(mayWait(PLAN, null, 109_999)).toBe(true);
  expect(mayWait(PLAN, 1, 110_000)).toBe(false);
  expect(mayWait({ ...PLAN, foreseen: false }, 1, 0)).toBe(false);
  expect(mayWait({ ...PLAN, untilMs: null }, 1, 0)).toBe(false);
});

test("where they are not, until it has to start so as not to be the last", () => {
  const plan = { ...PLAN, spread: Math.log(2) / 2 };
  expect(mayWait(plan, 20, 59_000)).toBe(true);
  expect(mayWait(plan, 20, 61_000)).toBe(false);
  expect(mayWait(plan, null, 0)).toBe(false);
  expect(mayWait({ ...plan, untilMs: 50_000 }, 20, 50_000)).toBe(false);
});

test("gpus first: most gpus before all others, then by work", () => {
  const shape = { exponent: 0, gpusFirst: true };
  expect(workOf(shape, 10, 1, 2)).toBeGreaterThan(workOf(shape, 1e6, 1, 1));
  expect(workOf(shape, 10, 1, 1)).toBeGreaterThan(workOf(shape, 1e6, 1, 0));
  expect(workOf(shape, 20, 1, 1)).toBeGreaterThan(workOf(shape, 10, 1, 1));
  expect(workOf({ ...shape, gpusFirst: false }, 10, 1, 2)).toBe(10);
});
