import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { CategoryUse, ResourceUse } from "./first-allocation.ts";
import {
  createCategoryUse,
  firstAllocation,
  LEARN_EVERY,
  nextAllocation,
  recordUse,
  roundUp,
  withAllocation,
} from "./first-allocation.ts";
import { normalNumbers, randomNumbers } from "./testing/random.ts";
import { DEFAULT_REQUIREMENT } from "./workflow.ts";

const RUNS = { numRuns: 300 };
const GIB = 2 ** 30;
const FREE = { declared: 0, largest: null };

interface Task {
  memoryBytes: number;
  wallUs: number;
}

function useOf(tasks: readonly Task[]): CategoryUse {
  const use = createCategoryUse();
  for (const { memoryBytes, wallUs } of tasks)
    recordUse(use, { wallUs, used: { cpus: null, memoryBytes, diskBytes: null } });
  return use;
}

function memoryOf(tasks: readonly Task[]): ResourceUse {
  return useOf(tasks).resources.memoryBytes;
}

/** Memory × time that all tasks hold together when each starts with `first` and repeats with `most`. */
function held(tasks: readonly Task[], first: number, most: number): number {
  return tasks.reduce(
    (sum, task) =>
      sum + task.wallUs * (first + (roundUp("memoryBytes", task.memoryBytes) > first ? most : 0)),
    0,
  );
}

/** Tasks a unit of memory ends in a unit of time, over the tasks one by one. */
function throughput(tasks: readonly Task[], first: number, most: number): number {
  let done = 0;
  let time = 0;
  for (const task of tasks) {
    const fits = roundUp("memoryBytes", task.memoryBytes) <= first;
    done += fits ? most / first : 1;
    time += fits ? task.wallUs : 2 * task.wallUs;
  }
  return done / time;
}

const anyTasks = fc.array(
  fc.record({
    memoryBytes: fc.double({ min: 18, max: 38, noNaN: true }).map((x) => Math.floor(2 ** x)),
    wallUs: fc.integer({ min: 1, max: 1_000_000_000 }),
  }),
  { minLength: LEARN_EVERY, maxLength: 80 },
);

test("no first allocation, tried one by one over the tasks, wastes less or has a higher throughput", () => {
  fc.assert(
    fc.property(anyTasks, (tasks) => {
      const use = memoryOf(tasks);
      const most = use.most;
      const waste = firstAllocation("min_waste", use, FREE);
      const fast = firstAllocation("max_throughput", use, FREE);
      for (const { memoryBytes } of tasks) {
        const amount = roundUp("memoryBytes", memoryBytes);
        expect(held(tasks, waste, most)).toBeLessThanOrEqual(
          held(tasks, amount, most) * (1 + 1e-9),
        );
        expect(throughput(tasks, fast, most)).toBeGreaterThanOrEqual(
          throughput(tasks, amount, most) * (1 - 1e-9),
        );
      }
      expect(firstAllocation("max", use, FREE)).toBe(most);
    }),
    RUNS,
  );
});

test("min_waste holds less than giving the maximum to all, where few tasks need it", () => {
  const random = randomNumbers(3);
  const normal = normalNumbers(4);
  const tasks = Array.from({ length: 2000 }, () => ({
    memoryBytes: (random() < 0.05 ? 60 : 2) * GIB * Math.exp(0.1 * normal()),
    wallUs: 1e6 * Math.exp(0.3 * normal()),
  }));
  const use = memoryOf(tasks);
  const most = use.most;
  const first = firstAllocation("min_waste", use, FREE);
  expect(first).toBeWithin(2 * GIB, 3.5 * GIB);
  expect(held(tasks, first, most) / held(tasks, most, most)).toBeLessThan(0.12);
  expect(firstAllocation("max_throughput", use, FREE)).toBeWithin(2 * GIB, 3.5 * GIB);
});

test("on a tie the larger one, with which fewer tasks run twice", () => {
  // With half of the tasks at 1 and half at 2: all at 2 hold 2 each, all at 1 hold 1 and half of them 2 more.
  const tasks = Array.from({ length: 30 }, (_, i) => ({
    memoryBytes: ((i % 2) + 1) * GIB,
    wallUs: 1,
  }));
  expect(held(tasks, GIB, 2 * GIB)).toBe(held(tasks, 2 * GIB, 2 * GIB));
  expect(firstAllocation("min_waste", memoryOf(tasks), FREE)).toBe(2 * GIB);
});

describe("when it is learned", () => {
  const sample = (memoryBytes: number) => ({
    wallUs: 1e6,
    used: { cpus: 1, memoryBytes, diskBytes: null },
  });

  test("what is declared counts until 25 tasks were measured, and always when fixed", () => {
    const use = createCategoryUse();
    const limits = { declared: 8 * GIB, largest: null };
    for (let i = 1; i < LEARN_EVERY; i++) {
      expect(recordUse(use, sample(GIB))).toBe(false);
      expect(firstAllocation("max", use.resources.memoryBytes, limits)).toBe(8 * GIB);
    }
    expect(recordUse(use, sample(GIB))).toBe(true);
    expect(firstAllocation("max", use.resources.memoryBytes, limits)).toBe(GIB);
    expect(firstAllocation("fixed", use.resources.memoryBytes, limits)).toBe(8 * GIB);
    expect(firstAllocation("max", use.resources.diskBytes, { ...limits, declared: 7 })).toBe(7);
  });

  test("again every 25 completions, and at once at a new maximum", () => {
    const use = createCategoryUse();
    const due: number[] = [];
    for (let i = 1; i <= 60; i++) if (recordUse(use, sample(i === 30 ? 2 * GIB : GIB))) due.push(i);
    expect(due).toEqual([25, 30, 50]);
  });

  test("nothing above the largest worker", () => {
    const use = memoryOf(Array.from({ length: 30 }, () => ({ memoryBytes: 9 * GIB, wallUs: 1 })));
    expect(firstAllocation("max", use, { declared: 0, largest: 4 * GIB })).toBe(4 * GIB);
  });
});

describe("a task that had too little", () => {
  const exhausted = (current: number, mostSeen: number, largest: number | null = 64 * GIB) =>
    nextAllocation({ resource: "memoryBytes", current, used: null, mostSeen, largest });

  test("gets as much as any of its kind, then double, then the largest worker, then nothing", () => {
    const ladder: (number | null)[] = [2 * GIB];
    while (ladder.at(-1) !== null) ladder.push(exhausted(ladder.at(-1)!, 5 * GIB, 36 * GIB));
    expect(ladder).toEqual([2 * GIB, 5 * GIB, 10 * GIB, 20 * GIB, 36 * GIB, null]);
  });

  test("always gets more, and in few steps all there is or enough", () => {
    const bytes = fc.integer({ min: 1, max: 2 ** 42 });
    fc.assert(
      fc.property(bytes, bytes, bytes, bytes, (first, need, mostSeen, largest) => {
        let current = Math.min(first, largest);
        for (let steps = 0; current < need; steps++) {
          expect(steps).toBeLessThan(44);
          const next = exhausted(current, mostSeen, largest);
          if (next === null) {
            expect(current).toBeGreaterThanOrEqual(largest);
            return;
          }
          expect(next).toBeGreaterThan(current);
          expect(next).toBeLessThanOrEqual(largest);
          current = next;
        }
      }),
      RUNS,
    );
  });

  test("a measured peak above what it was given is believed", () => {
    const next = nextAllocation({
      resource: "memoryBytes",
      current: 0,
      used: 3 * GIB,
      mostSeen: GIB,
      largest: null,
    });
    expect(next).toBe(6 * GIB);
  });

  test("nothing given and nothing known: the smallest amount, not nothing again", () => {
    expect(exhausted(0, 0)).toBe(2 ** 20);
  });
});

test("amounts are rounded up by at most a sixteenth", () => {
  fc.assert(
    fc.property(fc.double({ min: 2 ** 20, max: 2 ** 50, noNaN: true }), (bytes) => {
      const rounded = roundUp("diskBytes", bytes);
      expect(rounded).toBeGreaterThanOrEqual(bytes);
      expect(rounded).toBeLessThanOrEqual(bytes * (1 + 1 / 16));
      expect(roundUp("diskBytes", rounded)).toBe(rounded);
    }),
    RUNS,
  );
  expect([0, 0.4, 1.03, 1.2, 2].map((cpus) => roundUp("cpus", cpus))).toEqual([1, 1, 1, 2, 2]);
});

test("an allocation replaces only what it names", () => {
  expect(withAllocation(DEFAULT_REQUIREMENT, { cpus: 1 })).toBe(DEFAULT_REQUIREMENT);
  expect(withAllocation(DEFAULT_REQUIREMENT, { memoryBytes: GIB })).toEqual({
    ...DEFAULT_REQUIREMENT,
    memoryBytes: GIB,
  });
});
