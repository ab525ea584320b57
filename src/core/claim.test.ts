import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Claim } from "./claim.ts";
import { apply } from "./core.ts";
import { only, DrivenCore, handed, type Handed } from "./testing/driven-core.ts";
import { block, CAPACITY, workflowOf } from "./testing/workflows.ts";
import { DEFAULT_REQUIREMENT, type Requirement } from "./workflow.ts";

const needs = (change: Partial<Requirement>): { requirement: Requirement } => ({
  requirement: { ...DEFAULT_REQUIREMENT, ...change },
});

function claim(
  driven: DrivenCore,
  change: Partial<Omit<Claim, "capacity">> & { capacity?: Partial<Claim["capacity"]> } = {},
): Handed[] {
  const { capacity, ...rest } = change;
  return handed(
    driven.step({
      type: "claim",
      worker: 7,
      workflow: 1,
      nodes: null,
      limit: 1000,
      order: "none",
      strict: false,
      ...rest,
      capacity: { ...CAPACITY, ...capacity },
    }),
  );
}

const numbers = (given: readonly Handed[]): number[] => given.map(({ task }) => task);
const over = (
  driven: DrivenCore,
  given: readonly Handed[],
  outcome: "worker_lost" | "preempted" = "worker_lost",
) =>
  driven.step({
    type: "claim_ended",
    worker: given[0]!.worker,
    workflow: 1,
    tasks: given.map(({ task }) => task),
    attempts: given.map(({ attempt }) => attempt),
    outcome,
  });

test("without an order: by task number over all classes, what does not fit is passed over", () => {
  const driven = new DrivenCore();
  driven.submit(
    workflowOf([
      block(2, needs({ cpus: 1 })),
      block(2, needs({ cpus: 3 })),
      block(3, needs({ cpus: 1, memoryBytes: 1 })),
    ]),
  );
  expect(numbers(claim(driven))).toEqual([0, 1, 4, 5]);
  expect(numbers(claim(driven, { worker: 8 }))).toEqual([2, 6]);
  expect(numbers(claim(driven, { worker: 9 }))).toEqual([3]);
  expect(numbers(claim(driven, { worker: 10 }))).toEqual([]);
  expect(driven.core.workers.has(10)).toBe(false);
});

test("the limit counts what fitted, not what was looked at", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(50, needs({ cpus: 64 })), block(50, needs({ cpus: 1 }))]));
  expect(numbers(claim(driven, { limit: 3 }))).toEqual([50, 51, 52]);
  expect(claim(driven, { worker: 8, limit: 0 })).toEqual([]);
});

test("sorted: by class, then by number; equal classes are merged", () => {
  const blocks = [
    block(1, needs({ gpus: 0, runtimeSeconds: 60, memoryBytes: 1 })),
    block(1, needs({ gpus: 1, runtimeSeconds: 10, memoryBytes: 9 })),
    block(1, needs({ gpus: 1, runtimeSeconds: 20, memoryBytes: 5 })),
    block(1, { ...needs({ gpus: 1, runtimeSeconds: 20, memoryBytes: 5 }), category: "other" }),
    block(1, needs({ gpus: 1, memoryBytes: 7 })),
  ];
  const orders = {
    none: [0, 1, 2, 3, 4],
    gpus_runtime_memory: [2, 3, 1, 4, 0],
    gpus_memory_runtime: [1, 4, 2, 3, 0],
  } as const;
  for (const [order, expected] of Object.entries(orders)) {
    const driven = new DrivenCore();
    driven.submit(workflowOf(blocks));
    const capacity = { cpus: 64, gpus: 8, memoryBytes: 1000 };
    const given = claim(driven, { order: order as keyof typeof orders, capacity });
    expect([order, numbers(given)]).toEqual([order, [...expected]]);
  }
});

test("higher priority comes first, whatever the order", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(2), block(2, { priority: 1 })]));
  expect(numbers(claim(driven, { limit: 3 }))).toEqual([2, 3, 0]);
});

test("all dimensions are packed: memory, fractions of a gpu, custom resources, nodes, time (equal fits)", () => {
  const driven = new DrivenCore();
  driven.submit(
    workflowOf([
      block(9, needs({ cpus: 0, memoryBytes: 300 })),
      block(9, needs({ cpus: 0, gpus: 0.3 })),
      block(9, needs({ cpus: 0, custom: { licence: 2 } })),
      block(9, needs({ cpus: 0, nodes: 2 })),
      block(9, needs({ cpus: 0, runtimeSeconds: 61 })),
      block(1, needs({ cpus: 0, runtimeSeconds: 60 })),
    ]),
  );
  const capacity = {
    memoryBytes: 1000,
    gpus: 1,
    custom: { licence: 5 },
    timeLimitSeconds: 60,
  };
  const given = claim(driven, { capacity, nodes: 5 });
  expect(numbers(given)).toEqual([0, 1, 2, 9, 10, 11, 18, 19, 27, 28, 45]);
  expect(numbers(claim(driven, { worker: 8, capacity: { custom: {} }, nodes: 1 }))).not.toContain(
    29,
  );
});

test("a scheduler's tasks: strict leaves them alone, flexible takes them when nothing else fits", () => {
  const blocks = [block(2, { scheduler: "gpu" }), block(2)];
  const expected: [change: Parameters<typeof claim>[1], first: number[], second: number[]][] = [
    [{ strict: true }, [2, 3], []],
    [{ strict: false }, [2, 3], [0, 1]],
    [{ strict: null }, [0, 1, 2, 3], []],
    [{ strict: true, capacity: { scheduler: "gpu" } }, [0, 1, 2, 3], []],
    [{ strict: true, capacity: { scheduler: "other" } }, [2, 3], []],
  ];
  for (const [change, first, second] of expected) {
    const driven = new DrivenCore();
    driven.submit(workflowOf(blocks));
    expect(numbers(claim(driven, change))).toEqual(first);
    expect(numbers(claim(driven, { ...change, worker: 8 }))).toEqual(second);
  }
});

test("queue depth ignores resources", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(2, needs({ cpus: 999, runtimeSeconds: 9e9 })), block(5)]));
  const capacity = { cpus: 0, maxParallel: 4, timeLimitSeconds: 1 };
  expect(numbers(claim(driven, { capacity, limit: 4 }))).toEqual([0, 1, 2, 3]);
});

test("a category's limit and a blocked host hold for claims too", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(5)], { categories: { c: { maxConcurrent: 3 } } }));
  expect(claim(driven, { limit: 2 })).toHaveLength(2);
  expect(claim(driven, { worker: 8 })).toHaveLength(1);
  expect(claim(driven, { worker: 9 })).toHaveLength(0);
  driven.step({ type: "block_host", host: "bad", untilMs: null });
  const other = new DrivenCore();
  other.submit(workflowOf([block(5)]));
  other.step({ type: "block_host", host: "bad", untilMs: null });
  expect(claim(other, { capacity: { host: "bad" } })).toEqual([]);
});

test("the scheduler gives a claim nothing; workers and claims share a queue and no task", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(20)]));
  const mine = claim(driven, { limit: 1 });
  const theirs = handed(driven.join(1));
  expect(theirs.every(({ worker }) => worker === 1)).toBe(true);
  const more = handed(driven.finish(mine));
  expect(more.some(({ worker }) => worker === 7)).toBe(false);
  const all = [...mine, ...theirs, ...more, ...claim(driven, { worker: 8 })];
  expect(new Set(numbers(all)).size).toBe(all.length);
});

test("a claim that is over gives back what it holds; what was finished stays", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(4)]));
  const given = claim(driven);
  driven.start(given[1]!);
  driven.finish([given[0]!]);
  const [lost] = only(over(driven, given.slice(1)), "lost");
  expect(lost).toMatchObject({ worker: 7, tasks: [1, 2, 3], outcome: "worker_lost" });
  expect(driven.states()).toEqual(["succeeded", "ready", "ready", "ready"]);
  expect(driven.core.workers.has(7)).toBe(false);
  const again = claim(driven, { worker: 7 });
  expect(again.map(({ task, attempt }) => [task, attempt])).toEqual([
    [1, 2],
    [2, 2],
    [3, 2],
  ]);
  const late = driven.finish([given[1]!]);
  expect(only(late, "verdicts").map(({ verdicts }) => [...verdicts])).toEqual([[2]]);
  expect(driven.state(1)).toBe("assigned");
});

test("part of a claim may be over: the rest goes on", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(4)]));
  const given = claim(driven);
  driven.start(given[0]!);
  over(driven, given.slice(1), "preempted");
  expect(driven.states()).toEqual(["running", "ready", "ready", "ready"]);
  expect(driven.core.workers.get(7)?.running).toBe(1);
  driven.finish([given[0]!]);
  over(driven, [given[0]!]);
  expect(driven.core.workers.size).toBe(0);
});

test("canceled tasks die with the claim, and may then run again", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(2)]));
  const given = claim(driven);
  driven.cancel([0]);
  driven.retry([0]);
  expect(driven.state(0)).toBe("canceled");
  over(driven, [given[0]!]);
  expect(driven.state(0)).toBe("ready");
});

test("failures of a claim are judged like all others", () => {
  const driven = new DrivenCore();
  driven.submit(workflowOf([block(1, { retries: 1 }), block(1)], { edges: [0, 1] }));
  driven.finish(claim(driven), "exit");
  expect(driven.states()).toEqual(["ready", "blocked"]);
  driven.finish(claim(driven, { worker: 8 }), "exit");
  expect(driven.states()).toEqual(["failed", "skipped"]);
});

test("a place under a category's limit that a claim leaves is given on at once", () => {
  const driven = new DrivenCore({ prefetchMs: 0 });
  driven.submit(workflowOf([block(3)], { categories: { c: { maxConcurrent: 1 } } }));
  const [first] = claim(driven, { limit: 1 });
  driven.join(1);
  expect(driven.states()).toEqual(["assigned", "ready", "ready"]);
  // The result and the end of the claim come together, before anything is decided.
  const { core, nowMs } = driven;
  const { task, attempt, worker, cls } = first!;
  const batch = {
    workflow: 1,
    cls,
    tasks: [task],
    attempts: [attempt],
    outcomes: [0],
    wallUs: [1],
  };
  apply(core, { type: "finished", worker, batch }, nowMs);
  const nothing = { tasks: [], attempts: [], outcome: "preempted" } as const;
  driven.step({ type: "claim_ended", worker, workflow: 1, ...nothing });
  expect(driven.states()).toEqual(["succeeded", "assigned", "ready"]);
});

test("after a restart a claim holds what it held, and running is running", () => {
  const before = new DrivenCore();
  before.submit(workflowOf([block(3)]));
  const given = claim(before);
  const driven = new DrivenCore();
  const restored = {
    states: new Uint8Array(3),
    attempts: Uint16Array.of(1, 1, 1),
    failures: new Map(),
    live: given.map(({ task }) => [7, task, 1] as const),
  };
  // Between the two events the owner is not there yet: no validation in between.
  apply(
    driven.core,
    { type: "workflow", workflow: 1, definition: before.tasks.definition, restored },
    driven.nowMs,
  );
  driven.step({
    type: "claim_restored",
    worker: 7,
    workflow: 1,
    capacity: { ...CAPACITY, maxParallel: 3 },
    tasks: [0, 1, 2],
    started: [1],
  });
  expect(driven.states()).toEqual(["assigned", "running", "assigned"]);
  driven.finish(given);
  expect(driven.states()).toEqual(["succeeded", "succeeded", "succeeded"]);
});

test("whatever is claimed fits, is ready, is given once, and nothing that would have fitted is left", () => {
  const requirement = fc.record({
    cpus: fc.constantFrom(0.5, 1, 2, 3, 8),
    memoryBytes: fc.integer({ min: 0, max: 40 }),
    gpus: fc.constantFrom(0, 0, 0.5, 1),
  });
  const blocks = fc.array(fc.tuple(fc.integer({ min: 0, max: 8 }), requirement), { maxLength: 6 });
  const offer = fc.record({
    cpus: fc.integer({ min: 0, max: 16 }),
    memoryBytes: fc.integer({ min: 0, max: 100 }),
    gpus: fc.integer({ min: 0, max: 2 }),
  });
  const order = fc.constantFrom("none", "gpus_runtime_memory", "gpus_memory_runtime" as const);
  const claims = fc.array(fc.tuple(offer, fc.integer({ min: 0, max: 9 }), order), { maxLength: 6 });
  fc.assert(
    fc.property(blocks, claims, fc.array(fc.nat(40)), (given, asked, canceled) => {
      const driven = new DrivenCore();
      const definition = workflowOf(given.map(([count, need]) => block(count, needs(need))));
      driven.submit(definition);
      driven.cancel([...new Set(canceled)].filter((task) => task < definition.taskCount));
      const needOf = (task: number): Requirement =>
        definition.blocks.findLast(({ first }) => first <= task)!.requirement;
      asked.forEach(([capacity, limit, by], i) => {
        const ready = driven.states().flatMap((state, task) => (state === "ready" ? [task] : []));
        const got = claim(driven, { worker: i + 1, capacity, limit, order: by as "none" });
        expect(got.length).toBeLessThanOrEqual(limit);
        const left = { ...capacity };
        for (const { task } of got) {
          expect(ready).toContain(task);
          const need = needOf(task);
          for (const kind of ["cpus", "memoryBytes", "gpus"] as const) left[kind] -= need[kind];
        }
        for (const kind of ["cpus", "memoryBytes", "gpus"] as const)
          expect(left[kind]).toBeGreaterThanOrEqual(-1e-9);
        if (by === "none") expect(numbers(got)).toEqual(numbers(got).toSorted((a, b) => a - b));
        if (got.length === limit) return;
        for (const task of ready.filter((each) => !numbers(got).includes(each))) {
          const need = needOf(task);
          expect(
            need.cpus > left.cpus || need.memoryBytes > left.memoryBytes || need.gpus > left.gpus,
          ).toBe(true);
        }
      });
    }),
    { numRuns: 300 },
  );
});
