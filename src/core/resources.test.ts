import { expect, test } from "bun:test";
import { fitCount, freeOf, take, tooLarge } from "./resources.ts";
import { CAPACITY } from "./testing/workflows.ts";
import { DEFAULT_REQUIREMENT } from "./workflow.ts";

test("custom resources are those that are offered, not what every object has", () => {
  const need = { ...DEFAULT_REQUIREMENT, custom: { constructor: 1, toString: 2 } };
  const free = freeOf(CAPACITY);
  expect(fitCount(free, need, 3)).toBe(0);
  expect(tooLarge(CAPACITY, need)).toEqual({ resource: "constructor", needed: 1, offered: 0 });
  take(free, need, 1);
  expect(free.custom).toEqual({ constructor: -1, toString: -2 });
  const capacity = { ...CAPACITY, custom: { constructor: 2, toString: 9 } };
  expect(fitCount(freeOf(capacity), need, 3)).toBe(2);
});
