// How attempts end: exit codes, signals, time limits, retries, and what happens to the tasks behind them.

import { beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  isAlive,
  ledgerRows,
  linesOf,
  logs,
  run,
  runReport,
  spec,
  tasks,
} from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

async function runTasks(list: object[], ...flags: string[]) {
  return await runReport(cwd, [spec(cwd, { name: "w", tasks: list }), ...flags]);
}

test("exit codes and signals are told apart", async () => {
  const report = await runTasks([
    { name: "zero", command: "exit 0" },
    { name: "three", command: "exit 3" },
    { name: "highest", command: "exit 255" },
    { name: "as_shells_count", command: "exit 137" },
    { name: "killed", command: "kill -KILL $$" },
    { name: "ended", command: "kill -TERM $$" },
    { name: "crashed", command: "kill -SEGV $$" },
  ]);
  expect(report).toMatchObject({ code: 1, succeeded: 1, failed: 6, attempts: 7 });
  const rows = await tasks(cwd);
  expect(rows["zero"]).toMatchObject({ state: "succeeded", outcome: "ok", exit_code: 0 });
  expect(rows["three"]).toMatchObject({ state: "failed", outcome: "exit", exit_code: 3 });
  expect(rows["highest"]).toMatchObject({ outcome: "exit", exit_code: 255 });
  expect(rows["as_shells_count"]).toMatchObject({ outcome: "exit", exit_code: 137 });
  for (const name of ["killed", "ended", "crashed"])
    expect(rows[name]).toMatchObject({ state: "failed", outcome: "signal", exit_code: null });
  const { stderr } = await run(cwd, ["run", "workflow.yaml"]);
  expect(stderr).toContain("killed: signal: ended by SIGKILL");
  expect(stderr).toContain("ended: signal: ended by SIGTERM");
  expect(stderr).toContain("three: exit code 3");
});

test("retries are further attempts, each with its own number, output and record", async () => {
  const command = "echo attempt $HOLDALL_ATTEMPT; [ $HOLDALL_ATTEMPT -ge 3 ]";
  const report = await runTasks([
    { name: "third", command, retries: 5 },
    { name: "never", command: "exit 9", retries: 2 },
    { name: "once", command: "exit 9" },
  ]);
  expect(report).toMatchObject({ code: 1, succeeded: 1, failed: 2, attempts: 3 + 3 + 1 });
  const rows = await tasks(cwd);
  expect(rows["third"]).toMatchObject({ state: "succeeded", attempts: 3, exit_code: 0 });
  expect(rows["never"]).toMatchObject({ state: "failed", attempts: 3, exit_code: 9 });
  expect(rows["once"]).toMatchObject({ state: "failed", attempts: 1 });
  expect(await logs(cwd, "third")).toBe("attempt 3\n");
  for (const attempt of ["1", "2", "3"])
    expect(await logs(cwd, "third", "--attempt", attempt)).toBe(`attempt ${attempt}\n`);
  const stateDir = join(cwd, ".holdall");
  const accepted = ledgerRows(stateDir, "SELECT task, attempt FROM results ORDER BY task");
  expect(accepted).toEqual([
    { task: 0, attempt: 3 },
    { task: 1, attempt: 3 },
    { task: 2, attempt: 1 },
  ]);
  const others = ledgerRows(stateDir, "SELECT task, attempt FROM attempts ORDER BY task, attempt");
  expect(others).toEqual([
    { task: 0, attempt: 1 },
    { task: 0, attempt: 2 },
    { task: 1, attempt: 1 },
    { task: 1, attempt: 2 },
  ]);
});

test("a timeout ends the attempt with all its children", async () => {
  const report = await runTasks([
    { name: "slow", command: "sleep 300 & echo $! >child; sleep 300", timeout: "500ms" },
    { name: "stubborn", command: "trap '' TERM; while :; do sleep 0.1; done", timeout: "0.5s" },
    { name: "quick", command: "true", timeout: "1m" },
  ]);
  expect(report).toMatchObject({ code: 1, succeeded: 1, failed: 2, attempts: 3 });
  expect(report.wall_seconds).toBeGreaterThan(0.5);
  const rows = await tasks(cwd);
  expect(rows["slow"]).toMatchObject({ state: "failed", outcome: "timeout", attempts: 1 });
  expect(rows["stubborn"]).toMatchObject({ state: "failed", outcome: "timeout" });
  expect(isAlive(Number(readFileSync(join(cwd, "child"), "utf8")))).toBe(false);
});

test("--timeout stops the run with exit code 7, and what was stopped can go on", async () => {
  const list = [
    { name: "slow", command: "[ -e allowed ] || sleep 300" },
    { name: "after", command: "true", depends_on: ["slow"] },
  ];
  const report = await runTasks(list, "--timeout", "500ms");
  expect(report).toMatchObject({ code: 7, succeeded: 0 });
  await Bun.write(join(cwd, "allowed"), "");
  expect(await runTasks(list)).toMatchObject({ code: 0, succeeded: 2 });
});

test("what depends on a failure is skipped, all the way down, unless it asks to run", async () => {
  const note = (name: string): string => `echo ${name} >>ran`;
  const report = await runTasks([
    { name: "bad", command: "exit 1" },
    { name: "good", command: note("good") },
    { name: "child", command: note("child"), depends_on: ["bad", "good"] },
    { name: "grandchild", command: note("grandchild"), depends_on: ["child"] },
    {
      name: "cleanup",
      command: note("cleanup"),
      depends_on: ["grandchild"],
      on_upstream_failure: "run",
    },
    { name: "after_cleanup", command: note("after_cleanup"), depends_on: ["cleanup"] },
    {
      name: "explicit",
      command: note("explicit"),
      depends_on: ["bad"],
      on_upstream_failure: "skip",
    },
  ]);
  expect(report).toMatchObject({ code: 1, succeeded: 3, failed: 1, skipped: 3, attempts: 4 });
  expect(linesOf(join(cwd, "ran")).toSorted()).toEqual(["after_cleanup", "cleanup", "good"]);
  const rows = await tasks(cwd, ["--state", "skipped"]);
  expect(Object.keys(rows).toSorted()).toEqual(["child", "explicit", "grandchild"]);
  expect(rows["child"]).toMatchObject({ attempts: 0, outcome: null, exit_code: null, host: null });
});

test("a task waits for a whole array, and one per element", async () => {
  const report = await runTasks([
    { name: "part_{i:02d}", parameters: { i: "1:12" }, command: "echo part {i} >>ran" },
    { name: "all", command: "echo all >>ran", depends_on: ["part_{i:02d}"] },
    { name: "one", command: "echo one >>ran", depends_on: ["part_03"] },
  ]);
  expect(report).toMatchObject({ code: 0, succeeded: 14 });
  const lines = linesOf(join(cwd, "ran"));
  expect(lines.filter((line) => line.startsWith("part"))).toHaveLength(12);
  expect(
    lines.slice(0, lines.indexOf("all")).filter((line) => line.startsWith("part")),
  ).toHaveLength(12);
  expect(lines.indexOf("one")).toBeGreaterThan(lines.indexOf("part 3"));
});

test("an output makes an edge; what a task did not make is output_missing", async () => {
  const report = await runTasks([
    { name: "use", command: "cat made", inputs: ["made"] },
    { name: "make", command: "echo content >made", outputs: ["made"] },
    { name: "forgets", command: "true", outputs: ["never-made"] },
    { name: "waits", command: "cat never-made", inputs: ["never-made"] },
    { name: "removes", command: "rm gone", inputs: ["made"], outputs: ["gone"] },
  ]);
  expect(report).toMatchObject({ code: 1, succeeded: 2, failed: 2, skipped: 1 });
  const rows = await tasks(cwd);
  expect(await logs(cwd, "use")).toBe("content\n");
  expect(rows["forgets"]).toMatchObject({ state: "failed", outcome: "output_missing" });
  expect(rows["waits"]).toMatchObject({ state: "skipped" });
  expect(rows["removes"]).toMatchObject({ state: "failed", outcome: "exit" });
});

test("an input that goes away before the attempt is input_missing, and not retried", async () => {
  await Bun.write(join(cwd, "in"), "x");
  const report = await runTasks([
    { name: "first", command: "rm in" },
    { name: "second", command: "cat in", inputs: ["in"], depends_on: ["first"], retries: 4 },
  ]);
  expect(report).toMatchObject({ code: 1, succeeded: 1, failed: 1, attempts: 2 });
  expect((await tasks(cwd))["second"]).toMatchObject({ outcome: "input_missing", attempts: 1 });
});

test("retry sets back what did not succeed; run ID goes on with it", async () => {
  const list = [
    { name: "flaky", command: "[ -e allowed ]" },
    { name: "behind", command: "true", depends_on: ["flaky"] },
    { name: "fine", command: "true" },
  ];
  expect(await runTasks(list)).toMatchObject({ code: 1, failed: 1, skipped: 1, succeeded: 1 });
  expect((await run(cwd, ["retry", "--json"])).code).toBe(0);
  const status = JSON.parse((await run(cwd, ["status", "--json"])).stdout);
  expect(Object.keys(status)).toEqual(["workflow_id", "name", "state", "tasks"]);
  expect(status.tasks).toMatchObject({ ready: 1, blocked: 1, succeeded: 1, failed: 0, skipped: 0 });
  await Bun.write(join(cwd, "allowed"), "");
  expect(await runReport(cwd, ["1"])).toMatchObject({
    code: 0,
    succeeded: 3,
    attempts: 2,
    cached: 1,
  });
  expect((await tasks(cwd))["flaky"]).toMatchObject({ attempts: 2, state: "succeeded" });
});
