// Which worker may run which task: schedulers, features, hosts, time limits, queue depth, draining.

import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { linesOf, run, runReport, spec, tasks, until, untilFile } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, endAll, serve } from "../support/server.ts";

setDefaultTimeout(60_000);
afterEach(endAll);

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

/** Notes which worker runs which task. */
const NOTE = "echo $HOLDALL_TASK $WORKER_IS >> ran";

async function submit(list: readonly object[], more: object = {}): Promise<void> {
  const document = spec(cwd, { name: "w", ...more, tasks: list });
  const { code, stderr } = await run(cwd, ["submit", "--quiet", document]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
}

const wait = async (): Promise<number | null> => (await run(cwd, ["wait", "--timeout", "30"])).code;

/** Task → worker. */
const ran = (): Record<string, string> =>
  Object.fromEntries(linesOf(join(cwd, "ran")).map((line) => line.split(" ") as [string, string]));

const named = (name: string): { env: Record<string, string> } => ({ env: { WORKER_IS: name } });

const succeeded = (name: string): Promise<unknown> =>
  until(`${name} succeeded`, async () => (await tasks(cwd))[name]!.state === "succeeded");

test("strict binding: a scheduler's worker takes its own and unbound tasks; one without takes unbound ones", async () => {
  const server = await serve(cwd);
  const slurm_schedulers = [{ name: "day" }, { name: "night" }];
  await submit(
    [
      { name: "free", command: NOTE, priority: 1 },
      { name: "day", command: NOTE, scheduler: "day" },
      { name: "night", command: NOTE, scheduler: "night" },
    ],
    { slurm_schedulers },
  );
  await connectedWorker(server, cwd, ["--cpus", "1"], named("none"));
  await succeeded("free");
  await connectedWorker(server, cwd, ["--cpus", "1", "--scheduler", "day"], named("day"));
  await succeeded("day");
  // Both are idle, and neither may.
  expect(await tasks(cwd)).toMatchObject({ night: { state: "ready", attempts: 0 } });
  await connectedWorker(server, cwd, ["--scheduler", "night"], named("night"));
  expect(await wait()).toBe(0);
  expect(ran()).toEqual({ free: "none", day: "day", night: "night" });
});

test("--flexible: what is bound to others comes last, and only there", async () => {
  const server = await serve(cwd);
  const bound = (name: string, priority: number): object => ({ name, command: NOTE, priority });
  await submit(
    [
      { ...bound("other", 9), scheduler: "night" },
      bound("free", 0),
      { ...bound("own", 1), scheduler: "day" },
    ],
    { slurm_schedulers: [{ name: "day" }, { name: "night" }] },
  );
  const args = ["--cpus", "1", "--scheduler", "day"];
  await connectedWorker(server, cwd, [...args, "--flexible"], named("flexible"));
  expect(await wait()).toBe(0);
  expect(linesOf(join(cwd, "ran")).map((line) => line.split(" ")[0])).toEqual([
    "own",
    "free",
    "other",
  ]);
});

test("run: --scheduler and --flexible offer the same", async () => {
  const document = spec(cwd, {
    name: "w",
    slurm_schedulers: [{ name: "day" }],
    tasks: [{ name: "a", command: "true", scheduler: "day" }],
  });
  const flexible = await runReport(cwd, [document, "--flexible"]);
  expect(flexible).toMatchObject({ code: 0, succeeded: 1 });
  const own = await runReport(cwd, [document, "--fresh", "--scheduler", "day"]);
  expect(own).toMatchObject({ code: 0, succeeded: 1 });
});

test("run: what it can never start is refused at its place, not waited for", async () => {
  const refused = async (more: object): Promise<string> => {
    const document = spec(cwd, { name: "w", tasks: [{ name: "a", command: "true", ...more }] });
    const { code, stderr } = await run(cwd, ["run", document]);
    expect(code).toBe(2);
    expect(stderr).toContain("--> workflow.yaml:");
    return stderr;
  };
  const feature = await refused({ features: ["avx512"] });
  expect(feature).toContain("asks for the feature 'avx512', and this run does not offer it");
  expect(feature).toContain("fix: run it with --feature avx512");
  expect(await refused({ required_hosts: ["n1", "n2"] })).toContain(
    `requires the host n1 or n2, and this is ${hostname()}`,
  );
});

test("features, required and preferred hosts", async () => {
  const server = await serve(cwd);
  const here = hostname();
  await connectedWorker(server, cwd, ["--cpus", "2"], named("plain"));
  await submit([
    { name: "there", command: NOTE, required_hosts: ["elsewhere"] },
    { name: "here", command: NOTE, required_hosts: ["elsewhere", here] },
    { name: "soft", command: NOTE, preferred_hosts: ["elsewhere"] },
    { name: "both", command: NOTE, features: ["avx512", "scratch"] },
  ]);
  await Promise.all([succeeded("here"), succeeded("soft")]);
  await connectedWorker(server, cwd, ["--feature", "avx512"], named("one"));
  await connectedWorker(server, cwd, ["--feature", "avx512", "--feature", "scratch"], named("two"));
  await succeeded("both");
  expect(ran()["both"]).toBe("two");
  expect((await tasks(cwd))["there"]).toMatchObject({ state: "ready", attempts: 0 });
});

test("time limit: an equal run time fits, a longer one waits for a worker with more time", async () => {
  const server = await serve(cwd);
  // The limit counts from when the worker joined: what is equal to it has to be there first.
  await submit([
    { name: "equal", command: NOTE, runtime: "1h", priority: 1 },
    { name: "longer", command: NOTE, runtime: "2h" },
    { name: "unknown", command: NOTE },
  ]);
  const args = ["--cpus", "1", "--time-limit", "1h"];
  await connectedWorker(server, cwd, args, named("short"));
  await Promise.all([succeeded("equal"), succeeded("unknown")]);
  expect((await tasks(cwd))["longer"]).toMatchObject({ state: "ready", attempts: 0 });
  await connectedWorker(server, cwd, ["--time-limit", "3h"], named("long"));
  expect(await wait()).toBe(0);
  expect(ran()).toEqual({ equal: "short", unknown: "short", longer: "long" });
});

test("a queue-depth worker and a resource worker at one workflow: each by its own rule", async () => {
  const server = await serve(cwd);
  await connectedWorker(server, cwd, ["--max-parallel", "3", "--cpus", "1"], named("depth"));
  await connectedWorker(server, cwd, ["--cpus", "4"], named("resources"));
  const gate = `echo "$WORKER_IS $HOLDALL_TASK" >> up; until [ -e go ]; do sleep 0.02; done`;
  await submit([
    { name: "t_{i:02d}", parameters: { i: "1:12" }, cpus: 2, command: gate },
    { name: "huge", command: NOTE, cpus: 500, priority: 3 },
  ]);
  // Three whatever they need, and two of 2 cpus on 4; nothing more while these run.
  const held = await until("both are full", () => {
    const lines = linesOf(join(cwd, "up"));
    return lines.length >= 5 ? lines.map((line) => line.split(" ")[0]!) : null;
  });
  expect(held.toSorted()).toEqual(["depth", "depth", "depth", "resources", "resources"]);
  writeFileSync(join(cwd, "go"), "");
  expect(await wait()).toBe(0);
  expect(ran()).toEqual({ huge: "depth" });
});

test("--custom: as many at once as there are licences, over all tasks of a worker", async () => {
  const server = await serve(cwd);
  const command = "echo + >> log; sleep 0.1; echo - >> log";
  await submit([
    { name: "t_{i}", parameters: { i: "1:6" }, command, cpus: 0.1, custom: { licences: 1 } },
  ]);
  await connectedWorker(server, cwd, ["--cpus", "4"], named("none"));
  await connectedWorker(server, cwd, ["--cpus", "4", "--custom", "licences=2"], named("two"));
  expect(await wait()).toBe(0);
  let now = 0;
  const counts = linesOf(join(cwd, "log")).map((line) => (now += line === "+" ? 1 : -1));
  expect(Math.max(...counts)).toBe(2);
});

test("worker --drain of a busy worker: it ends what runs, another takes the rest", async () => {
  const server = await serve(cwd);
  const leaving = await connectedWorker(server, cwd, ["--cpus", "1"], named("leaving"));
  const command = `${NOTE}; until [ -e go ]; do sleep 0.02; done`;
  await submit([{ name: "t_{i}", parameters: { i: "1:4" }, command }]);
  await untilFile(join(cwd, "ran"));
  const [{ worker_id } = { worker_id: 0 }] = await server.workers();
  expect((await run(cwd, ["worker", "--drain", String(worker_id)])).code).toBe(0);
  await connectedWorker(server, cwd, ["--cpus", "4"], named("staying"));
  await until("the rest is taken", () => linesOf(join(cwd, "ran")).length === 4);
  writeFileSync(join(cwd, "go"), "");
  expect((await leaving.result).code).toBe(0);
  expect(await wait()).toBe(0);
  const by = Object.values(ran()).toSorted();
  expect(by).toEqual(["leaving", "staying", "staying", "staying"]);
  for (const row of Object.values(await tasks(cwd))) expect(row.state).toBe("succeeded");
});

test("a blocked host gets nothing new, says why, also after a restart of the server, until it is unblocked", async () => {
  const server = await serve(cwd);
  const host = hostname();
  const blocked = await run(cwd, ["hosts", "block", host, "--reason", "bad disk", "--json"]);
  expect(JSON.parse(blocked.stdout)).toMatchObject({ host, until: null, reason: "bad disk" });
  await submit([{ name: "a", command: "true" }]);
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  expect((await run(cwd, ["hosts"])).stdout).toContain("until it is unblocked (bad disk)");
  expect((await run(cwd, ["explain", "a"])).stdout).toContain("blocked");
  server.kill("SIGTERM");
  await server.result;
  await serve(cwd);
  await until("the worker is back", async () => {
    const { workers } = JSON.parse((await run(cwd, ["hosts", "--json"])).stdout);
    return workers[0]?.state === "connected";
  });
  expect(await tasks(cwd)).toMatchObject({ a: { state: "ready", attempts: 0 } });
  expect((await run(cwd, ["hosts", "unblock", host])).code).toBe(0);
  expect(await wait()).toBe(0);
  const again = await run(cwd, ["hosts", "unblock", host, "--json"]);
  expect(again.code).toBe(3);
  expect(JSON.parse(again.stdout).error.message).toBe(`the host ${host} is not blocked`);
});

test("a block ends by itself; a time that makes no sense is refused", async () => {
  const server = await serve(cwd);
  expect((await run(cwd, ["hosts", "block", hostname(), "--for", "2s"])).code).toBe(0);
  await submit([{ name: "a", command: "true" }]);
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  expect(await wait()).toBe(0);
  expect(JSON.parse((await run(cwd, ["hosts", "--json"])).stdout).blocked).toEqual([]);
  expect((await run(cwd, ["hosts", "block", "n1", "--for", "0s"])).code).toBe(2);
  expect((await run(cwd, ["hosts", "block", "n1", "--for", "1:30"])).code).toBe(2);
  expect((await run(cwd, ["hosts", "block"])).code).toBe(2);
});
