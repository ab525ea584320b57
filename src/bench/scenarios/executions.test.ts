import { expect, test } from "bun:test";
import { accountOf, type Execution, keyOf, parseMarks } from "./executions.ts";

const NOBODY: ReadonlyMap<string, number> = new Map();

function execution(task: string, pid: number, startMs: number, endMs: number | null): Execution {
  return { task, pid, startMs, endMs };
}

test("marks are paired by process, a process id that comes again by its newest", () => {
  const text = "s 7 1000.0\ns 9 1100.5\ne 7 2000.0\ns 7 3000.0\ne 7 4000.0\ns 8 5";
  expect(parseMarks("t1", text)).toEqual([
    execution("t1", 7, 1000, 2000),
    execution("t1", 9, 1100.5, null),
    execution("t1", 7, 3000, 4000),
  ]);
});

test("an undisturbed bag has nothing executed again", () => {
  const all = [execution("a", 1, 0, 1000), execution("b", 2, 0, 1002)];
  expect(accountOf(all, 2, NOBODY, [], 2000, 1000)).toEqual({
    lost: 0,
    reexecutedS: 0,
    reexecutions: 0,
  });
});

test("what was cut off counts until it was seen to be gone, else until the next kill", () => {
  const cut = execution("a", 1, 0, null);
  const all = [cut, execution("a", 3, 900, 1900), execution("b", 2, 500, null)];
  const deaths = new Map([[keyOf(cut), 400]]);
  // a: 0.4 s in vain; b: cut off by the kill at 800, and never again
  expect(accountOf(all, 2, deaths, [300, 800], 5000, 1000)).toEqual({
    lost: 1,
    reexecutedS: 0.7,
    reexecutions: 1,
  });
});

test("a second whole execution is work done again too", () => {
  const all = [execution("a", 1, 0, 1000), execution("a", 2, 500, 1500)];
  const { reexecutedS, reexecutions } = accountOf(all, 1, NOBODY, [], 2000, 1000);
  expect({ reexecutedS, reexecutions }).toEqual({ reexecutedS: 1, reexecutions: 1 });
});

test("a task that never began is lost", () => {
  expect(accountOf([], 3, NOBODY, [], 0, 1000).lost).toBe(3);
});

test("what nobody saw die has not run longer than a task does", () => {
  const all = [execution("a", 1, 0, null), execution("a", 2, 8000, 9000)];
  expect(accountOf(all, 1, NOBODY, [6000], 9000, 1000).reexecutedS).toBe(1);
});
