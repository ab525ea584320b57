// One state directory, one owner: a second run is refused, everybody else goes through the first.

import { beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { isAlive, linesOf, run, spec, start, tasks, until } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const gate =
  "echo $$ >pid_$HOLDALL_TASK; echo $$ >>pids; until [ -e go ]; do sleep 0.02; done; echo finished";

/** Two of four run; `last` waits for them all. */
async function startGated() {
  spec(cwd, {
    name: "first",
    tasks: [
      { name: "t_{i}", parameters: { i: "1:4" }, command: gate },
      { name: "last", command: "echo last", depends_on: ["t_{i}"], on_upstream_failure: "run" },
    ],
  });
  const running = start(cwd, ["run", "workflow.yaml", "--json", "--max-parallel", "2"]);
  await until("two tasks run", () => linesOf(join(cwd, "pids")).length === 2 || null);
  return running;
}

const open = async (): Promise<void> => void (await Bun.write(join(cwd, "go"), ""));

test("a second run is refused, naming process and host, and disturbs nothing", async () => {
  const first = await startGated();
  for (const args of [["workflow.yaml"], ["--", "true"], ["1"]]) {
    const second = await run(cwd, ["run", "--json", ...args]);
    expect(second.code).toBe(4);
    const { error } = JSON.parse(second.stdout);
    expect(error.code).toBe("conflict");
    expect(error.message).toContain(String(first.pid));
    expect(error.message).toContain(hostname());
    expect(error.fix).toBeString();
  }
  await open();
  const { code, stdout } = await first.result;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ succeeded: 5, attempts: 5 });
});

test("status and tasks tell what is going on", async () => {
  const first = await startGated();
  const { stdout } = await run(cwd, ["status", "--json"]);
  expect(JSON.parse(stdout)).toEqual({
    workflow_id: 1,
    name: "first",
    state: "running",
    tasks: {
      blocked: 1,
      ready: 2,
      assigned: 0,
      running: 2,
      succeeded: 0,
      failed: 0,
      canceled: 0,
      skipped: 0,
    },
  });
  const rows = await tasks(cwd, ["--state", "running"]);
  expect(Object.keys(rows)).toEqual(["t_1", "t_2"]);
  expect(rows["t_1"]).toMatchObject({ attempts: 1, exit_code: null, outcome: null });
  await open();
  expect((await first.result).code).toBe(0);
  const ended = await run(cwd, ["status", "--json"]);
  expect(JSON.parse(ended.stdout)).toMatchObject({ state: "succeeded", tasks: { succeeded: 5 } });
});

test("cancel TASK ends what runs and starts no more of what waits", async () => {
  const first = await startGated();
  const pid = Number(readFileSync(join(cwd, "pid_t_1"), "utf8"));
  const running = await run(cwd, ["cancel", "t_1", "--reason", "wrong seed", "--json"]);
  expect({ code: running.code, answer: JSON.parse(running.stdout) }).toMatchObject({ code: 0 });
  await until("its process is gone", () => !isAlive(pid) || null);
  expect((await run(cwd, ["cancel", "t_4"])).code).toBe(0);
  expect((await run(cwd, ["cancel", "t_9"])).code).toBe(3);
  await open();
  const { code, stdout } = await first.result;
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ succeeded: 3, canceled: 2, failed: 0, skipped: 0 });
  const rows = await tasks(cwd, ["--state", "canceled"]);
  expect(Object.keys(rows)).toEqual(["t_1", "t_4"]);
  expect(rows["t_4"]).toMatchObject({ attempts: 0 });
});

test("cancel ID ends the whole workflow", async () => {
  const first = await startGated();
  expect((await run(cwd, ["cancel", "1"])).code).toBe(0);
  const { code, stdout } = await first.result;
  expect(code).toBe(1);
  const report = JSON.parse(stdout);
  expect(report.succeeded).toBe(0);
  expect(report.canceled + report.skipped).toBe(5);
  expect(linesOf(join(cwd, "pids")).map(Number).some(isAlive)).toBe(false);
});

test("retry while the workflow runs goes on with the task at once", async () => {
  spec(cwd, {
    name: "w",
    tasks: [
      { name: "fails", command: "[ -e allowed ]" },
      { name: "holds", command: gate },
    ],
  });
  const first = start(cwd, ["run", "workflow.yaml", "--json", "--max-parallel", "2"]);
  await until("it failed", async () => {
    if (linesOf(join(cwd, "pids")).length === 0) return null;
    return (await tasks(cwd))["fails"]?.state === "failed" || null;
  });
  await Bun.write(join(cwd, "allowed"), "");
  expect((await run(cwd, ["retry", "fails"])).code).toBe(0);
  await until(
    "it succeeded",
    async () => (await tasks(cwd))["fails"]?.state === "succeeded" || null,
  );
  await open();
  const { code, stdout } = await first.result;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ succeeded: 2, attempts: 3 });
});

test("two state directories do not know each other", async () => {
  const first = await startGated();
  const other = await run(cwd, ["run", "--json", "--state-dir", "other", "--", "echo", "x"]);
  expect(other.code).toBe(0);
  await open();
  expect((await first.result).code).toBe(0);
});
