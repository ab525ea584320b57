// What follows from failures: further attempts, their delays and rules, and workflows that break off.

import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ledgerRows,
  linesOf,
  type RunReport,
  run,
  runReport,
  spec,
  start,
  tasks,
  untilFile,
} from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { endAll, serve, untilConnected, worker } from "../support/server.ts";

setDefaultTimeout(60_000);
afterEach(endAll);

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const runTasks = (
  list: readonly object[],
  args: readonly string[] = [],
  more: object = {},
): Promise<RunReport & { code: number | null }> =>
  runReport(cwd, [spec(cwd, { name: "w", ...more, tasks: list }), ...args]);

/** Why attempts of a task ended as they did, in order. */
function messagesOf(name: string): (string | null)[] {
  return ledgerRows<{ message: string | null }>(
    join(cwd, ".holdall"),
    `SELECT message FROM (
       SELECT workflow_id, task, attempt, message FROM attempts
       UNION ALL SELECT workflow_id, task, attempt, message FROM results
     ) JOIN task_bodies USING (workflow_id, task) WHERE name = '${name}' ORDER BY attempt`,
  ).map(({ message }) => message);
}

test("backoff: each further attempt waits longer, and its slot is free meanwhile", async () => {
  const note = "echo $(date +%s%3N) $HOLDALL_TASK.$HOLDALL_ATTEMPT >> starts";
  const backoff = { initial: "400ms", factor: 2, jitter: 0 };
  const failing = `${note}; [ $HOLDALL_ATTEMPT = 3 ]`;
  const report = await runTasks(
    [
      { name: "a", command: failing, retries: 2, backoff, priority: 1 },
      { name: "b", command: note },
    ],
    ["--cpus", "1"],
  );
  expect(report).toMatchObject({ code: 0, attempts: 4 });
  const starts = linesOf(join(cwd, "starts")).map((line) => line.split(" "));
  expect(starts.map(([, name]) => name)).toEqual(["a.1", "b.1", "a.2", "a.3"]);
  const at = new Map(starts.map(([ms, name]) => [name!, Number(ms)]));
  const gaps = [at.get("a.2")! - at.get("a.1")!, at.get("a.3")! - at.get("a.2")!];
  expect(gaps[0]).toBeGreaterThanOrEqual(400);
  expect(gaps[1]).toBeGreaterThanOrEqual(800);
});

test("retry_on: one outcome has attempts of its own, beside retries", async () => {
  const report = await runTasks([
    {
      name: "absent",
      command: ["./not-there"],
      retry_on: { launch_error: 2 },
      backoff: { initial: 0 },
    },
    { name: "plain", command: ["./not-there"], retries: 5 },
    { name: "slow", command: "sleep 60", timeout: "100ms", retry_on: { timeout: 1 } },
    { name: "exits", command: "exit 3", retry_on: { timeout: 3 } },
    { name: "both", command: "exit 3", retries: 1, retry_on: { exit: 2 }, backoff: { initial: 0 } },
  ]);
  expect(report).toMatchObject({ code: 1, failed: 5 });
  const rows = await tasks(cwd);
  const seen = Object.values(rows).map((row) => [row.name, row.outcome, row.attempts]);
  expect(seen).toEqual([
    ["absent", "launch_error", 3],
    ["plain", "launch_error", 1],
    ["slow", "timeout", 2],
    ["exits", "exit", 1],
    ["both", "exit", 3],
  ]);
});

test("exit_codes: the recovery command has ended before the further attempt; other codes are not retried", async () => {
  const command = "echo start $HOLDALL_ATTEMPT >> order; [ -e mended ] || exit 7";
  const recovery =
    "echo recovery of $HOLDALL_TASK after $HOLDALL_RETURN_CODE >> order; sleep 0.3; echo x > mended; echo mended >> order";
  const rules = [{ codes: [7, 8], retries: 2, recovery }];
  const report = await runTasks([
    { name: "mends", command, exit_codes: rules, env: { MARK: "1" } },
    { name: "other", command: "exit 9", exit_codes: rules, retries: 0 },
  ]);
  expect(report).toMatchObject({ code: 1, succeeded: 1, failed: 1, attempts: 3 });
  expect(linesOf(join(cwd, "order"))).toEqual([
    "start 1",
    "recovery of mends after 7",
    "mended",
    "start 2",
  ]);
  expect(await tasks(cwd)).toMatchObject({
    mends: { state: "succeeded", attempts: 2 },
    other: { state: "failed", attempts: 1, exit_code: 9 },
  });
});

test("a recovery command that fails, fails the task and says so; its command does not run again", async () => {
  const exit_codes = [{ codes: "any", retries: 5, recovery: "echo no space left >&2; exit 4" }];
  const report = await runTasks([{ name: "a", command: "echo x >> ran; exit 7", exit_codes }]);
  expect(report).toMatchObject({ code: 1, failed: 1 });
  expect(linesOf(join(cwd, "ran"))).toEqual(["x"]);
  expect(messagesOf("a").at(-1)).toContain("its recovery command failed");
  const { stderr } = await run(cwd, ["status"]);
  const shown = stderr + (await run(cwd, ["run", "workflow.yaml"])).stderr;
  expect(shown).toContain("recovery command failed");
});

test("Torc's failure_handlers: max_retries counts attempts, the script runs before each further one", async () => {
  const failure_handlers = [
    {
      name: "h",
      rules: [
        { exit_codes: [10], max_retries: 3, recovery_script: "echo script >> order" },
        { match_all_exit_codes: true, max_retries: 2 },
      ],
    },
  ];
  const backoff = { initial: 0 };
  const task = (name: string, code: number): object => ({
    name,
    command: `echo ${name} >> order; exit ${code}`,
    failure_handler: "h",
    backoff,
  });
  await runTasks([task("ten", 10), task("eleven", 11)], ["--cpus", "1"], { failure_handlers });
  const rows = await tasks(cwd);
  expect([rows["ten"]!.attempts, rows["eleven"]!.attempts]).toEqual([3, 2]);
  const order = linesOf(join(cwd, "order")).filter((line) => line !== "eleven");
  expect(order).toEqual(["ten", "script", "ten", "script", "ten"]);
});

test("max_failures: nothing more is started, and what runs may end", async () => {
  const long = "echo up > up; until [ -e go ]; do sleep 0.02; done; echo done > long";
  const running = start(cwd, [
    "run",
    "--json",
    "--cpus",
    "2",
    spec(cwd, {
      name: "w",
      max_failures: 3,
      tasks: [
        { name: "long", command: long, priority: 2 },
        // Ends only when the long one runs; the last to fail says so.
        {
          name: "bad_{i}",
          parameters: { i: "1:50" },
          command:
            "echo {i} >> bad; until [ -e up ]; do sleep 0.02; done; [ {i} -lt 3 ] || echo x > go; exit 1",
        },
        { name: "after", command: "true", depends_on: ["bad_1"] },
      ],
    }),
  ]);
  const { stdout, code } = await running.result;
  const report = JSON.parse(stdout) as RunReport;
  expect(code).toBe(1);
  // Up to what was held in advance and had begun.
  expect(report.failed).toBeGreaterThanOrEqual(3);
  expect(report.failed).toBeLessThan(10);
  expect(report).toMatchObject({ succeeded: 1, skipped: 1, canceled: 50 - report.failed });
  expect(existsSync(join(cwd, "long"))).toBe(true);
  const reason = ledgerRows<{ reason: string }>(
    join(cwd, ".holdall"),
    "SELECT DISTINCT reason FROM canceled",
  );
  expect(reason).toEqual([{ reason: "3 tasks failed: max_failures is reached" }]);
});

test("on_failure: stop ends what runs; --on-failure and --max-failures say otherwise", async () => {
  const document = spec(cwd, {
    name: "w",
    on_failure: "stop",
    tasks: [
      { name: "long", command: "echo $$ > pid; exec sleep 300", priority: 1 },
      { name: "bad", command: "until [ -s pid ]; do sleep 0.02; done; exit 1" },
      { name: "good_{i}", parameters: { i: "1:20" }, command: "true", depends_on: ["long"] },
    ],
  });
  const report = await runReport(cwd, [document, "--cpus", "2"]);
  expect(report).toMatchObject({ code: 1, failed: 1, succeeded: 0, canceled: 21 });
  expect(await tasks(cwd)).toMatchObject({ long: { state: "canceled" }, bad: { state: "failed" } });
  expect(existsSync(`/proc/${readFileSync(join(cwd, "pid"), "utf8").trim()}`)).toBe(false);

  const bag = ["--array", "0-9", "--cpus", "1", "--", "sh", "-c", "exit 1"];
  const dir = (name: string): string[] => ["--state-dir", name];
  expect(await runReport(cwd, [...dir("s1"), "--on-failure", "stop", ...bag])).toMatchObject({
    canceled: expect.any(Number) as number,
    succeeded: 0,
  });
  const all = spec(cwd, {
    name: "all",
    on_failure: "stop",
    tasks: [{ name: "t_{i}", parameters: { i: "1:9" }, command: "exit 1" }],
  });
  const continued = await runReport(cwd, [...dir("s2"), all, "--on-failure", "continue"]);
  expect(continued).toMatchObject({ failed: 9, canceled: 0 });
  const id = await run(cwd, ["run", "1", ...dir("s2"), "--max-failures", "2"]);
  expect(id.code).toBe(2);
  expect(id.stderr).toContain("--max-failures is for a new workflow, and 1 exists");
});

test("crash limit: the task that ends its workers fails with the reason, and the others finish", async () => {
  const server = await serve(cwd, ["--heartbeat", "150"]);
  const killer =
    "until [ -s worker ]; do sleep 0.02; done; w=$(cat worker); rm worker; kill -9 $w; sleep 60";
  const document = spec(cwd, {
    name: "w",
    tasks: [
      { name: "killer", command: killer },
      { name: "good_{i}", parameters: { i: "1:5" }, command: "sleep 0.05; echo {i} >> good" },
    ],
  });
  expect((await run(cwd, ["submit", document])).code).toBe(0);
  const waiting = start(cwd, ["wait", "--timeout", "50"]);
  let killed = 0;
  for (;;) {
    const process = worker(cwd, ["--cpus", "2", "--quiet"]);
    await untilConnected(server, process);
    // Whole at once: the task must not read a part of a number.
    writeFileSync(join(cwd, "worker.new"), String(process.pid));
    renameSync(join(cwd, "worker.new"), join(cwd, "worker"));
    const first = await Promise.race([
      process.result.then(() => "killed"),
      waiting.result.then(() => "over"),
    ]);
    if (first === "over") break;
    killed++;
  }
  expect(killed).toBe(5);
  expect((await waiting.result).code).toBe(1);
  const rows = await tasks(cwd);
  expect(rows["killer"]).toMatchObject({ state: "failed", outcome: "worker_lost", attempts: 5 });
  for (let i = 1; i <= 5; i++) expect(rows[`good_${i}`]).toMatchObject({ state: "succeeded" });
  const detail = await server.fetch("/api/v1/workflows/1/tasks/killer");
  const { attempts_detail } = (await detail.json()) as {
    attempts_detail: { message: string | null }[];
  };
  expect(attempts_detail.at(-1)!.message).toContain("the crash limit of 5 is reached");
});

test("priorities on one slot: the workflow's, then the task's, then order of submission", async () => {
  const server = await serve(cwd);
  const note = 'echo "$HOLDALL_WORKFLOW_ID $HOLDALL_TASK" >> order';
  const bag = (name: string): object => ({
    name,
    tasks: [
      { name: "low", command: note, priority: -1 },
      { name: "middle", command: note },
      { name: "high", command: note, priority: 5 },
    ],
  });
  for (const args of [[], ["--priority", "3"], ["--priority", "-2"]])
    await run(cwd, ["submit", spec(cwd, bag("w"), "w.yaml"), ...args]);
  const process = worker(cwd, ["--cpus", "1"]);
  await untilConnected(server, process);
  for (const id of ["1", "2", "3"])
    expect((await run(cwd, ["wait", id, "--timeout", "30"])).code).toBe(0);
  expect(linesOf(join(cwd, "order"))).toEqual(
    [2, 1, 3].flatMap((id) => ["high", "middle", "low"].map((name) => `${id} ${name}`)),
  );
});

test("age: a task that waited passes a priority that is one higher, and none that is two higher", async () => {
  const note = "echo $HOLDALL_TASK >> order";
  const document = (ageing: object): string =>
    spec(cwd, {
      name: "w",
      ...ageing,
      tasks: [
        // What waits for it becomes ready only when the old one has waited for a second.
        { name: "first", command: "echo up > up; sleep 1.2", priority: 9 },
        { name: "old", command: note },
        { name: "one", command: note, priority: 1, depends_on: ["first"] },
        { name: "two", command: note, priority: 2, depends_on: ["first"] },
      ],
    });
  expect(await runReport(cwd, [document({ age: "1s" }), "--cpus", "1"])).toMatchObject({ code: 0 });
  expect(linesOf(join(cwd, "order"))).toEqual(["two", "old", "one"]);
  writeFileSync(join(cwd, "order"), "");
  const flag = [document({ age: "1s" }), "--fresh", "--age", "1h", "--cpus", "1"];
  expect(await runReport(cwd, flag)).toMatchObject({ code: 0 });
  expect(linesOf(join(cwd, "order"))).toEqual(["two", "one", "old"]);
  await untilFile(join(cwd, "up"));
});

test("max_concurrent of a category holds over all workers", async () => {
  const server = await serve(cwd);
  const command = "echo + >> log; sleep 0.1; echo - >> log";
  const list = [
    { name: "a_{i}", parameters: { i: "1:8" }, command, category: "few" },
    { name: "b_{i}", parameters: { i: "1:4" }, command: "true" },
  ];
  const document = spec(cwd, {
    name: "w",
    categories: { few: { max_concurrent: 2 } },
    tasks: list,
  });
  await run(cwd, ["submit", document]);
  for (let i = 0; i < 2; i++) await untilConnected(server, worker(cwd, ["--cpus", "4"]));
  expect((await run(cwd, ["wait", "--timeout", "30"])).code).toBe(0);
  let now = 0;
  let most = 0;
  for (const line of linesOf(join(cwd, "log"))) {
    now += line === "+" ? 1 : -1;
    most = Math.max(most, now);
  }
  expect(most).toBe(2);
});
