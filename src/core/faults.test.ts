import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { FailedOutcome, Failure, FailureCounts, Judgement } from "./faults.ts";
import {
  afterRecovery,
  breaker,
  DEFAULT_CRASH_LIMIT,
  judgeFailure,
  NO_FAILURES,
  recount,
  retryDelayMs,
} from "./faults.ts";
import type { FaultPolicy } from "./workflow.ts";

type Event = Pick<Failure, "outcome" | "exitCode" | "started">;

const exit = (exitCode: number): Event => ({ outcome: "exit", exitCode, started: true });
const event = (outcome: FailedOutcome, started = true): Event => ({
  outcome,
  exitCode: null,
  started,
});

/** Judges the failures one after another, as far as the task is tried again. */
function judgeAll(retries: number, faults: FaultPolicy | undefined, events: readonly Event[]) {
  const policy = faults ? { retries, faults } : { retries };
  const judgements: Judgement[] = [];
  let counts: FailureCounts = NO_FAILURES;
  for (const [i, each] of events.entries()) {
    const judged = judgeFailure({ ...each, policy, counts, attempt: i + 1, task: 3, workflow: 1 });
    judgements.push(judged);
    if (judged.verdict === "fail") break;
    counts = judged.counts;
  }
  return judgements;
}

function verdicts(retries: number, faults: FaultPolicy | undefined, events: readonly Event[]) {
  return judgeAll(retries, faults, events).map((each) => each.verdict);
}

function repeat(times: number, each: Event): Event[] {
  return Array.from({ length: times }, () => each);
}

describe("retries", () => {
  test.each<FailedOutcome>(["exit", "signal", "oom", "timeout", "disk", "output_missing"])(
    "%s draws on them",
    (outcome) => {
      expect(verdicts(0, undefined, [event(outcome)])).toEqual(["fail"]);
      expect(verdicts(2, undefined, repeat(4, event(outcome)))).toEqual(["retry", "retry", "fail"]);
    },
  );

  test("all own failures draw on the same", () => {
    const events = [event("exit"), event("oom"), event("timeout")];
    expect(verdicts(2, undefined, events)).toEqual(["retry", "retry", "fail"]);
  });

  test.each<FailedOutcome>(["input_missing", "launch_error"])(
    "%s is retried only when named",
    (outcome) => {
      expect(verdicts(9, undefined, [event(outcome)])).toEqual(["fail"]);
      const matchAll = { exitCodes: null, retries: 9, recovery: null };
      expect(verdicts(9, { exitRules: [matchAll] }, [event(outcome)])).toEqual(["fail"]);
      const named = { retryOn: { [outcome]: 1 } };
      expect(verdicts(0, named, repeat(3, event(outcome)))).toEqual(["retry", "fail"]);
    },
  );

  test("retryOn replaces them for its outcome, also downwards", () => {
    const faults = { retryOn: { timeout: 0, oom: 3 } };
    expect(verdicts(5, faults, [event("timeout")])).toEqual(["fail"]);
    const events = [...repeat(3, event("oom")), event("exit"), event("oom")];
    expect(verdicts(1, faults, events)).toEqual(["retry", "retry", "retry", "retry", "fail"]);
  });
});

describe("lost workers", () => {
  test("never use up retries, but the crash limit fails the task and says so", () => {
    const judged = judgeAll(0, undefined, repeat(9, event("worker_lost")));
    expect(judged.length).toBe(DEFAULT_CRASH_LIMIT);
    expect(judged.map((each) => each.verdict)).toEqual([
      "retry",
      "retry",
      "retry",
      "retry",
      "fail",
    ]);
    expect(judged.at(-1)!.reason).toBe(
      "5 attempts lost with the worker while running: the crash limit of 5 is reached, the task may be what ends its workers",
    );
    expect(verdicts(0, { crashLimit: 1 }, [event("worker_lost")])).toEqual(["fail"]);
  });

  test("an attempt that had not started is nobody's fault", () => {
    const judged = judgeAll(0, { crashLimit: 1 }, repeat(50, event("worker_lost", false)));
    expect(judged.length).toBe(50);
    expect(judged.at(-1)).toMatchObject({ verdict: "retry", delayMs: 0, counts: NO_FAILURES });
  });

  test("preempted costs nothing, unless it is limited by name", () => {
    expect(verdicts(0, undefined, repeat(50, event("preempted")))).not.toContain("fail");
    const faults = { retryOn: { preempted: 1, worker_lost: 2 } };
    expect(verdicts(0, faults, repeat(3, event("preempted")))).toEqual(["retry", "fail"]);
    expect(verdicts(0, faults, repeat(9, event("worker_lost"))).length).toBe(3);
  });

  test("and leave the retries untouched", () => {
    const events = [event("worker_lost"), event("exit"), event("worker_lost"), event("exit")];
    expect(verdicts(1, undefined, events)).toEqual(["retry", "retry", "retry", "fail"]);
  });
});

describe("exit rules", () => {
  const ten = { exitCodes: [10, 11], retries: 1, recovery: "./fix" };
  const again = { exitCodes: [11], retries: 7, recovery: null };
  const all = { exitCodes: null, retries: 2, recovery: "./all" };

  test("one that names the code beats the one for all, wherever they stand", () => {
    for (const exitRules of [
      [all, ten, again],
      [ten, again, all],
    ]) {
      const judged = judgeAll(0, { exitRules }, [exit(11), exit(1), exit(1), exit(11)]);
      expect(judged.map((each) => [each.verdict, each.recovery])).toEqual([
        ["retry", "./fix"],
        ["retry", "./all"],
        ["retry", "./all"],
        ["fail", null],
      ]);
    }
  });

  test("each has its own budget, beside the retries for other codes", () => {
    const exitRules = [ten, { exitCodes: [20], retries: 1, recovery: null }];
    const events = [exit(10), exit(20), exit(1), exit(20)];
    expect(verdicts(1, { exitRules }, events)).toEqual(["retry", "retry", "retry", "fail"]);
    expect(verdicts(9, { exitRules }, [exit(10), exit(11)])).toEqual(["retry", "fail"]);
  });

  test("precedence: named code, then retryOn, then all codes", () => {
    const oom = { outcome: "oom", exitCode: 137, started: true } as const;
    const named = { exitCodes: [137], retries: 1, recovery: "./more" };
    const first = (faults: FaultPolicy) => judgeAll(0, faults, [oom])[0]!;
    const retryOn = { oom: 1 };
    expect(first({ exitRules: [all, named], retryOn }).counts.perRule).toEqual([0, 1]);
    expect(first({ exitRules: [all], retryOn }).counts.perOutcome).toEqual({ oom: 1 });
    expect(first({ exitRules: [all] }).counts.perRule).toEqual([1]);
  });

  test("a rule may name 127, although a command that cannot be started is not retried by itself", () => {
    const missing = { outcome: "launch_error", exitCode: 127, started: true } as const;
    const exitRules = [{ exitCodes: [127], retries: 1, recovery: null }];
    expect(verdicts(0, { exitRules }, [missing, missing])).toEqual(["retry", "fail"]);
  });

  test("a recovery command that fails means no retry", () => {
    const [judged] = judgeAll(0, { exitRules: [ten] }, [exit(10)]);
    expect(afterRecovery(judged!, 0)).toEqual({ ...judged!, recovery: null });
    expect(afterRecovery(judged!, 3)).toMatchObject({ verdict: "fail", recovery: null });
    expect(afterRecovery(judged!, 3).reason).toEndWith("its recovery command ended with 3");
    expect(afterRecovery(judged!, null).verdict).toBe("fail");
  });
});

const OUTCOMES = [
  "exit",
  "signal",
  "oom",
  "timeout",
  "disk",
  "input_missing",
  "output_missing",
  "launch_error",
  "worker_lost",
  "preempted",
] as const;
const few = fc.integer({ min: 0, max: 3 });
const anyEvents = fc.array(
  fc.record({
    outcome: fc.constantFrom(...OUTCOMES),
    exitCode: fc.option(fc.integer({ min: 1, max: 4 })),
    started: fc.boolean(),
  }),
  { maxLength: 40 },
);
const anyFaults: fc.Arbitrary<FaultPolicy> = fc.record({
  retryOn: fc.dictionary(fc.constantFrom(...OUTCOMES), few, { noNullPrototype: true }),
  crashLimit: fc.integer({ min: 1, max: 3 }),
  exitRules: fc.array(
    fc.record({
      exitCodes: fc.option(fc.array(fc.integer({ min: 1, max: 4 }))),
      retries: few,
      recovery: fc.constant(null),
    }),
    { maxLength: 3 },
  ),
});

test("no budget is ever exceeded, all are finite but those of what is not the task's doing, and restarts count the same", () => {
  fc.assert(
    fc.property(few, anyFaults, anyEvents, (retries, faults, events) => {
      const judged = judgeAll(retries, faults, events);
      judged.forEach((each, i) => {
        const { counts } = each;
        if (each.verdict === "fail") return;
        expect(counts.own).toBeLessThanOrEqual(retries);
        expect(counts.crashes).toBeLessThan(faults.crashLimit!);
        counts.perRule.forEach((used, rule) =>
          expect(used).toBeLessThanOrEqual(faults.exitRules![rule]!.retries),
        );
        for (const [outcome, used] of Object.entries(counts.perOutcome))
          expect(used).toBeLessThanOrEqual(faults.retryOn![outcome as FailedOutcome]!);
        const free = counts === (judged[i - 1]?.counts ?? NO_FAILURES);
        if (!free) return;
        expect(["worker_lost", "preempted"]).toContain(events[i]!.outcome);
      });
      if (judged.length > 0)
        expect(recount({ retries, faults }, events.slice(0, judged.length))).toEqual(
          judged.at(-1)!.counts,
        );
    }),
    { numRuns: 1000 },
  );
});

describe("back-off", () => {
  const of = (task: number, attempt = 2, backoff?: FaultPolicy["backoff"]) => ({
    policy: { retries: 9, ...(backoff ? { faults: { backoff } } : {}) },
    workflow: 1,
    task,
    attempt,
  });

  test("by default the first retry is immediate, then 1, 2, 4 … 60 s, half of it left to chance", () => {
    expect(retryDelayMs(of(5), 1)).toBe(0);
    for (const [retry, seconds] of [
      [2, 1],
      [3, 2],
      [4, 4],
      [7, 32],
      [8, 60],
      [2000, 60],
    ] as const) {
      const delays = Array.from({ length: 2000 }, (_, task) => retryDelayMs(of(task), retry));
      expect(Math.min(...delays)).toBeWithin(500 * seconds, 510 * seconds);
      expect(Math.max(...delays)).toBeWithin(1490 * seconds, 1501 * seconds);
      const mean = delays.reduce((a, b) => a + b) / delays.length;
      expect(mean).toBeWithin(970 * seconds, 1030 * seconds);
    }
  });

  test("neighbours come back one by one, and at the same time in every replay", () => {
    const delays = Array.from({ length: 1000 }, (_, task) => retryDelayMs(of(task), 8));
    expect(new Set(delays).size).toBeGreaterThan(980);
    expect(delays).toEqual(Array.from({ length: 1000 }, (_, task) => retryDelayMs(of(task), 8)));
    expect(retryDelayMs(of(1, 2), 8)).not.toBe(retryDelayMs(of(1, 3), 8));
  });

  test("a given one counts from the first retry on", () => {
    const backoff = { initialSeconds: 3, factor: 10, maxSeconds: 100, jitter: 0 };
    expect([1, 2, 3].map((retry) => retryDelayMs(of(1, 2, backoff), retry))).toEqual([
      3000, 30_000, 100_000,
    ]);
    const [first, second] = judgeAll(9, { backoff }, [event("exit"), event("oom")]);
    expect([first!.delayMs, second!.delayMs]).toEqual([3000, 30_000]);
  });

  test("lost attempts do not wait", () => {
    const backoff = { initialSeconds: 3, factor: 10, maxSeconds: 100, jitter: 0 };
    expect(judgeAll(0, { backoff }, [event("worker_lost")])[0]!.delayMs).toBe(0);
  });
});

test("the breaker lets what runs end at the limit, and stops all where the first failure is to", () => {
  expect(breaker({}, { failed: 1_000_000 })).toBe("go");
  expect(breaker({ maxFailures: null, onFailure: "continue" }, { failed: 9 })).toBe("go");
  expect([0, 2, 3, 4].map((failed) => breaker({ maxFailures: 3 }, { failed }))).toEqual([
    "go",
    "go",
    "drain",
    "drain",
  ]);
  expect(
    [0, 1].map((failed) => breaker({ onFailure: "stop", maxFailures: 3 }, { failed })),
  ).toEqual(["go", "stop"]);
});

test("no delay stays none, however often it is multiplied", () => {
  const backoff = { initialSeconds: 0, factor: 1000, maxSeconds: 60, jitter: 0.5 };
  const of = { policy: { retries: 9999, faults: { backoff } }, workflow: 1, task: 1, attempt: 1 };
  expect(retryDelayMs(of, 1)).toBe(0);
  expect(retryDelayMs(of, 5000)).toBe(0);
  const growing = { ...backoff, initialSeconds: 1, jitter: 0 };
  const endless = { ...of, policy: { retries: 9999, faults: { backoff: growing } } };
  expect(retryDelayMs(endless, 5000)).toBe(60_000);
});
