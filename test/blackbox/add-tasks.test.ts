// Tasks added to a workflow that a server has: while it runs and after it ended, durable once answered.

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, parseJson, run, spec, tasks, untilFile } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, endAll, serve, worker } from "../support/server.ts";

setDefaultTimeout(60_000);
afterEach(endAll);

interface Answer {
  workflow_id: number;
  name: string;
  tasks: number;
}

async function submit(cwd: string, args: readonly string[]): Promise<Answer> {
  const { code, stdout, stderr } = await run(cwd, ["submit", "--json", ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return parseJson(stdout, stderr) as Answer;
}

const wait = async (cwd: string): Promise<number | null> =>
  (await run(cwd, ["wait", "--timeout", "30"])).code;

const states = async (cwd: string): Promise<Record<string, string>> =>
  Object.fromEntries(Object.values(await tasks(cwd)).map(({ name, state }) => [name, state]));

const says = (word: string): string => `echo ${word} >> order`;

test("while it runs: what waits for a running task and for an array starts after them", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await connectedWorker(server, cwd, ["--cpus", "2"]);
  const first = "echo up > up; while [ ! -e go ]; do sleep 0.01; done; echo first >> order";
  const base = {
    name: "w",
    tasks: [
      { name: "first", command: first },
      { name: "a_{i}", parameters: { i: "1:3" }, command: says("a") },
    ],
  };
  await submit(cwd, [spec(cwd, base)]);
  await untilFile(join(cwd, "up"));
  const more = {
    name: "more",
    tasks: [
      { name: "head", command: says("head"), inputs: ["made-later"], env: { MARK: "x" } },
      { name: "tail", command: `test $HOLDALL_TASK = tail && ${says("tail")}`, depends_on: "head" },
      { name: "b_{i}", parameters: { i: "1:2" }, command: says("b_{i}") },
    ],
  };
  const document = spec(cwd, more, "more.yaml");
  const added = await submit(cwd, ["--to", "1", "--after", "first", "--after", "a_{i}", document]);
  expect(added).toEqual({ workflow_id: 1, name: "w", tasks: 4 });
  expect(await states(cwd)).toMatchObject({ first: "running", head: "blocked", b_1: "blocked" });
  writeFileSync(join(cwd, "made-later"), "");
  writeFileSync(join(cwd, "go"), "");
  expect(await wait(cwd)).toBe(0);
  const order = linesOf(join(cwd, "order"));
  expect(order.slice(0, 4).toSorted()).toEqual(["a", "a", "a", "first"]);
  expect(order.slice(4).toSorted()).toEqual(["b_1", "b_2", "head", "tail"]);
  expect(order.indexOf("tail")).toBeGreaterThan(order.indexOf("head"));
});

test("after it ended it goes on; a glob; behind a failure they are skipped, and the workflow stays ended", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await connectedWorker(server, cwd);
  await submit(cwd, [spec(cwd, { name: "w", tasks: [{ name: "good", command: says("good") }] })]);
  expect(await wait(cwd)).toBe(0);
  await submit(cwd, ["--to", "1", "--after", "go*", "--name", "again", "--", "sh", "-c", "exit 3"]);
  expect(await wait(cwd)).toBe(1);
  const behind = ["--to", "latest", "--after", "again", "--name", "never", "--", "true"];
  await submit(cwd, behind);
  expect(await wait(cwd)).toBe(1);
  expect(await states(cwd)).toEqual({ good: "succeeded", again: "failed", never: "skipped" });
  server.kill("SIGKILL");
  await server.result;
  await serve(cwd);
  expect(await states(cwd)).toEqual({ good: "succeeded", again: "failed", never: "skipped" });
  expect(await wait(cwd)).toBe(1);
});

test("kill -9 right after the answer: the tasks are there and run; the same key gives the same answer", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  worker(cwd, ["--cpus", "1"]);
  await submit(cwd, ["--", "true"]);
  expect(await wait(cwd)).toBe(0);
  const args = ["--to", "1", "--idempotency-key", "k", "--after", "true"];
  const bag = [...args, "--name", "bag", "--array", "0-9", "--", "sh", "-c", "echo {i} >> ran"];
  const answer = await submit(cwd, bag);
  server.kill("SIGKILL");
  await server.result;
  expect(answer).toEqual({ workflow_id: 1, name: "true", tasks: 10 });
  await serve(cwd);
  expect(await wait(cwd)).toBe(0);
  expect(linesOf(join(cwd, "ran")).toSorted()).toEqual("0123456789".split(""));
  expect(await submit(cwd, bag)).toEqual(answer);
  expect(Object.keys(await tasks(cwd))).toHaveLength(11);
  const other = await run(cwd, ["submit", ...args, "--name", "other", "--", "true"]);
  expect(other.code).toBe(4);
  expect(other.stderr).toContain("the idempotency key was used for other tasks");
});

test("two at once under one key are one addition", async () => {
  const cwd = scratchDir();
  await serve(cwd);
  await submit(cwd, ["--", "true"]);
  const args = ["--to", "1", "--idempotency-key", "k", "--name", "second", "--", "true"];
  const answers = await Promise.all([submit(cwd, args), submit(cwd, args), submit(cwd, args)]);
  expect(new Set(answers.map((each) => JSON.stringify(each))).size).toBe(1);
  expect(Object.keys(await tasks(cwd)).toSorted()).toEqual(["second", "true"]);
});

test("what cannot be added is refused with a reason, and leaves nothing", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const base = {
    name: "w",
    tasks: [
      { name: "single", command: "true" },
      { name: "a_{i:03d}", parameters: { i: "1:500" }, command: "true" },
      { name: "huge_{i}", parameters: { i: "1:3000000" }, command: "true" },
    ],
  };
  await submit(cwd, [spec(cwd, base)]);
  const add = async (list: object[], ...flags: string[]): Promise<[number | null, string]> => {
    const document = spec(cwd, { name: "more", tasks: list }, "more.yaml");
    const { code, stderr } = await run(cwd, ["submit", "--to", "1", ...flags, document]);
    return [code, stderr];
  };
  const array = (name: string, i: string | string[]): object => ({
    name,
    parameters: { i },
    command: "true",
  });
  const task = (name: string): object => ({ name, command: "true" });
  const refused: [object[], string[], number, string][] = [
    [[task("new"), task("single")], [], 4, 'workflow 1 has a task "single" already'],
    [[task("new"), task("a_017")], [], 4, 'workflow 1 has a task "a_017" already'],
    [[array("a_{i:03d}", "500:600")], [], 4, 'workflow 1 has a task "a_500" already'],
    [[array("{i}", ["single", "other"])], [], 4, 'workflow 1 has a task "single" already'],
    [[array("huge_{i}", "3000001:6000000")], [], 4, "more than 1,000,000 comparisons"],
    [[task("new")], ["--after", "sinlge"], 3, "nearest: single"],
    [[task("new")], ["--after", "none*"], 3, 'no task "none*"'],
    [[task("new")], ["--priority", "3"], 2, "--priority is for a new workflow, and 1 exists"],
    [[task("new")], ["--stdout", "none"], 2, "--stdout is for a new workflow"],
  ];
  for (const [list, flags, code, text] of refused) {
    const [exit, stderr] = await add(list, ...flags);
    expect([JSON.stringify(list), flags, exit, stderr]).toEqual([
      JSON.stringify(list),
      flags,
      code,
      expect.stringContaining(text),
    ]);
    expect(stderr).toContain("fix: ");
  }
  expect((await run(cwd, ["submit", "--to", "9", "--", "true"])).code).toBe(3);
  expect((await run(cwd, ["submit", "--after", "single", "--", "true"])).code).toBe(2);
  const post = async (body: unknown): Promise<number> =>
    (
      await server.fetch("/api/v1/workflows/1/tasks", {
        method: "POST",
        body: JSON.stringify(body),
      })
    ).status;
  expect(await post({})).toBe(422);
  const twin = { name: "twin", command: { kind: "argv", argv: ["true"] } };
  const definition = {
    name: "w",
    source: null,
    specDir: cwd,
    cwd,
    blocks: [
      {
        kind: "explicit",
        requirement: {
          cpus: 1,
          memoryBytes: 0,
          diskBytes: 0,
          gpus: 0,
          nodes: 1,
          runtimeSeconds: null,
        },
        category: "c",
        retries: 0,
        timeoutSeconds: null,
        onUpstreamFailure: "skip",
        priority: 0,
        cwd: null,
        scheduler: null,
        first: 0,
        count: 2,
        bodies: [twin, twin],
      },
    ],
    edges: [],
    runs: [],
    sets: [],
    taskCount: 2,
    priority: 0,
    sortMethod: "auto",
    schedulers: [],
  };
  expect(await post({ definition })).toBe(422);
  expect(await post({ definition: { blocks: [] }, after: "single" })).toBe(422);
  const status = await run(cwd, ["status", "1", "--json"]);
  expect(parseJson(status.stdout, status.stderr)).toMatchObject({ tasks: { ready: 3_000_501 } });
  // Other arrays of any size are no trouble where their names tell them apart.
  expect((await add([array("more_{i}", "1:3000000")]))[0]).toBe(0);
});

test("ids that a poller knows do not change: refused only where they would", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await submit(cwd, ["--array", "0-3", "--", "true"]);
  const claim = "/workflows/1/claim_jobs_based_on_resources/1";
  const body = JSON.stringify({ num_cpus: 1, memory_gb: 1, num_gpus: 0, num_nodes: 1 });
  const claimed = await server.fetch(claim, { method: "POST", body });
  const { jobs } = (await claimed.json()) as { jobs: { id: number }[] };
  expect(jobs).toHaveLength(1);
  const add = (name: string): Promise<{ code: number | null; stderr: string }> =>
    run(cwd, ["submit", "--to", "1", "--name", name, "--", "true"]);
  expect((await add("while_newest")).code).toBe(0);
  await submit(cwd, ["--", "true"]);
  const refused = await add("later");
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain("runners that poll hold tasks of workflow 1");
  const started = await server.fetch(`/jobs/${jobs[0]!.id}/start_job/1/1`, { method: "PUT" });
  expect(started.status).toBe(200);
});

test("a workflow that broke off takes new tasks, and breaks off again at new failures", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  const failing = ["--array", "0-9", "--", "false"];
  await submit(cwd, ["--max-failures", "2", "--name", "w", ...failing]);
  expect(await wait(cwd)).toBe(1);
  const count = async (): Promise<Record<string, number>> => {
    const all = Object.values(await states(cwd));
    return Object.fromEntries(
      [...new Set(all)].map((state) => [state, all.filter((each) => each === state).length]),
    );
  };
  const first = await count();
  expect(first["failed"]).toBeGreaterThanOrEqual(2);
  expect(first["canceled"]).toBeGreaterThan(0);
  await submit(cwd, ["--to", "1", "--name", "good", "--array", "0-4", "--", "true"]);
  expect(await wait(cwd)).toBe(1);
  expect(await count()).toEqual({ ...first, succeeded: 5 });
  await submit(cwd, ["--to", "1", "--name", "bad", "--array", "0-19", "--", "false"]);
  expect(await wait(cwd)).toBe(1);
  const last = await count();
  expect(last["failed"]! - first["failed"]!).toBeGreaterThanOrEqual(2);
  expect(last["canceled"]!).toBeGreaterThan(first["canceled"]!);
});
