import { describe, expect, test } from "bun:test";
import { DrivenCore, type Handed, handed, only } from "./testing/driven-core.ts";
import { block, workflowOf } from "./testing/workflows.ts";
import { DEFAULT_REQUIREMENT, type Requirement } from "./workflow.ts";

const NO_PREFETCH = { prefetchMax: 0 };
const MINUTE = 60_000;

function need(change: Partial<Requirement>): Requirement {
  return { ...DEFAULT_REQUIREMENT, ...change };
}

/** Workers by task, for what these effects hand out. */
function places(effects: Parameters<typeof handed>[0]): [task: number, worker: number][] {
  return handed(effects).map(({ task, worker }) => [task, worker]);
}

describe("order", () => {
  const threeKinds = [
    block(1, { requirement: need({ memoryBytes: 9, runtimeSeconds: 1 }) }),
    block(1, { requirement: need({ memoryBytes: 5, runtimeSeconds: 8 }) }),
    block(1, { requirement: need({ gpus: 1 }) }),
  ];

  for (const [sortMethod, expected] of [
    ["gpus_runtime_memory", [2, 1, 0]],
    ["gpus_memory_runtime", [2, 0, 1]],
    ["none", [0, 1, 2]],
  ] as const)
    test(`sort method ${sortMethod}`, () => {
      const core = new DrivenCore();
      core.submit(workflowOf(threeKinds, { sortMethod }));
      expect(handed(core.join(1, { gpus: 1 })).map(({ task }) => task)).toEqual([...expected]);
    });

  test("auto: most work first, by the scarcest resource", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(
      workflowOf([
        block(1, { requirement: need({ runtimeSeconds: 100 }) }),
        block(1, { requirement: need({ cpus: 4, runtimeSeconds: 100 }) }),
        block(1, { requirement: need({ memoryBytes: 2 ** 32, runtimeSeconds: 120 }) }),
      ]),
    );
    expect(handed(core.join(1)).map(({ task }) => task)).toEqual([2, 0]);
  });

  test("the workflow's priority comes before the task's", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(workflowOf([block(1, { priority: 9 })]), null, 1);
    core.submit(workflowOf([block(1)], { priority: 1 }), null, 2);
    expect(only(core.join(1, { cpus: 1 }), "assign")).toMatchObject([{ workflow: 2 }]);
  });

  test("of equal priority, the workflow submitted first", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(workflowOf([block(2, { requirement: need({ cpus: 1 }) })]), null, 1);
    core.submit(workflowOf([block(1, { requirement: need({ cpus: 4 }) })]), null, 2);
    expect(only(core.join(1), "assign")).toMatchObject([{ workflow: 1, tasks: [0, 1] }]);
  });
});

describe("ageing", () => {
  /** One task that waits, then others that come when the first worker has nothing left. */
  function waited(waitMs: number, later: { priority?: number; requirement?: Requirement }) {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(
      workflowOf([block(1), block(1), block(1, later)], { edges: [0, 2], ageSeconds: 600 }),
    );
    const first = handed(core.join(1, { cpus: 1 }));
    expect(first).toMatchObject([{ task: 0 }]);
    core.nowMs += waitMs;
    return handed(core.finish(first)).map(({ task }) => task);
  }

  test("one of the next higher priority is passed after the ageing time, not before", () => {
    expect(waited(10 * MINUTE - 1, { priority: 1 })).toEqual([2]);
    expect(waited(10 * MINUTE, { priority: 1 })).toEqual([1]);
  });

  test("one two higher is never passed", () => {
    expect(waited(100 * MINUTE, { priority: 2 })).toEqual([2]);
  });

  test("within a priority the sort method is passed", () => {
    const more = { requirement: need({ runtimeSeconds: 1000 }) };
    expect(waited(10 * MINUTE - 1, more)).toEqual([2]);
    expect(waited(10 * MINUTE, more)).toEqual([1]);
  });

  test("only those that waited pass, not later ones of their class", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(
      workflowOf([block(1), block(1), block(1), block(1, { priority: 1 })], {
        edges: [0, 2, 0, 3],
        ageSeconds: 600,
      }),
    );
    let running = handed(core.join(1, { cpus: 1 }));
    core.nowMs += 10 * MINUTE;
    const order: number[] = [];
    for (let i = 0; i < 3; i++) {
      running = handed(core.finish(running));
      order.push(running[0]!.task);
    }
    expect(order).toEqual([1, 3, 2]);
  });
});

describe("binding", () => {
  const bound = [block(1, { scheduler: "night" }), block(1, { priority: -1 })];

  test("a worker of a scheduler takes its tasks and unbound ones", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([...bound, block(1, { scheduler: "day" })]));
    expect(handed(core.join(1, { scheduler: "night" })).map(({ task }) => task)).toEqual([0, 1]);
  });

  test("a flexible one takes what is bound to others, but only when nothing else is ready", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(workflowOf(bound));
    const flexible = { scheduler: "day", strictScheduler: false };
    const own = handed(core.join(1, { ...flexible, cpus: 1 }));
    expect(own).toMatchObject([{ task: 1 }]);
    expect(handed(core.finish(own))).toMatchObject([{ task: 0 }]);
  });

  test("a flexible one does not even while its own task has no room", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(
      workflowOf([block(2, { requirement: need({ cpus: 3 }) }), block(1, { scheduler: "night" })]),
    );
    const given = handed(core.join(1, { scheduler: "day", strictScheduler: false }));
    expect(given.map(({ task }) => task)).toEqual([0]);
  });

  test("queue depth keeps to it", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(3, { scheduler: "night" })]));
    expect(handed(core.join(1, { maxParallel: 9 }))).toEqual([]);
    expect(handed(core.join(2, { maxParallel: 2, scheduler: "night" }))).toHaveLength(2);
  });

  test("a run time equal to the time that is left fits", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1, { requirement: need({ runtimeSeconds: 60 }) })]));
    expect(handed(core.join(1, { timeLimitSeconds: 60 }))).toHaveLength(1);
  });
});

describe("features and hosts", () => {
  test("a worker has to have all features", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1, { placement: { features: ["avx", "ib"] } })]));
    expect(handed(core.join(1))).toEqual([]);
    expect(handed(core.join(2, { features: ["avx"] }))).toEqual([]);
    expect(handed(core.join(3, { features: ["ib", "x", "avx"] }))).toHaveLength(1);
  });

  test("a task waits for one of its required hosts", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1, { placement: { requiredHosts: ["b", "c"] } })]));
    expect(handed(core.join(1, { host: "a" }))).toEqual([]);
    expect(handed(core.join(2, { host: "c" }))).toHaveLength(1);
  });

  test("preferred hosts come first, others take what they have no room for now", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.join(1, { host: "a" });
    core.join(2, { host: "b" });
    const given = core.submit(workflowOf([block(6, { placement: { preferredHosts: ["b"] } })]));
    expect(places(given)).toEqual([
      [0, 2],
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 1],
      [5, 1],
    ]);
  });

  test("a blocked host gets nothing new until its time is over", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.step({ type: "block_host", host: "bad", untilMs: core.nowMs + MINUTE });
    core.submit(workflowOf([block(1)]));
    expect(handed(core.join(1, { host: "bad" }))).toEqual([]);
    expect(core.core.timers.nextMs).toBe(core.nowMs + MINUTE);
    core.nowMs += MINUTE;
    expect(handed(core.step({ type: "timer" }))).toHaveLength(1);
  });

  test("a block without a time ends when it is lifted", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.step({ type: "block_host", host: "bad", untilMs: null });
    core.submit(workflowOf([block(1)]));
    core.join(1, { host: "bad" });
    core.nowMs += 1000 * MINUTE;
    expect(handed(core.step({ type: "timer" }))).toEqual([]);
    expect(handed(core.step({ type: "block_host", host: "bad", untilMs: 0 }))).toHaveLength(1);
  });
});

describe("which worker", () => {
  /** Three workers with room for 1, 4 and 2 tasks. */
  function three(config = {}): DrivenCore {
    const core = new DrivenCore({ ...NO_PREFETCH, ...config });
    core.join(1, { cpus: 1 });
    core.join(2, { cpus: 4 });
    core.join(3, { cpus: 2 });
    return core;
  }

  test("fcfs: in the order in which they joined", () => {
    const given = three().submit(workflowOf([block(3)], { algorithm: "fcfs" }));
    expect(places(given).map(([, worker]) => worker)).toEqual([1, 2, 2]);
  });

  test("worst: always the one with the largest part of it free", () => {
    const given = three().submit(workflowOf([block(4)], { algorithm: "worst" }));
    expect(
      places(given)
        .map(([, worker]) => worker)
        .toSorted((a, b) => a - b),
    ).toEqual([1, 2, 2, 3]);
  });

  test("time: the one that was fastest so far", () => {
    const core = new DrivenCore(NO_PREFETCH);
    const last = { members: [[0, 12]], dependents: [[12, 1]] } as const;
    core.submit(workflowOf([block(12), block(1)], { algorithm: "time", sets: [last] }));
    let running = [1, 2, 3].flatMap((worker) => handed(core.join(worker, { cpus: 1 })));
    const wallUs = [0, 2000, 500, 1000];
    while (core.state(12) === "blocked")
      running = running.flatMap((each) => handed(core.finish([each], "ok", wallUs[each.worker])));
    expect(running).toMatchObject([{ task: 12, worker: 2 }]);
  });

  test("random: the same for the same seed, and all of them in the end", () => {
    const run = (seed: number): number[] => {
      const workers = three({ seed }).submit(workflowOf([block(3)], { algorithm: "random" }));
      return handed(workers).map(({ worker }) => worker);
    };
    expect(run(7)).toEqual(run(7));
    const seen = new Set(Array.from({ length: 30 }, (_, seed) => run(seed)).flat());
    expect([...seen].toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  });

  test("files: where most of its inputs are", () => {
    const core = three();
    core.core.scheduling.inputs = (_workflow, task) => [{ digest: `d${task}`, bytes: 10 }];
    core.step({ type: "cached", worker: 3, digests: ["d0"], bytes: [10] });
    core.step({ type: "cached", worker: 2, digests: ["d1"], bytes: [10] });
    const given = core.submit(workflowOf([block(2)], { algorithm: "files" }));
    expect(places(given)).toEqual([
      [0, 3],
      [1, 2],
    ]);
  });

  test("files: a worker with room takes, of the next in the queue, the one whose inputs it has", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.core.scheduling.inputs = (_workflow, task) => [{ digest: `d${task}`, bytes: 10 }];
    core.step({ type: "cached", worker: 1, digests: ["d2"], bytes: [10] });
    core.submit(workflowOf([block(4)], { algorithm: "files" }));
    const running = handed(core.join(1, { cpus: 1 }));
    expect(running).toMatchObject([{ task: 2 }]);
    expect(handed(core.finish(running))).toMatchObject([{ task: 0 }]);
  });

  test("the task's choice counts before the category's, that before the workflow's", () => {
    const core = three();
    const given = core.submit(
      workflowOf(
        [
          block(1, { category: "a", placement: { algorithm: "fcfs" } }),
          block(1, { category: "a" }),
          block(1, { category: "b" }),
        ],
        { algorithm: "fcfs", categories: { a: { algorithm: "worst" } } },
      ),
    );
    const byTask = new Map(places(given));
    expect([byTask.get(0), byTask.get(1), byTask.get(2)]).toEqual([1, 2, 2]);
  });

  test("ours leaves workers with gpus to those that need them", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.join(1, { gpus: 1 });
    core.join(2);
    const given = core.submit(workflowOf([block(5)]));
    expect(places(given).filter(([, worker]) => worker === 1)).toHaveLength(1);
  });
});

describe("limits", () => {
  test("no more of a category run than it allows, on all workers together", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.join(1);
    core.join(2);
    const given = handed(
      core.submit(workflowOf([block(9)], { categories: { c: { maxConcurrent: 5 } } })),
    );
    expect(given).toHaveLength(5);
    const of = given.filter(({ worker }) => worker === given[0]!.worker).slice(0, 2);
    expect(handed(core.finish(of))).toHaveLength(2);
  });

  test("room under the limit is used on any worker", () => {
    const core = new DrivenCore(NO_PREFETCH);
    const limited = { categories: { c: { maxConcurrent: 1 } } };
    core.submit(workflowOf([block(3, { placement: { preferredHosts: ["a"] } })], limited));
    const first = handed(core.join(1, { host: "b" }));
    expect(handed(core.join(2, { host: "a" }))).toEqual([]);
    expect(handed(core.finish(first))).toMatchObject([{ worker: 2 }]);
  });
});

describe("limits and the lost", () => {
  test("a place that a dying attempt held is used when its worker is lost", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(workflowOf([block(2)], { categories: { c: { maxConcurrent: 1 } } }));
    core.join(1);
    core.join(2);
    core.cancel([0]);
    expect(core.states()).toEqual(["canceled", "ready"]);
    expect(handed(core.lose(1))).toMatchObject([{ worker: 2, task: 1 }]);
  });
});

describe("reservation", () => {
  const TEN_SECONDS = need({ runtimeSeconds: 10 });

  /** Task 0 wants the whole worker, waits for task 1, and stands first in the order; the others are small and many. */
  function withLarge(small: Requirement, config = {}): DrivenCore {
    const core = new DrivenCore({ ...NO_PREFETCH, ...config });
    const large = block(1, {
      requirement: { ...small, cpus: 4 },
      category: "large",
    });
    core.submit(
      workflowOf([large, block(100, { requirement: small })], {
        sortMethod: "none",
        edges: [1, 0],
      }),
    );
    return core;
  }

  /** Ends a task every `everyMs`, oldest first, until task 0 is handed out; returns how long that took. */
  function untilLargeStarts(core: DrivenCore, everyMs: number): number {
    const begun = core.nowMs;
    const running = handed(core.join(1));
    while (running.length > 0) {
      core.nowMs += everyMs;
      const given = handed(core.finish([running.shift()!], "ok", 10_000_000));
      if (given.some(({ task }) => task === 0)) return core.nowMs - begun;
      running.push(...given);
    }
    return Infinity;
  }

  test("a task that is passed over gets its room when it waited as long as draining takes", () => {
    const tookMs = untilLargeStarts(withLarge(TEN_SECONDS), 2500);
    expect(tookMs).toBeGreaterThanOrEqual(20_000);
    expect(tookMs).toBeLessThanOrEqual(30_000);
  });

  test("where nothing is known of run times, after a fixed time", () => {
    const core = withLarge(need({}), { reserveMs: 30_000 });
    core.core.categories.get("1/c")!.samples = 0;
    const tookMs = untilLargeStarts(core, 2500);
    expect(tookMs).toBeLessThanOrEqual(50_000);
  });

  /**
   * A task of two cpus runs until 40 s; the large one waits from 10 s on and has its reservation from 25 s on. At 30 s two cpus
   * come free and another task comes: may it run?
   */
  function atThirty(other: Requirement): { core: DrivenCore; given: number[]; long: Handed } {
    const core = new DrivenCore(NO_PREFETCH);
    const two = (runtimeSeconds: number, category = "c") =>
      block(1, { requirement: need({ cpus: 2, runtimeSeconds }), category });
    const large = block(1, { requirement: need({ cpus: 4, runtimeSeconds: 10 }) });
    core.submit(
      workflowOf(
        [two(40), two(10), large, two(15), two(5), block(1, { requirement: other, category: "x" })],
        { sortMethod: "none", edges: [1, 2, 1, 3, 3, 4, 4, 5] },
      ),
    );
    const begun = core.nowMs;
    const [long, ...rest] = handed(core.join(1));
    let given = rest;
    for (const [atMs, next] of [
      [10_000, 3],
      [25_000, 4],
    ] as const) {
      core.nowMs = begun + atMs;
      given = handed(core.finish(given));
      expect(given).toMatchObject([{ task: next }]);
    }
    core.nowMs = begun + 30_000;
    const last = handed(core.finish(given)).map(({ task }) => task);
    core.nowMs = begun + 40_000;
    return { core, given: last, long: long! };
  }

  test("what ends before it can start may run in front of it", () => {
    expect(atThirty(need({ cpus: 2, runtimeSeconds: 10 })).given).toEqual([5]);
  });

  test("what would end later, or nobody knows when, may not", () => {
    for (const runtimeSeconds of [10.1, null]) {
      const { core, given, long } = atThirty(need({ cpus: 2, runtimeSeconds }));
      expect(given).toEqual([]);
      expect(handed(core.finish([long]))).toMatchObject([{ task: 2 }]);
    }
  });

  test("a higher priority does not respect it", () => {
    const { core } = atThirty(need({ cpus: 2 }));
    const urgent = workflowOf([block(1, { requirement: need({ cpus: 2 }), priority: 1 })]);
    expect(only(core.submit(urgent, null, 2), "assign")).toMatchObject([{ workflow: 2 }]);
  });
});

describe("taking back", () => {
  /** A worker that holds a number of short tasks in advance. */
  function withPrefetched(blocks = [block(200)], change = {}) {
    const core = new DrivenCore({ prefetchMs: 100 });
    core.submit(workflowOf(blocks, { sortMethod: "none", ...change }));
    const held = handed(core.join(1, { cpus: 2 }));
    held.push(...handed(core.finish([held.shift()!], "ok", 10_000)));
    expect(held.length).toBeGreaterThan(10);
    return { core, held };
  }

  test("a task of higher priority is not kept waiting by what is held in advance", () => {
    const { core, held } = withPrefetched();
    const effects = core.submit(workflowOf([block(1, { priority: 1 })]), null, 2);
    const back = only(effects, "revoke").flatMap(({ tasks }) => tasks);
    expect(back.length).toBe(held.length - 2);
    // The worker had begun two: they go on, the others come back and wait.
    const running = held.filter(({ task }) => !back.includes(task));
    expect(running).toHaveLength(2);
    core.step({
      type: "revoked",
      worker: 1,
      workflow: 1,
      tasks: back,
      attempts: back.map((task) => held.find((each) => each.task === task)!.attempt),
    });
    const next = core.finish([running[0]!], "ok", 10_000);
    expect(only(next, "assign")[0]).toMatchObject({ workflow: 2, tasks: [0] });
  });

  test("nothing is held in advance while a higher priority waits", () => {
    const core = new DrivenCore({ prefetchMs: 100 });
    core.submit(
      workflowOf([
        block(100),
        block(1, { priority: 1, requirement: need({ cpus: 2 }), category: "large" }),
      ]),
    );
    core.step({ type: "cancel", workflow: 1, tasks: [100], reason: "test" });
    const held = handed(core.join(1, { cpus: 2 }));
    core.retry([100]);
    expect(handed(core.finish([held[0]!], "ok", 10_000))).toHaveLength(1);
  });

  test("one of equal priority takes nothing away", () => {
    const { core } = withPrefetched();
    expect(only(core.submit(workflowOf([block(1)]), null, 2), "revoke")).toEqual([]);
  });

  test("near the end an idle worker gets a part of what others hold in advance", () => {
    const { core, held } = withPrefetched([block(20)]);
    while (core.tasks.counts[1]! > 0)
      held.push(...handed(core.finish([held.shift()!], "ok", 10_000)));
    expect(held.length).toBeGreaterThan(4);
    const back = only(core.join(2, { cpus: 2 }), "revoke");
    expect(back).toMatchObject([{ worker: 1 }]);
    expect(back[0]!.tasks.length).toBeGreaterThan(0);
    expect(back[0]!.tasks.length).toBeLessThanOrEqual(2);
    const { workflow, tasks, attempts } = back[0]!;
    const moved = core.step({ type: "revoked", worker: 1, workflow, tasks, attempts });
    expect(new Set(handed(moved).map(({ worker }) => worker))).toEqual(new Set([2]));
  });

  test("what would be begun soon is left where it is, unless it is not begun", () => {
    const core = new DrivenCore({ prefetchMs: 40 });
    core.submit(workflowOf([block(20)], { sortMethod: "none" }));
    const held = handed(core.join(1, { cpus: 2 }));
    while (core.tasks.counts[1]! > 0) {
      core.nowMs += 1;
      held.push(...handed(core.finish([held.shift()!], "ok", 1000)));
    }
    expect(held.length).toBeGreaterThan(4);
    core.nowMs += 1;
    expect(only(core.join(2, { cpus: 2 }), "revoke")).toEqual([]);
    const wakeMs = core.core.timers.nextMs!;
    expect(wakeMs).toBeGreaterThan(core.nowMs);
    core.nowMs += 1;
    expect(only(core.step({ type: "timer" }), "revoke")).toEqual([]);
    core.nowMs = wakeMs;
    expect(only(core.step({ type: "timer" }), "revoke")).toMatchObject([{ worker: 1 }]);
  });
});
