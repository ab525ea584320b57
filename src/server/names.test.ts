import { afterEach, beforeEach, expect, test } from "bun:test";
import { createNames, globMatcher, type Names } from "./names.ts";
import { type Bench, definition, openBench } from "./testing/bench.ts";

let bench: Bench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench.close());

function namesOf(count: number): Names {
  const id = bench.submit(count);
  return createNames(bench.ledger, id, definition(count));
}

test("numbers and names of arrays and explicit tasks", () => {
  const names = namesOf(1000);
  expect(names.all([1001, 0, 1, 1000])).toEqual(["sum", "build", "c_000", "c_999"]);
  for (const task of [0, 1, 500, 1000, 1001]) expect(names.find(names.of(task))).toBe(task);
  for (const name of ["c_1000", "c_00", "c_{i:03d}", "", "bui"])
    expect(names.find(name)).toBeNull();
});

test("an unknown name comes with the nearest there is", () => {
  const names = namesOf(50);
  expect(() => names.require("sumx")).toThrow('has no task "sumx"');
  const fixOf = (name: string): string => {
    try {
      names.require(name);
    } catch (error) {
      return (error as { fix: string }).fix;
    }
    throw new Error(`${name} is a task`);
  };
  expect(fixOf("sumx")).toBe("nearest: sum");
  expect(fixOf("c_0071")).toStartWith("nearest: c_0");
  expect(fixOf("something else")).toContain("begin with build");
});

test("a selection: names, an array's title, globs", async () => {
  const names = namesOf(12);
  expect(await names.select(["sum", "c_003", "sum"])).toEqual([4, 13]);
  expect(await names.select(["c_{i:03d}"])).toHaveLength(12);
  expect(await names.select(["c_01*", "build"])).toEqual([0, 11, 12]);
  const refused: unknown = await names.select(["sum", "c_2*"]).catch((error: unknown) => error);
  expect(String(refused)).toContain('has no task "c_2*"');
});

test("a scan of a large array lets other work in between", async () => {
  const names = namesOf(100_000);
  let others = 0;
  const timer = setInterval(() => others++, 0);
  const found: number[] = [];
  for await (const [tasks] of names.scan("*99999", 0, () => true)) found.push(...tasks);
  clearInterval(timer);
  expect(found).toEqual([100_000]);
  expect(others).toBeGreaterThan(0);
});

test("globs", () => {
  const fits = (glob: string, text: string): boolean => globMatcher(glob)(text);
  expect(fits("*", "")).toBe(true);
  expect(fits("a*b*c", "abc")).toBe(true);
  expect(fits("a*b*c", "a1b2b3c")).toBe(true);
  expect(fits("a*b*c", "ac")).toBe(false);
  expect(fits("ab*ba", "aba")).toBe(false);
  expect(fits("*b*b*", "ab")).toBe(false);
  expect(fits("a.c", "abc")).toBe(false);
  expect(fits("[a]*", "[a]?")).toBe(true);
});
