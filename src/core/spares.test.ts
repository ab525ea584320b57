import { describe, expect, test } from "bun:test";
import { block, workflowOf } from "./testing/workflows.ts";
import { DrivenCore, handed, only, verdicts } from "./testing/driven-core.ts";
import { DEFAULT_REQUIREMENT } from "./workflow.ts";
import { VERDICT_ACCEPTED, VERDICT_OTHER, VERDICT_SUPERSEDED } from "./events.ts";

/** Ten short tasks have been measured on worker 1; task 10 runs there and takes long, worker 2 is idle. */
function nearTheEnd(settings: { speculate?: number; fastAbort?: number }, extra: object = {}) {
  const core = new DrivenCore({ prefetchMs: 0 });
  core.submit({
    ...workflowOf([block(11, { category: "c", ...extra })]),
    categories: { c: settings },
  });
  let attempts = handed(core.join(1, { cpus: 1 }));
  for (let i = 0; i < 10; i++) attempts = handed(core.finish(attempts, "ok", 1_000_000));
  const [long] = attempts;
  expect(long).toMatchObject({ worker: 1, task: 10, attempt: 1 });
  core.start(long!);
  core.join(2, { cpus: 1 });
  return { core, long: long! };
}

describe("speculation", () => {
  test("near the end, a duplicate starts elsewhere; the first result counts, the other attempt is ended", () => {
    const { core, long } = nearTheEnd({ speculate: 2 });
    expect(handed(core.later(1900))).toEqual([]);
    const [spare] = handed(core.later(300));
    expect(spare).toMatchObject({ worker: 2, task: 10, attempt: 2 });
    const effects = core.finish([spare!]);
    expect(verdicts(effects)).toEqual([VERDICT_ACCEPTED]);
    expect(only(effects, "kill")).toMatchObject([
      { worker: 1, tasks: [10], attempts: [1], reason: "superseded" },
    ]);
    expect(core.state(10)).toBe("succeeded");
    // The slower of the two is recorded like any attempt, once; said twice, it is not live any more.
    expect(verdicts(core.finish([long], "superseded"))).toEqual([VERDICT_OTHER]);
    expect(verdicts(core.finish([long], "superseded"))).toEqual([VERDICT_SUPERSEDED]);
    expect(core.core.workers.get(1)!.running).toBe(0);
  });

  test("the first attempt may win too", () => {
    const { core, long } = nearTheEnd({ speculate: 2 });
    const [spare] = handed(core.later(2300));
    const effects = core.finish([long]);
    expect(verdicts(effects)).toEqual([VERDICT_ACCEPTED]);
    expect(only(effects, "kill")).toMatchObject([{ worker: 2, attempts: [2] }]);
    core.finish([spare!], "superseded");
    expect(core.core.workers.get(2)!.running).toBe(0);
  });

  test("a lost owner leaves the task to the duplicate", () => {
    const { core } = nearTheEnd({ speculate: 2 });
    const [spare] = handed(core.later(2300));
    core.lose(1);
    expect(core.state(10)).toBe("running");
    expect(verdicts(core.finish([spare!]))).toEqual([VERDICT_ACCEPTED]);
  });

  test("a failed duplicate changes nothing for the first attempt", () => {
    const { core, long } = nearTheEnd({ speculate: 2 });
    const [spare] = handed(core.later(2300));
    core.finish([spare!], "exit");
    expect(core.state(10)).toBe("running");
    expect(verdicts(core.finish([long]))).toEqual([VERDICT_ACCEPTED]);
  });

  test("a failed first attempt leaves the task to the duplicate", () => {
    const { core, long } = nearTheEnd({ speculate: 2 });
    const [spare] = handed(core.later(2300));
    core.finish([long], "exit");
    expect(core.state(10)).toBe("running");
    expect(verdicts(core.finish([spare!]))).toEqual([VERDICT_ACCEPTED]);
    expect(core.state(10)).toBe("succeeded");
  });

  test("the first of two to fail decides nothing, but it counts: with one retry there is no third attempt", () => {
    for (const first of ["owner", "duplicate"] as const) {
      const { core, long } = nearTheEnd({ speculate: 2 }, { retries: 1 });
      const [spare] = handed(core.later(2300));
      const [one, other] = first === "owner" ? [long, spare!] : [spare!, long];
      core.finish([one], "exit");
      expect(core.state(10)).toBe("running");
      expect(verdicts(core.finish([other], "exit"))).toEqual([VERDICT_ACCEPTED]);
      expect(core.state(10)).toBe("failed");
    }
  });

  test("what was too little for one of two is not given again", () => {
    const core = new DrivenCore({ prefetchMs: 0 });
    const declared = { ...DEFAULT_REQUIREMENT, memoryBytes: 2 ** 28 };
    core.submit({
      ...workflowOf([block(11, { requirement: declared })]),
      categories: { c: { speculate: 2, allocation: "max" } },
    });
    let attempts = handed(core.join(1, { cpus: 1 }));
    for (let i = 0; i < 10; i++) attempts = handed(core.finish(attempts, "ok", 1_000_000));
    core.start(attempts[0]!);
    core.join(2, { cpus: 1 });
    const [spare] = handed(core.later(2300));
    core.finish([spare!], "oom");
    const again = only(core.later(2300), "assign");
    expect(again).toMatchObject([{ tasks: [10], attempts: [3], grant: { memoryBytes: 2 ** 29 } }]);
  });

  test("cancel ends both", () => {
    const { core, long } = nearTheEnd({ speculate: 2 });
    const [spare] = handed(core.later(2300));
    expect(only(core.cancel([10]), "kill")).toHaveLength(2);
    core.finish([spare!], "canceled");
    core.finish([long], "canceled");
    expect(core.core.workers.get(1)!.running + core.core.workers.get(2)!.running).toBe(0);
  });

  test("outputs written in place forbid it, unless the task is idempotent", () => {
    const body = { name: "t", command: { kind: "words" as const, text: "x" }, outputs: ["o"] };
    expect(handed(nearTheEnd({ speculate: 2 }, { body }).core.later(2300))).toEqual([]);
    const { core } = nearTheEnd({ speculate: 2 }, { body, idempotent: true });
    expect(handed(core.later(2300))).toHaveLength(1);
  });
});

describe("fast abort", () => {
  test("an attempt that runs far too long is ended and starts elsewhere", () => {
    const { core, long } = nearTheEnd({ fastAbort: 3 });
    expect(only(core.later(2000), "kill")).toEqual([]);
    expect(only(core.later(60_000), "kill")).toMatchObject([
      { worker: 1, tasks: [10], attempts: [1], reason: "slow" },
    ]);
    expect(handed(core.finish([long], "preempted"))).toMatchObject([{ task: 10, attempt: 2 }]);
  });

  test("what an aborted task taught is dropped when it fails or is canceled", () => {
    for (const end of ["fail", "cancel"] as const) {
      const { core, long } = nearTheEnd({ fastAbort: 3 });
      core.later(60_000);
      const { open } = core.tasks.classes[0]!.category.watch!.trust;
      expect(open.size).toBe(1);
      if (end === "fail") core.finish([long], "exit");
      else core.cancel([10]);
      expect(open.size).toBe(0);
    }
  });

  test("nobody asked for it, nothing happens", () => {
    const { core } = nearTheEnd({});
    expect(core.later(3_600_000)).toEqual([]);
  });
});
