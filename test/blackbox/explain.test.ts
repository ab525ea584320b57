// `explain`: for each reason why a task is not running, what it says and what it advises.

import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { linesOf, parseJson, run, spec, tasks, until, untilFile } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, endAll, type Serving, serve } from "../support/server.ts";

setDefaultTimeout(60_000);
afterEach(endAll);

let cwd = "";
let server: Serving;
beforeEach(async () => {
  cwd = scratchDir();
  server = await serve(cwd);
});

interface Reason {
  kind: string;
  text: string;
  fix: string | null;
}

async function submit(list: readonly object[], more: object = {}): Promise<void> {
  const document = spec(cwd, { name: "w", ...more, tasks: list });
  const { code, stderr } = await run(cwd, ["submit", "--quiet", document]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
}

/** The reasons as JSON; the text for people says the same. */
async function why(task: string): Promise<Reason[]> {
  const [json, text] = await Promise.all([
    run(cwd, ["explain", task, "--json"]),
    run(cwd, ["explain", task]),
  ]);
  expect([json.code, text.code]).toEqual([0, 0]);
  const answer = parseJson(json.stdout, json.stderr) as { state: string; reasons: Reason[] };
  expect(text.stdout).toStartWith(`${task.replace(/^\d+\//, "")} is ${answer.state}\n`);
  expect(text.stdout.match(/^ {4}-> /gm) ?? []).toHaveLength(
    answer.reasons.filter(({ fix }) => fix !== null).length,
  );
  return answer.reasons;
}

/** Runs until `go` is there, and says so in `up`. */
const GATE = "echo $HOLDALL_TASK >> up; until [ -e go ]; do sleep 0.02; done";
const untilUp = (count = 1): Promise<unknown> =>
  until(`${count} run`, () => linesOf(join(cwd, "up")).length >= count);

const here = hostname();

test("blocked: which tasks it waits for; skipped: which of them failed; ended", async () => {
  await submit([
    { name: "first", command: GATE, priority: 2 },
    { name: "bad", command: "exit 3" },
    { name: "waits", command: "true", depends_on: ["first", "bad"] },
    { name: "good", command: "true", priority: 1 },
  ]);
  expect(await why("waits")).toEqual([
    {
      kind: "upstream",
      text: "it waits for what comes before it: first, bad",
      fix: "it starts when these have ended: holdall explain 1/first",
    },
  ]);
  await connectedWorker(server, cwd, ["--cpus", "2"]);
  await untilUp();
  const [{ worker_id } = { worker_id: 0 }] = await server.workers();
  expect(await why("1/first")).toEqual([
    { kind: "running", text: `it runs on worker ${worker_id} on ${here}`, fix: null },
  ]);
  await until("the bad one failed", async () => (await tasks(cwd))["bad"]!.state === "failed");
  expect(await why("waits")).toEqual([
    {
      kind: "upstream_failed",
      text: "something before it did not succeed: bad",
      fix: "holdall retry runs those again, and this after them; on_upstream_failure: run would start it anyway",
    },
  ]);
  expect(await why("bad")).toEqual([
    { kind: "ended", text: "it has ended: failed", fix: "holdall retry 1/bad runs it again" },
  ]);
  expect(await why("good")).toEqual([
    { kind: "ended", text: "it has ended: succeeded", fix: null },
  ]);
});

test("no workers; too large for every worker known; a larger one makes it a matter of time", async () => {
  await submit([{ name: "big", command: GATE, cpus: 8, memory: "1g" }]);
  expect(await why("big")).toEqual([
    {
      kind: "no_workers",
      text: "no worker is connected",
      fix: "start one with holdall worker, or work on it here with holdall run 1",
    },
  ]);
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  await connectedWorker(server, cwd, ["--cpus", "8", "--memory", "512m"]);
  expect(await why("big")).toEqual([
    {
      kind: "too_large",
      text: `too large for every worker known: worker 1 on ${here}: offers 1 cpu in all, and the task needs 8 cpus`,
      fix: "start a worker with more (--cpus 8), or lower the task's requirement",
    },
    {
      kind: "too_large",
      text: `too large for every worker known: worker 2 on ${here}: offers 512 MiB of memory in all, and the task needs 1 GiB of memory`,
      fix: "start a worker with more (--memory 1024m), or lower the task's requirement",
    },
  ]);
  await connectedWorker(server, cwd, ["--cpus", "8", "--memory", "2g"]);
  await untilUp();
  expect((await why("big"))[0]!.kind).toBe("running");
});

test("busy: which resource is short on which worker, and behind how many", async () => {
  await connectedWorker(server, cwd, ["--cpus", "2", "--custom", "licences=1"]);
  await submit([
    { name: "runs", command: GATE, cpus: 1.5, custom: { licences: 1 }, priority: 9 },
    { name: "high_{i}", parameters: { i: "1:3" }, command: "true", cpus: 2, priority: 5 },
    { name: "next_{i}", parameters: { i: "1:3" }, command: "true" },
    { name: "licence", command: "true", cpus: 0.5, custom: { licences: 1 }, priority: 8 },
  ]);
  await untilUp();
  expect(await why("next_3")).toEqual([
    {
      kind: "busy",
      text: `worker 1 on ${here}: has 0.5 cpus free at the moment, and the task needs 1 cpu`,
      fix: "it waits for running tasks to end; more workers help",
    },
    {
      kind: "behind",
      text: "behind 4 ready tasks of a higher priority, and behind 2 ready tasks of its own kind",
      fix: "a higher priority in the document moves it forward; more workers shorten the queue",
    },
  ]);
  expect(await why("licence")).toEqual([
    {
      kind: "busy",
      text: `worker 1 on ${here}: has 0 licences free at the moment, and the task needs 1 licences`,
      fix: "it waits for running tasks to end; more workers help",
    },
  ]);
});

test("bound to a scheduler without workers, features, hosts, time", async () => {
  await submit(
    [
      { name: "night", command: "true", scheduler: "night" },
      { name: "fast", command: "true", features: ["avx512", "scratch"] },
      { name: "there", command: "true", required_hosts: ["n1", "n2"] },
      { name: "long", command: "true", runtime: "2h" },
    ],
    { slurm_schedulers: [{ name: "day" }, { name: "night" }] },
  );
  const args = ["--scheduler", "day", "--feature", "scratch", "--time-limit", "1h"];
  await connectedWorker(server, cwd, args);
  expect(await why("night")).toEqual([
    {
      kind: "scheduler",
      text: "it is bound to scheduler 'night', and no worker of it is connected",
      fix: "start one with holdall worker --scheduler night, or one that takes any with --flexible",
    },
  ]);
  expect(await why("fast")).toEqual([
    {
      kind: "features",
      text: `worker 1 on ${here}: lacks the feature avx512`,
      fix: "start a worker with --feature avx512",
    },
  ]);
  expect(await why("there")).toEqual([
    {
      kind: "host",
      text: `worker 1 on ${here}: is on ${here}, and the task requires n1 or n2`,
      fix: "start a worker there",
    },
  ]);
  expect(await why("long")).toEqual([
    {
      kind: "time",
      text: expect.stringMatching(
        /: has (1h 00m|59m \d+s) left, and the task is expected to take 2h 00m$/,
      ) as string,
      fix: "start a worker with a longer --time-limit, or lower the task's runtime",
    },
  ]);
});

test("a flexible worker takes what is bound to others last", async () => {
  await connectedWorker(server, cwd, ["--cpus", "2", "--flexible"]);
  await submit(
    [
      { name: "large", command: "true", cpus: 2, priority: 1 },
      { name: "runs", command: GATE, priority: 2 },
      { name: "night", command: "true", scheduler: "night" },
    ],
    { slurm_schedulers: [{ name: "night" }] },
  );
  await untilUp();
  expect((await why("night"))[0]).toEqual({
    kind: "borrows",
    text: `worker 1 on ${here}: takes what is bound to scheduler 'night' only when nothing else is ready`,
    fix: "start a worker with --scheduler night",
  });
});

test("backing off until; the limit of a category", async () => {
  await connectedWorker(server, cwd, ["--cpus", "4"]);
  await submit(
    [
      {
        name: "again",
        command: "exit 1",
        retries: 3,
        backoff: { initial: "1h", max: "1h", jitter: 0 },
      },
      { name: "few_{i}", parameters: { i: "1:3" }, command: GATE, category: "few" },
    ],
    { categories: { few: { max_concurrent: 2 } } },
  );
  await untilUp(2);
  await until("it failed once", async () => (await tasks(cwd))["again"]!.attempts === 1);
  const [backOff] = await until("it waits", async () => {
    const reasons = await why("again");
    return reasons[0]?.kind === "back_off" ? reasons : null;
  });
  expect(backOff!.text).toMatch(/^it failed and backs off for another (1h 00m|59m \d+s)$/);
  const reasons = await why("few_3");
  expect(reasons.find(({ kind }) => kind === "category_limit")).toEqual({
    kind: "category_limit",
    text: "as many tasks of category 'few' run as may at a time: 2",
    fix: "it starts when one of them ends; max_concurrent of the category allows more",
  });
});

test("draining", async () => {
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  await submit([
    { name: "runs", command: GATE, priority: 1 },
    { name: "waits", command: "true" },
  ]);
  await untilFile(join(cwd, "up"));
  expect((await run(cwd, ["worker", "--drain", "1"])).code).toBe(0);
  expect((await why("waits"))[0]).toEqual({
    kind: "draining",
    text: `worker 1 on ${here}: drains: it takes nothing new`,
    fix: "start another worker",
  });
  writeFileSync(join(cwd, "go"), "");
});

test("where nobody works on it, and what does not exist", async () => {
  await submit([{ name: "a", command: "true" }]);
  server.kill("SIGTERM");
  await server.result;
  expect((await why("a")).map(({ kind }) => kind)).toEqual(["no_workers"]);
  const unknown = await run(cwd, ["explain", "b", "--json"]);
  expect(unknown.code).toBe(3);
  expect(parseJson(unknown.stdout, unknown.stderr)).toMatchObject({ error: { code: "not_found" } });
});
