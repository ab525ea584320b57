import { describe, expect, test } from "bun:test";
import { DEFAULT_BACKOFF } from "../core/faults.ts";
import { blockOf, CWD, load, mistakesOf, oneTask, tasks } from "./testing.ts";

describe("retry_on", () => {
  test("further attempts for each outcome, in one order however they are written", () => {
    const written = oneTask(
      "retry_on: {worker_lost: 9, preempted: 0, exit: 1, signal: 2, oom: 3, timeout: 4, disk: 5}",
    );
    expect(JSON.stringify(blockOf(written).faults)).toBe(
      '{"retryOn":{"exit":1,"signal":2,"oom":3,"timeout":4,"disk":5,"worker_lost":9,"preempted":0}}',
    );
    const others = "retry_on: {launch_error: 1, output_missing: 2, input_missing: 60000}";
    expect(blockOf(oneTask(others)).faults).toEqual({
      retryOn: { input_missing: 60_000, output_missing: 2, launch_error: 1 },
    });
  });
  test("nothing is said of faults when the task says nothing", () => {
    expect(blockOf(oneTask())).not.toHaveProperty("faults");
    expect(blockOf(oneTask("retries: 3"))).not.toHaveProperty("faults");
  });
  test.each([
    ["retry_on: timeout", "5:15 'retry_on' must be a mapping"],
    ["retry_on: {timout: 1}", "5:16 there is no outcome 'timout' [did you mean 'timeout'?]"],
    ["retry_on: {zzzz: 1}", "5:16 there is no outcome 'zzzz' [there is exit, signal, oom, "],
    ["retry_on: {ok: 1}", "5:16 an attempt that ended with 'ok' is never tried again [remove it]"],
    ["retry_on: {superseded: 1}", "5:16 an attempt that ended with 'superseded' is never tried"],
    ["retry_on: {canceled: 1}", "5:16 an attempt that ended with 'canceled' is never tried"],
    ["retry_on: {oom: often}", "5:21 'oom' must be a whole number of 0 or more, not 'often'"],
    ["retry_on: {oom: -1}", "5:21 'oom' must be a whole number of 0 or more, not -1"],
    ["retry_on: {oom: 60001}", "5:21 'oom' must be a whole number of 0 or more, 60000 at most"],
    ["retries: 60001", "5:14 'retries' must be a whole number of 0 or more, 60000 at most"],
  ])("%s", (line, message) => {
    expect(mistakesOf(oneTask(line))[0]).toStartWith(message);
  });
});

describe("backoff", () => {
  test("all of it", () => {
    expect(
      blockOf(oneTask("backoff: {initial: 250ms, factor: 1.5, max: 1m, jitter: 0.5}")).faults,
    ).toEqual({ backoff: { initialSeconds: 0.25, factor: 1.5, maxSeconds: 60, jitter: 0.5 } });
  });
  test("what is left out never contradicts what is given", () => {
    expect(blockOf(oneTask("backoff: {jitter: 0}")).faults?.backoff).toEqual({
      ...DEFAULT_BACKOFF,
      jitter: 0,
    });
    expect(blockOf(oneTask("backoff: {initial: 5m}")).faults?.backoff).toMatchObject({
      initialSeconds: 300,
      maxSeconds: 300,
    });
    expect(blockOf(oneTask("backoff: {max: 100ms}")).faults?.backoff).toMatchObject({
      initialSeconds: 0.1,
      maxSeconds: 0.1,
    });
  });
  test.each([
    ["backoff: 10s", "5:14 'backoff' must be a mapping"],
    ["backoff: {intial: 1s}", "5:15 a back-off has no key 'intial' [did you mean 'initial'?]"],
    ["backoff: {initial: soon}", "5:24 'initial': 'soon' is not a duration"],
    ["backoff: {max: 1:30}", "5:20 'max': '1:30' is ambiguous"],
    ["backoff: {factor: 0.5}", "5:23 'factor' must be a number of 1 or more, not 0.5"],
    ["backoff: {factor: 1001}", "5:23 'factor' must be a number of 1 or more, 1000 at most"],
    ["backoff: {jitter: 1.5}", "5:23 'jitter' must be a number of 0 or more, 1 at most, not 1.5"],
    ["backoff: {jitter: [1]}", "5:23 'jitter' must be a number of 0 or more, not a list"],
    [
      "backoff: {initial: 2m, max: 1m}",
      "5:33 the first delay of a back-off is longer than its longest",
    ],
  ])("%s", (line, message) => {
    expect(mistakesOf(oneTask(line))[0]).toStartWith(message);
  });
});

describe("exit_codes", () => {
  test("rules in their order, codes sorted", () => {
    const text = oneTask(
      "exit_codes:",
      "  - {codes: [12, 3, 12], retries: 3, recovery: 'rm -f ${spec_dir}/lock; ls {a}'}",
      "  - {codes: 7, retries: 0}",
      "  - {codes: any, retries: 1}",
    );
    expect(blockOf(text).faults).toEqual({
      exitRules: [
        { exitCodes: [3, 12], retries: 3, recovery: `rm -f ${CWD}/lock; ls {a}` },
        { exitCodes: [7], retries: 0, recovery: null },
        { exitCodes: null, retries: 1, recovery: null },
      ],
    });
  });
  const rule = (text: string): string => oneTask(`exit_codes: [${text}]`);
  test.each([
    ["exit_codes: 3", "5:17 'exit_codes' must be a list"],
    ["exit_codes: []", "5:17 'exit_codes' is an empty list"],
    ["exit_codes: [3]", "5:18 item 1 of 'exit_codes' must be a mapping"],
  ])("%s", (line, message) => {
    expect(mistakesOf(oneTask(line))[0]).toStartWith(message);
  });
  test.each([
    [
      "{code: 3, retries: 1}",
      "5:19 a rule of 'exit_codes' has no key 'code' [did you mean 'codes'?]",
    ],
    ["{retries: 1}", "5:18 a rule of 'exit_codes' has no codes"],
    ["{codes: 3}", "5:18 a rule of 'exit_codes' has no retries"],
    ["{codes: all, retries: 1}", "5:26 'codes' must be any or a list of exit codes, not 'all'"],
    ["{codes: [], retries: 1}", "5:26 'codes' is an empty list"],
    ["{codes: 0, retries: 1}", "5:26 'codes' must be a whole number of 1 or more, not 0"],
    [
      "{codes: [1, 256], retries: 1}",
      "5:30 item 2 of 'codes' must be a whole number of 1 or more, 255 at most, not 256",
    ],
    ["{codes: true, retries: 1}", "5:26 'codes' must be a list"],
    ["{codes: 1, retries: x}", "5:38 'retries' must be a whole number of 0 or more, not 'x'"],
    ["{codes: 1, retries: -1}", "5:38 'retries' must be a whole number of 0 or more, not -1"],
    ["{codes: 1, retries: 1, recovery: 5}", "5:51 'recovery' must be text"],
    ["{codes: 1, retries: 0, recovery: fix}", "5:41 a recovery command without retries never runs"],
    [
      "{codes: 1, retries: 1}, {codes: [2, 1], retries: 2}",
      "5:50 two rules are for exit code 1, and only the first would count",
    ],
    ["{codes: any, retries: 1}, {codes: any, retries: 2}", "5:52 two rules are for all exit codes"],
  ])("%s", (text, message) => {
    expect(mistakesOf(rule(text))[0]).toStartWith(message);
  });
  test("both codes and retries missing are told at once", () => {
    expect(mistakesOf(rule("{recovery: fix}")).map((each) => each.split(" [")[0])).toEqual([
      "5:18 a rule of 'exit_codes' has no codes",
      "5:18 a rule of 'exit_codes' has no retries",
    ]);
  });
  test("a parameter in a recovery command, which the tasks of an array share", () => {
    const array = (recovery: string): string =>
      tasks(
        "  - name: x_{i}",
        "    command: e",
        "    parameters: {i: '1:3'}",
        `    exit_codes: [{codes: any, retries: 1, recovery: "${recovery}"}]`,
      );
    expect(mistakesOf(array("rm out_{i:03d}"))[0]).toStartWith(
      "6:61 {i:03d} has no value in a recovery command",
    );
    expect(blockOf(array("rm {j} ${i}")).faults?.exitRules?.[0]?.recovery).toBe("rm {j} ${i}");
  });
});

test("crash_limit", () => {
  expect(blockOf(oneTask("crash_limit: 1")).faults).toEqual({ crashLimit: 1 });
  expect(mistakesOf(oneTask("crash_limit: 0"))[0]).toStartWith(
    "5:18 'crash_limit' must be a whole number of 1 or more, not 0",
  );
  expect(mistakesOf(oneTask("crash_limit: never"))[0]).toStartWith(
    "5:18 'crash_limit' must be a whole number of 1 or more, not 'never'",
  );
  expect(mistakesOf(oneTask("crash_limits: 1"))[0]).toBe(
    "5:5 a task has no key 'crash_limits' [did you mean 'crash_limit'?]",
  );
});

test("templates take all of it", () => {
  const text = tasks(
    "  - name: x_{i}",
    "    command: e",
    "    parameters: {i: '1:3'}",
    "    retry_on: {timeout: 2}",
    "    crash_limit: 2",
  );
  expect(load(text).blocks).toMatchObject([
    { kind: "array", count: 3, faults: { retryOn: { timeout: 2 }, crashLimit: 2 } },
  ]);
});

test("all mistakes of a task are told at once", () => {
  const found = mistakesOf(
    oneTask("retry_on: {oomm: 1, disk: x}", "backoff: {max: x}", "crash_limit: 0"),
  );
  expect(found.map((each) => each.split(" ")[0])).toEqual(["5:16", "5:31", "6:20", "7:18"]);
});
