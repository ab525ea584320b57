import { describe, expect, test } from "bun:test";
import { explain, type Reason, type WorkerObstacle } from "./explain.ts";
import { DrivenCore, handed } from "./testing/driven-core.ts";
import { block, workflowOf } from "./testing/workflows.ts";

const why = (core: DrivenCore, task: number): Reason[] => explain(core.core, 1, task, core.nowMs);

/** What stands in each worker's way, by its number. */
function obstacles(core: DrivenCore, task: number): Record<number, WorkerObstacle> {
  const [reason] = why(core, task).filter(({ kind }) => kind === "workers");
  if (reason?.kind !== "workers") throw new Error("nothing is said of workers");
  return Object.fromEntries(reason.obstacles.map(({ worker, obstacle }) => [worker, obstacle]));
}

const quiet = (): DrivenCore => new DrivenCore({ prefetchMs: 0 });

describe("the task itself", () => {
  test("waits for what is upstream, directly and through a set, and names ten at most", () => {
    const core = quiet();
    core.submit(
      workflowOf([block(13), block(1), block(1)], {
        edges: [13, 14],
        sets: [{ members: [[0, 13]], dependents: [[13, 1]] }],
      }),
    );
    expect(why(core, 14)).toEqual([{ kind: "upstream", waiting: 1, tasks: [13] }]);
    const [reason] = why(core, 13);
    expect(reason).toMatchObject({ kind: "upstream", tasks: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });
  });

  test("was skipped because of those that failed, not of those that succeeded", () => {
    const core = quiet();
    core.submit(workflowOf([block(2), block(1)], { edges: [0, 2, 1, 2] }));
    const [first, second] = handed(core.join(1, { cpus: 2 }));
    core.finish([first!]);
    core.finish([second!], "exit");
    expect(why(core, 2)).toEqual([{ kind: "upstream_failed", tasks: [second!.task] }]);
    expect(why(core, 0)).toEqual([{ kind: "ended" }]);
  });

  test("is with a worker, started or not", () => {
    const core = quiet();
    core.submit(workflowOf([block(1)]));
    const [attempt] = handed(core.join(3));
    expect(why(core, 0)).toEqual([{ kind: "running", worker: 3, started: false }]);
    core.start(attempt!);
    expect(why(core, 0)).toEqual([{ kind: "running", worker: 3, started: true }]);
  });

  test("backs off, and no longer when its time has come", () => {
    const core = quiet();
    const backoff = { initialSeconds: 60, factor: 1, maxSeconds: 60, jitter: 0 };
    core.submit(workflowOf([block(1, { retries: 1, faults: { backoff } })]));
    core.finish(handed(core.join(1)), "exit");
    const untilMs = core.nowMs + 60_000;
    expect(why(core, 0)[0]).toEqual({ kind: "back_off", untilMs });
    core.later(60_001);
    expect(why(core, 0)[0]).toMatchObject({ kind: "running" });
  });

  test("is behind others of a higher priority and of its own kind, also of another workflow", () => {
    const core = quiet();
    core.submit(workflowOf([block(5), block(3, { priority: 2 }), block(4, { priority: -1 })]));
    expect(why(core, 4)).toEqual([{ kind: "no_workers" }, { kind: "behind", higher: 3, same: 4 }]);
    expect(why(core, 5)).toEqual([{ kind: "no_workers" }]);
    core.step({
      type: "workflow",
      workflow: 2,
      definition: workflowOf([block(10)], { priority: 1 }),
      restored: null,
    });
    expect(why(core, 5)).toContainEqual({ kind: "behind", higher: 10, same: 0 });
  });

  test("is one more than its category may run", () => {
    const core = quiet();
    core.submit(
      workflowOf([block(3, { category: "few" })], { categories: { few: { maxConcurrent: 2 } } }),
    );
    core.join(1, { cpus: 8 });
    expect(why(core, 2)).toContainEqual({ kind: "category_limit", category: "few", limit: 2 });
    expect(obstacles(core, 2)).toEqual({ 1: { kind: "has_room" } });
  });
});

describe("each worker", () => {
  test("is too small, busy, draining, or away", () => {
    const core = quiet();
    core.submit(
      workflowOf([block(1, { requirement: needs(4) }), block(1, { requirement: needs(2) })]),
    );
    core.join(1, { cpus: 1 });
    expect(handed(core.join(2, { cpus: 4 })).map(({ task }) => task)).toEqual([0]);
    expect(obstacles(core, 1)).toEqual({
      1: { kind: "too_large", resource: "cpus", needed: 2, offered: 1 },
      2: { kind: "busy", resource: "cpus", needed: 2, free: 0 },
    });
    core.step({ type: "drain_worker", worker: 2 });
    core.step({ type: "worker_absent", worker: 1 });
    expect(obstacles(core, 1)).toEqual({ 1: { kind: "absent" }, 2: { kind: "draining" } });
  });

  test("is of another scheduler, lacks features, is elsewhere, or has too little time", () => {
    const core = quiet();
    core.submit(
      workflowOf([
        block(1, { scheduler: "night" }),
        block(1, { placement: { features: ["a", "b"] } }),
        block(1, { placement: { requiredHosts: ["n9"] } }),
        block(1, { requirement: { ...needs(1), runtimeSeconds: 100 } }),
      ]),
    );
    core.join(1, { scheduler: "day", features: ["b"], host: "n1", timeLimitSeconds: 90 });
    expect(obstacles(core, 0)[1]).toEqual({ kind: "scheduler", bound: "night", has: "day" });
    expect(obstacles(core, 1)[1]).toEqual({ kind: "features", missing: ["a"] });
    expect(obstacles(core, 2)[1]).toEqual({ kind: "host", required: ["n9"], host: "n1" });
    core.later(10_000);
    expect(obstacles(core, 3)[1]).toEqual({ kind: "time", neededSeconds: 100, leftSeconds: 80 });
  });

  test("of a blocked host, or too slow lately, gets nothing", () => {
    const core = quiet();
    core.step({ type: "block_host", host: "n1", untilMs: null });
    core.join(1, { host: "n1" });
    core.join(2, { host: "n2" });
    core.core.suspicion.excludedUntilMs.set(2, core.nowMs + 9000);
    core.submit(workflowOf([block(1)]));
    expect(obstacles(core, 0)).toEqual({
      1: { kind: "host_blocked" },
      2: { kind: "excluded", untilMs: core.nowMs + 9000, soon: false },
    });
  });

  test("of queue depth counts slots only", () => {
    const core = quiet();
    core.submit(workflowOf([block(1, { requirement: needs(64) }), block(1)]));
    core.join(1, { maxParallel: 1 });
    expect(core.state(0)).toBe("assigned");
    expect(obstacles(core, 1)[1]).toEqual({ kind: "busy", resource: "slots", needed: 1, free: 0 });
  });

  test("that is flexible takes what is bound to others only when nothing else is ready", () => {
    const core = quiet();
    core.submit(
      workflowOf([
        block(1, { priority: 2 }),
        block(1, { requirement: needs(2), priority: 1 }),
        block(1, { scheduler: "night" }),
      ]),
    );
    core.join(1, { cpus: 2, scheduler: "day", strictScheduler: false });
    expect(core.states()).toEqual(["assigned", "ready", "ready"]);
    expect(obstacles(core, 2)[1]).toEqual({ kind: "borrows", bound: "night", has: "day" });
  });
});

function needs(cpus: number): ReturnType<typeof block>["requirement"] {
  return { ...block(1).requirement, cpus };
}
