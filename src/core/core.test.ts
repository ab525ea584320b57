import { describe, expect, test } from "bun:test";
import { apply } from "./core.ts";
import { VERDICT_ACCEPTED, VERDICT_OTHER, VERDICT_SUPERSEDED } from "./events.ts";
import { CANCELED, FAILED, SUCCEEDED } from "./states.ts";
import { DrivenCore, handed, only, verdicts } from "./testing/driven-core.ts";
import { block, CAPACITY, workflowOf } from "./testing/workflows.ts";
import { DEFAULT_REQUIREMENT } from "./workflow.ts";

const NO_PREFETCH = { prefetchMax: 0 };

/** First all of `a`, then all of `b`. */
function twoStages(a: number, b: number, onUpstreamFailure: "skip" | "run" = "skip") {
  return workflowOf([block(a), block(b, { onUpstreamFailure })], {
    sets: [{ members: [[0, a]], dependents: [[a, b]] }],
  });
}

describe("dependencies", () => {
  test("a task starts when the last of its upstream has ended", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(twoStages(2, 1));
    const [first, second] = handed(core.join(1));
    expect(core.states()).toEqual(["assigned", "assigned", "blocked"]);
    expect(handed(core.finish([first!]))).toEqual([]);
    expect(handed(core.finish([second!]))).toMatchObject([{ task: 2, attempt: 1 }]);
  });

  test("a failure skips all that comes after it, in the same step", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(4)], { edges: [0, 1, 1, 2, 2, 3] }));
    const effects = core.finish(handed(core.join(1)), "exit");
    expect(core.states()).toEqual(["failed", "skipped", "skipped", "skipped"]);
    expect(only(effects, "ended")).toEqual([{ type: "ended", workflow: 1, ended: true }]);
  });

  test("what is to run anyway waits for all of them, failed or not", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(twoStages(2, 1, "run"));
    const [first, second] = handed(core.join(1));
    core.finish([first!], "exit");
    expect(core.state(2)).toBe("blocked");
    expect(handed(core.finish([second!], "ok"))).toMatchObject([{ task: 2 }]);
  });

  test("an attempt that is lost while its upstream runs again waits for it", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(workflowOf([block(1), block(1)], { edges: [0, 1] }));
    const [dependent] = handed(core.finish(handed(core.join(1))));
    core.start(dependent!);
    const [upstream] = handed(core.retry([0]));
    expect(core.states()).toEqual(["assigned", "running"]);
    core.revoked(dependent!);
    expect(core.states()).toEqual(["assigned", "blocked"]);
    expect(handed(core.finish([upstream!]))).toMatchObject([{ task: 1, attempt: 2 }]);
  });

  test("a task that was ready waits again when its upstream is reset", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(workflowOf([block(1), block(1, { scheduler: "none" })], { edges: [0, 1] }));
    core.finish(handed(core.join(1)));
    expect(core.state(1)).toBe("ready");
    core.retry([0]);
    expect(core.states()).toEqual(["assigned", "blocked"]);
  });
});

describe("retries", () => {
  test("as many further attempts as allowed, then failed", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1, { retries: 2 })]));
    let attempts = handed(core.join(1));
    for (const attempt of [1, 2]) {
      expect(attempts).toMatchObject([{ attempt }]);
      const effects = core.finish(attempts, "exit");
      expect(verdicts(effects)).toEqual([VERDICT_OTHER]);
      // From the second on, a retry waits for a while.
      attempts = handed([...effects, ...core.later(120_000)]);
    }
    expect(verdicts(core.finish(attempts, "signal"))).toEqual([VERDICT_ACCEPTED]);
    expect(core.state(0)).toBe("failed");
  });

  test("what is not the task's own doing does not count", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    core.join(1);
    core.start({ worker: 1, task: 0, attempt: 1, cls: 0 });
    core.lose(1);
    const again = core.finish(handed(core.join(2)), "preempted");
    const last = core.finish(handed(again), "worker_lost");
    // From the second loss on it waits, so that those that were lost together come back apart.
    expect(handed(last)).toEqual([]);
    expect(handed(core.later(2000))).toMatchObject([{ worker: 2, attempt: 4 }]);
    expect(core.tasks.failures.get(0)).toMatchObject({ own: 0, crashes: 2 });
  });

  test("what had room on a lost worker counts as having run, what waited there does not", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(40)]));
    // What is known of run times makes the worker hold more than it runs.
    core.finish(handed(core.join(1, { cpus: 2 })).slice(0, 1));
    const held = core.states().flatMap((state, task) => (state === "assigned" ? [task] : []));
    expect(held.length).toBeGreaterThan(2);
    core.start({ worker: 1, task: held[0]!, attempt: 1, cls: 0 });
    core.lose(1);
    expect([...core.tasks.failures.keys()].toSorted((a, b) => a - b)).toEqual(held.slice(0, 2));
    core.join(2, { cpus: 1 });
    core.step({ type: "worker_lost", worker: 2, outcome: "preempted" });
    expect(core.tasks.failures.size).toBe(2);
  });

  test("what no further attempt could change is not tried again", () => {
    for (const outcome of ["launch_error", "input_missing"] as const) {
      const core = new DrivenCore();
      core.submit(workflowOf([block(1, { retries: 5 })]));
      core.finish(handed(core.join(1)), outcome);
      expect(core.state(0)).toBe("failed");
    }
  });

  test("a reset gives all retries back", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1, { retries: 1 })]));
    const second = handed(core.finish(handed(core.join(1)), "exit"));
    core.finish(second, "exit");
    const third = handed(core.retry([0]));
    expect(third).toMatchObject([{ attempt: 3 }]);
    expect(handed(core.finish(third, "exit"))).toMatchObject([{ attempt: 4 }]);
  });
});

describe("cancel", () => {
  test("kills what runs, forgets what waits, skips what comes after", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(twoStages(6, 2));
    const running = handed(core.join(1));
    const effects = core.cancel([0, 5]);
    expect(only(effects, "canceled")).toMatchObject([{ tasks: [0, 5] }]);
    expect(only(effects, "kill")).toMatchObject([{ worker: 1, tasks: [0], attempts: [1] }]);
    expect(core.states().slice(6)).toEqual(["skipped", "skipped"]);
    // The killed attempt keeps its room until it has ended.
    expect(handed(effects)).toEqual([]);
    const ended = core.finish([running[0]!], "canceled");
    expect(verdicts(ended)).toEqual([VERDICT_OTHER]);
    expect(handed(ended)).toMatchObject([{ task: 4 }]);
    expect(core.state(0)).toBe("canceled");
  });

  test("a task that succeeds while its kill is on the way stays canceled", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    const running = handed(core.join(1));
    core.cancel(null);
    expect(verdicts(core.finish(running, "ok"))).toEqual([VERDICT_OTHER]);
    expect(core.state(0)).toBe("canceled");
  });

  test("a retry waits until the killed attempt has ended", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    const running = handed(core.join(1));
    expect(only(core.cancel([0]), "ended")).toMatchObject([{ ended: true }]);
    const retried = core.retry([0]);
    expect(handed(retried)).toEqual([]);
    // On record from now on: a restarted server has to know that it is wanted.
    expect(only(retried, "reset")).toMatchObject([{ tasks: [0] }]);
    expect(only(core.retry([0]), "reset")).toEqual([]);
    expect(only(retried, "ended")).toMatchObject([{ ended: false }]);
    const ended = core.finish(running, "canceled");
    expect(only(ended, "reset")).toMatchObject([{ tasks: [0] }]);
    expect(handed(ended)).toMatchObject([{ task: 0, attempt: 2 }]);
  });

  test("the retry happens also when the server is restarted meanwhile", () => {
    const core = new DrivenCore();
    const restored = {
      states: new Uint8Array(1),
      attempts: Uint16Array.of(1),
      failures: new Map(),
      live: [[1, 0, 1]] as const,
    };
    // No validation in between: the owner is not there yet.
    const definition = workflowOf([block(1)]);
    apply(core.core, { type: "workflow", workflow: 1, definition, restored }, core.nowMs);
    const held = [{ workflow: 1, tasks: [0], attempts: [1], started: [true] }];
    core.step({ type: "worker_joined", worker: 1, capacity: CAPACITY, held });
    const dead = { worker: 1, task: 0, attempt: 1, cls: 2 ** 24 };
    const ended = core.finish([dead], "canceled");
    expect(verdicts(ended)).toEqual([VERDICT_OTHER]);
    expect(handed(ended)).toMatchObject([{ task: 0, attempt: 2 }]);
  });

  test("what comes after a task waits for it again as soon as it is wanted again, not only when its attempt is dead", () => {
    const core = new DrivenCore();
    core.submit(twoStages(1, 1, "run"));
    core.join(1, { cpus: 1 });
    core.cancel([0]);
    expect(core.states()).toEqual(["canceled", "ready"]);
    core.retry([0]);
    expect(core.states()).toEqual(["canceled", "blocked"]);
    core.cancel([0]);
    expect(core.states()).toEqual(["canceled", "ready"]);
  });

  test("a retry that waited is taken back on record", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    const running = handed(core.join(1));
    core.cancel([0]);
    core.retry([0]);
    expect(only(core.cancel([0]), "canceled")).toMatchObject([{ tasks: [0] }]);
    expect(handed(core.finish(running, "canceled"))).toEqual([]);
    expect(core.state(0)).toBe("canceled");
  });

  test("the retry happens also when the worker of the dying attempt is lost", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    core.join(1);
    core.cancel([0]);
    core.retry([0]);
    core.lose(1);
    expect(core.state(0)).toBe("ready");
    expect(core.tasks.ended).toBe(false);
    expect(handed(core.join(2))).toMatchObject([{ task: 0, attempt: 2 }]);
  });

  test("a second cancel takes the retry back", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    const running = handed(core.join(1));
    core.cancel([0]);
    core.retry([0]);
    expect(only(core.cancel([0]), "ended")).toMatchObject([{ ended: true }]);
    core.finish(running, "canceled");
    expect(core.state(0)).toBe("canceled");
  });
});

describe("fencing", () => {
  test("results of attempts that were given up are superseded", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    const late = handed(core.join(1));
    core.lose(1);
    const live = handed(core.join(2));
    expect(verdicts(core.finish(late))).toEqual([VERDICT_SUPERSEDED]);
    expect(core.state(0)).toBe("assigned");
    expect(verdicts(core.finish(live))).toEqual([VERDICT_ACCEPTED]);
    expect(verdicts(core.finish(live))).toEqual([VERDICT_SUPERSEDED]);
  });

  test("a worker that comes back under its number is not taken for the one that was lost", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    const late = handed(core.join(1));
    core.lose(1);
    const live = handed(core.join(1));
    expect(verdicts(core.finish(late))).toEqual([VERDICT_SUPERSEDED]);
    expect(verdicts(core.finish(live))).toEqual([VERDICT_ACCEPTED]);
  });

  test("a late start of an attempt that was given up changes nothing", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(1)]));
    const late = handed(core.join(1));
    core.lose(1);
    core.join(2);
    core.start(...late);
    expect(core.state(0)).toBe("assigned");
  });

  test("results of a forgotten workflow give their room back, once", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(workflowOf([block(4)]));
    const running = handed(core.join(1));
    core.step({ type: "forget_workflow", workflow: 1 });
    expect(handed(core.submit(workflowOf([block(4)])))).toEqual([]);
    const effects = core.finish(running);
    expect(verdicts(effects)).toEqual([2, 2, 2, 2]);
    expect(handed(effects)).toHaveLength(4);
    expect(handed(core.finish(running))).toEqual([]);
  });
});

describe("room", () => {
  test("every resource counts", () => {
    const need = { ...DEFAULT_REQUIREMENT, memoryBytes: 3, custom: { license: 1 } };
    const core = new DrivenCore();
    core.submit(workflowOf([block(10, { requirement: need })]));
    expect(handed(core.join(1, { cpus: 2, custom: { license: 5 } }))).toHaveLength(2);
    expect(handed(core.join(2, { memoryBytes: 11, custom: { license: 5 } }))).toHaveLength(3);
    expect(handed(core.join(3, { custom: { license: 1 } }))).toHaveLength(1);
    expect(handed(core.join(4))).toHaveLength(0);
  });

  test("not one byte too many", () => {
    const gib = 2 ** 30;
    const core = new DrivenCore();
    core.submit(
      workflowOf([block(3, { requirement: { ...DEFAULT_REQUIREMENT, memoryBytes: 4 * gib } })]),
    );
    expect(handed(core.join(1, { memoryBytes: 8 * gib - 1 }))).toHaveLength(1);
  });

  test("what does not fit is passed over by what does", () => {
    const core = new DrivenCore();
    const large = { ...DEFAULT_REQUIREMENT, cpus: 3 };
    core.submit(workflowOf([block(2, { requirement: large }), block(5)]));
    expect(handed(core.join(1)).map(({ task }) => task)).toEqual([0, 2]);
  });

  test("queue depth ignores resources and counts attempts", () => {
    const core = new DrivenCore(NO_PREFETCH);
    core.submit(
      workflowOf([
        block(3, { requirement: { ...DEFAULT_REQUIREMENT, cpus: 100 } }),
        block(10, { requirement: { ...DEFAULT_REQUIREMENT, gpus: 7 } }),
      ]),
    );
    const first = handed(core.join(1, { maxParallel: 5 }));
    expect(first.map(({ task }) => task)).toEqual([0, 1, 2, 3, 4]);
    expect(handed(core.finish(first.slice(0, 2)))).toHaveLength(2);
  });

  test("what is held in advance never runs beyond the room", () => {
    const core = new DrivenCore({ prefetchMs: 100 });
    core.submit(workflowOf([block(1000)]));
    const held = handed(core.join(1));
    expect(held).toHaveLength(4);
    for (let turn = 0; turn < 50 && held.length > 0; turn++) {
      const done = held.splice(0, 1 + (turn % 7));
      const effects = core.finish(done, "ok", 5000);
      for (const effect of only(effects, "assign")) expect(effect.width).toBeLessThanOrEqual(4);
      held.push(...handed(effects));
      expect(held.length).toBeLessThanOrEqual(4 + 80);
    }
    expect(held.length).toBeGreaterThan(4); // it did hold some in advance
  });

  test("a bound task goes to its scheduler's workers only", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(2, { scheduler: "night" })]));
    expect(handed(core.join(1))).toEqual([]);
    expect(handed(core.join(2, { scheduler: "day" }))).toEqual([]);
    expect(handed(core.join(3, { scheduler: "night" }))).toHaveLength(2);
  });

  test("a task longer than the worker will live is not begun there", () => {
    const core = new DrivenCore();
    const requirement = { ...DEFAULT_REQUIREMENT, runtimeSeconds: 60 };
    core.submit(workflowOf([block(1, { requirement })]));
    expect(handed(core.join(1, { timeLimitSeconds: 59 }))).toEqual([]);
    expect(handed(core.join(2, { timeLimitSeconds: 61 }))).toHaveLength(1);
  });
});

describe("draining", () => {
  test("a worker that drains gets nothing more, and what it gives back goes to others", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(3)]));
    const given = handed(core.join(1, { cpus: 2 }));
    expect(only(core.step({ type: "drain_worker", worker: 1 }), "drain")).toHaveLength(1);
    expect(handed(core.revoked(given[1]!))).toEqual([]);
    expect(core.state(1)).toBe("ready");
    core.finish([given[0]!]);
    // What came back is first in line; it never started, so its number is used again.
    expect(handed(core.join(2))).toMatchObject([
      { task: 1, attempt: 1 },
      { task: 2, attempt: 1 },
    ]);
  });
});

describe("a restored workflow", () => {
  test("keeps what ended and derives the rest; numbers of attempts go on", () => {
    const core = new DrivenCore();
    core.submit(workflowOf([block(5)], { edges: [0, 3, 1, 4] }), {
      states: Uint8Array.of(SUCCEEDED, FAILED, CANCELED, 0, 0),
      attempts: Uint16Array.of(1, 2, 0, 7, 0),
      failures: new Map(),
      live: [],
    });
    expect(core.states()).toEqual(["succeeded", "failed", "canceled", "ready", "skipped"]);
    expect(handed(core.join(1))).toMatchObject([{ task: 3, attempt: 8 }]);
  });

  test("that has ended says so", () => {
    const core = new DrivenCore();
    const effects = core.submit(workflowOf([block(1)]), {
      states: Uint8Array.of(SUCCEEDED),
      attempts: Uint16Array.of(1),
      failures: new Map(),
      live: [],
    });
    expect(only(effects, "ended")).toMatchObject([{ ended: true }]);
  });
});

test("rebuilding runs a task and everything after it again", () => {
  const core = new DrivenCore();
  core.submit(workflowOf([block(3)], { edges: [0, 1] }));
  const first = handed(core.join(1));
  const second = core.finish(first);
  core.finish(handed(second));
  expect(core.states()).toEqual(["succeeded", "succeeded", "succeeded"]);
  const effects = core.retry([0], true);
  expect(only(effects, "reset")).toMatchObject([{ tasks: [0, 1] }]);
  expect(core.states()).toEqual(["assigned", "blocked", "succeeded"]);
});

test("a task that was faster than its duplicate can run again", () => {
  const core = new DrivenCore();
  const categories = { c: { speculate: 2 } };
  core.submit(workflowOf([block(8, { idempotent: true })], { categories }));
  const all = handed(core.join(1, { cpus: 8 }));
  core.start(...all);
  core.finish(all.slice(0, 7));
  core.join(2, { cpus: 8 });
  core.nowMs += 1000;
  const [spare] = handed(core.step({ type: "timer" }));
  expect(spare).toMatchObject({ worker: 2, task: 7, attempt: 2 });
  expect(verdicts(core.finish([all[7]!]))).toEqual([VERDICT_ACCEPTED]);
  expect(verdicts(core.finish([spare!], "superseded"))).toEqual([VERDICT_OTHER]);
  const [again] = handed(core.retry([7]));
  expect(again).toMatchObject({ task: 7, attempt: 3 });
  expect(verdicts(core.finish([again!]))).toEqual([VERDICT_ACCEPTED]);
});

test("higher priority first, then order of submission", () => {
  const core = new DrivenCore();
  core.submit(workflowOf([block(1), block(2, { priority: 5 })]));
  expect(handed(core.join(1, { cpus: 3 })).map(({ task }) => task)).toEqual([1, 2, 0]);
});
