// Actions of a workflow: each when it is due, and each once.

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ledgerRows,
  parseJson,
  linesOf,
  run,
  runReport,
  spec,
  start,
  until,
  untilFile,
} from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, endAll, serve } from "../support/server.ts";

setDefaultTimeout(60_000);
afterEach(endAll);

const say = (word: string): object => ({
  action_type: "run_commands",
  commands: [`echo ${word} >> log`],
});

/** a → b_1, b_2 → c, with an action for everything that can happen. */
const everything = {
  name: "w",
  jobs: [
    { name: "a", command: "test -s log && echo a >> log" },
    { name: "b_{i}", command: "echo b_{i} >> log", parameters: { i: "1:2" }, depends_on: ["a"] },
    { name: "c", command: "echo c >> log", depends_on_regexes: ["^b_"] },
  ],
  actions: [
    { trigger_type: "on_workflow_start", ...say("start") },
    { trigger_type: "on_jobs_ready", jobs: ["c"], ...say("c_ready") },
    { trigger_type: "on_jobs_complete", job_name_regexes: ["^b_"], ...say("b_complete") },
    { trigger_type: "on_workflow_complete", ...say("complete") },
    { trigger_type: "on_worker_start", ...say("worker") },
    { trigger_type: "on_worker_complete", persistent: true, ...say("worker_end") },
  ],
};

test("each of the six triggers, once", async () => {
  const cwd = scratchDir();
  const document = spec(cwd, everything);
  expect(await runReport(cwd, [document])).toMatchObject({ code: 0, tasks: 4, succeeded: 4 });
  const log = linesOf(join(cwd, "log"));
  expect(log.toSorted()).toEqual(
    [
      "start",
      "worker",
      "a",
      "b_1",
      "b_2",
      "c",
      "c_ready",
      "b_complete",
      "worker_end",
      "complete",
    ].toSorted(),
  );
  expect(log.slice(0, 3)).toEqual(["start", "worker", "a"]);
  expect(log.indexOf("b_complete")).toBeGreaterThan(
    Math.max(log.indexOf("b_1"), log.indexOf("b_2")),
  );
  expect(log.indexOf("complete")).toBeGreaterThan(log.indexOf("c"));

  const { stdout, stderr } = await run(cwd, ["status", "--actions", "--json"]);
  expect(
    (parseJson(stdout, stderr) as { actions: object[] }).actions.map((each) => Object.values(each)),
  ).toEqual(
    everything.actions.map(({ trigger_type }, i) => [
      i + 1,
      trigger_type,
      "run_commands",
      "done",
      i === 5 ? 1 : null,
      0,
      "",
      expect.any(String),
      expect.any(String),
    ]),
  );

  // nothing is left to do, and nothing is done again; a new worker is one more for what is persistent
  expect(await runReport(cwd, [document])).toMatchObject({ code: 0, attempts: 0 });
  expect(linesOf(join(cwd, "log"))).toHaveLength(10);
  const again = await run(cwd, ["run", document, "--fresh", "--json"]);
  expect(again.code).toBe(0);
  expect(linesOf(join(cwd, "log"))).toHaveLength(20);
});

test("a failed action is told and changes nothing", async () => {
  const cwd = scratchDir();
  const document = spec(cwd, {
    name: "w",
    tasks: [{ name: "a", command: "true" }],
    actions: [
      {
        trigger_type: "on_workflow_start",
        action_type: "run_commands",
        commands: ["echo why >&2; exit 3", "touch never"],
      },
    ],
  });
  const { code, stderr } = await run(cwd, ["run", document]);
  expect(code).toBe(0);
  expect(stderr).toContain("action 1 (on_workflow_start) of workflow 1 failed");
  expect(stderr).toContain("why");
  expect(existsSync(join(cwd, "never"))).toBe(false);
  expect(ledgerRows(join(cwd, ".holdall"), "SELECT action, exit_code FROM actions")).toEqual([
    { action: 0, exit_code: 3 },
  ]);
});

test("killed in the middle: what was claimed is not done again, what is left is", async () => {
  const cwd = scratchDir();
  const document = spec(cwd, {
    name: "w",
    tasks: [{ name: "a", command: "touch running; while test ! -e go; do sleep 0.02; done" }],
    actions: [
      { trigger_type: "on_workflow_start", ...say("start") },
      { trigger_type: "on_workflow_complete", ...say("complete") },
    ],
  });
  const first = start(cwd, ["run", document]);
  await untilFile(join(cwd, "log"));
  await until("the task runs", () => existsSync(join(cwd, "running")));
  first.kill("SIGKILL");
  await first.result;
  writeFileSync(join(cwd, "go"), "");
  expect(await runReport(cwd, [document])).toMatchObject({ code: 0, succeeded: 1 });
  expect(linesOf(join(cwd, "log"))).toEqual(["start", "complete"]);
});

test("a server does them for workers elsewhere, and says what it does not", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await connectedWorker(server, cwd, ["--cpus", "2"]);
  const submitted = await run(cwd, [
    "submit",
    spec(cwd, {
      ...everything,
      jobs: [{ name: "a", command: "echo a >> log" }, ...everything.jobs.slice(1)],
    }),
  ]);
  expect(submitted.code).toBe(0);
  expect(submitted.stderr).toContain("workflow.yaml:");
  expect(submitted.stderr).toContain("not yet by the workers of a server");
  expect((await run(cwd, ["wait", "--timeout", "30"])).code).toBe(0);
  const log = await until("the last action", () => {
    const lines = linesOf(join(cwd, "log"));
    return lines.includes("complete") && lines.length >= 8 ? lines : null;
  });
  expect(log.toSorted()).toEqual(
    ["start", "a", "b_1", "b_2", "c", "c_ready", "b_complete", "complete"].toSorted(),
  );
});

test("nodes are asked for by a server alone", async () => {
  const cwd = scratchDir();
  const document = spec(cwd, {
    name: "w",
    slurm_schedulers: [{ name: "s", account: "x" }],
    tasks: [{ name: "a", command: "true" }],
    actions: [{ trigger_type: "on_workflow_start", action_type: "schedule_nodes", scheduler: "s" }],
  });
  const { code, stderr } = await run(cwd, ["run", document]);
  expect(code).toBe(0);
  expect(stderr).toContain("nodes are asked for by `holdall serve`");
});
