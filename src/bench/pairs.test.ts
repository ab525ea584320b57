import { expect, test } from "bun:test";
import { measurePairs, median } from "./pairs.ts";

test("the median of an even number is the middle of two; the input stays as it is", () => {
  const values = [3, 1, 10];
  expect(median(values)).toBe(3);
  expect(values).toEqual([3, 1, 10]);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
  // not as text
  expect(median([10, 9, 100])).toBe(10);
});

test("pairs alternate, the order turns every round, and the ratio is that of the pairs", async () => {
  const order: string[] = [];
  const values = { a: [1, 30, 20], b: [2, 10, 100] };
  const take = (name: "a" | "b") => async (): Promise<number> => {
    order.push(name);
    return values[name][order.filter((each) => each === name).length - 1]!;
  };
  const result = await measurePairs(3, take("a"), take("b"));
  expect(order.join("")).toBe("abbaab");
  // of 0.5, 3 and 0.2; the ratio of the medians would be 2
  expect(result).toEqual({ ...values, ratio: 0.5 });
});

test("a measurement that fails is no measurement", async () => {
  const fail = (): Promise<number> => Promise.reject(new Error("no"));
  const error = await measurePairs(1, fail, async () => 1).catch((thrown: unknown) => thrown);
  expect(error).toEqual(new Error("no"));
});
