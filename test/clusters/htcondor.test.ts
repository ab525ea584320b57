// `--executor htcondor` as a user meets it: workflows, faults, and nothing left behind, neither processes nor jobs. First with a
// pool that is started for the run, then with one that is there and has nodes of its own.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { below } from "../support/engine-runs.ts";
import { isAlive, linesOf, run, runReport, spec, start, tasks, until } from "../support/holdall.ts";
import { root, scratchDir } from "../support/scratch.ts";
import { type CondorPool, requiresCondor, startCondor } from "./condor/cluster.ts";

const ENGINE = ["--executor", "htcondor", "--cpus", "2"];
const MATCHED_MS = 60_000; // on a machine that has much else to do
const GONE_MS = 10_000;

const missing = requiresCondor();

const gone = (pids: readonly number[]): Promise<true> =>
  until("nothing is left", () => pids.every((pid) => !isAlive(pid)), GONE_MS);

/** Two tasks that stay; `pids` are all processes of the tasks. */
async function running(env: Record<string, string | undefined> = {}): Promise<{
  cwd: string;
  holdall: ReturnType<typeof start>;
  pids: number[];
}> {
  const cwd = scratchDir();
  const script = "echo $$ >> pids; sleep 600 & echo $! >> pids; wait";
  const document = {
    name: "long",
    tasks: [0, 1].map((i) => ({ name: `t${i}`, command: script })),
  };
  const holdall = start(cwd, ["run", spec(cwd, document), ...ENGINE], { env });
  await until("both tasks run", () => linesOf(join(cwd, "pids")).length === 4, MATCHED_MS);
  const pids = linesOf(join(cwd, "pids")).map(Number);
  for (const pid of pids) expect(isAlive(pid)).toBe(true);
  return { cwd, holdall, pids };
}

/** Ctrl-C until it has ended: on a busy machine two that come soon after each other are one. */
async function interrupted(holdall: ReturnType<typeof start>): Promise<number | null> {
  const ended = holdall.result.then(({ code }) => ({ code }));
  for (;;) {
    holdall.kill("SIGINT");
    const result = await Promise.race([ended, Bun.sleep(300)]);
    if (result !== undefined) return result.code;
  }
}

const MIXED = {
  name: "mixed",
  tasks: [
    { name: "flaky", command: "test $HOLDALL_ATTEMPT = 3", retries: 2 },
    {
      name: "after",
      command: "echo done > after.txt",
      depends_on: ["flaky"],
      outputs: ["after.txt"],
    },
    { name: "two", command: "echo $(nproc) > /dev/null", cpus: 2, depends_on: ["after"] },
    { name: "slow", command: "sleep 600", timeout: "300ms" },
    { name: "none", command: "true", outputs: ["absent.txt"] },
    { name: "absent", command: ["./no-such-command"] },
    { name: "killed", command: "kill -9 $$" },
    { name: "binary", command: String.raw`printf '\000\3775{"type":"exited","id":1}\n'; exit 3` },
    { name: "skipped", command: "true", depends_on: ["slow"] },
  ],
};

async function mixed(env: Record<string, string | undefined> = {}): Promise<void> {
  const cwd = scratchDir();
  const report = await runReport(cwd, [spec(cwd, MIXED), ...ENGINE], { env });
  expect(report).toMatchObject({ code: 1, tasks: 9, succeeded: 3, failed: 5, skipped: 1 });
  const rows = Object.values(await tasks(cwd));
  const outcomes = rows.map((row) => [row.name, `${row.attempts} ${row.outcome} ${row.exit_code}`]);
  expect(Object.fromEntries(outcomes)).toMatchObject({
    flaky: "3 ok 0",
    after: "1 ok 0",
    two: "1 ok 0",
    slow: "1 timeout null",
    none: "1 output_missing 0",
    absent: "1 launch_error 127",
    killed: "1 signal null",
    binary: "1 exit 3",
  });
}

describe.skipIf(missing)("a pool for the run", () => {
  test("the compress example, then again from what is there", async () => {
    const cwd = scratchDir();
    const workflow = join(root, "examples/compress/workflow.yaml");
    const first = await runReport(cwd, [workflow, ...ENGINE]);
    expect(first).toMatchObject({ code: 0, tasks: 26, succeeded: 26, attempts: 26 });
    const again = await runReport(cwd, [workflow, ...ENGINE]);
    expect(again).toMatchObject({ code: 0, succeeded: 26, attempts: 0, cached: 26 });
  });

  test("dependencies, retries, timeouts, missing outputs and refusals are Holdall's", () =>
    mixed());

  test("kill -9 of the run leaves no process of HTCondor or of a task", async () => {
    const { holdall, pids } = await running();
    const all = below(holdall.pid);
    expect(all.some((each) => each.name === "condor_starter")).toBe(true);
    holdall.kill("SIGKILL");
    await gone([...pids, ...all.map((each) => each.pid)]);
  });

  test("Ctrl-C twice leaves none either", async () => {
    const { holdall, pids } = await running();
    const all = below(holdall.pid).map((each) => each.pid);
    expect(await interrupted(holdall)).toBe(130);
    await gone([...pids, ...all]);
  });

  test.each(["condor_master", "holdall-htcondo", "holdall-keeper"])(
    "%s dies in the middle: it is named, and its tasks are ready again",
    async (name) => {
      const { cwd, holdall, pids } = await running();
      const all = below(holdall.pid);
      const victim = all.find((each) => each.name.startsWith(name));
      process.kill(victim?.pid ?? 0, "SIGKILL");
      const { code, stderr } = await holdall.result;
      expect(code).toBe(1);
      expect(stderr).toContain("htcondor");
      if (name === "condor_master") expect(stderr).toContain("condor_master ended");
      await gone([...pids, ...all.map((each) => each.pid)]);
      const rows = await tasks(cwd);
      expect(Object.values(rows).map((row) => row.state)).toEqual(["ready", "ready"]);
    },
  );

  test("a submit description that says what is not its to say is refused, with the line", async () => {
    const cwd = scratchDir();
    writeFileSync(join(cwd, "lines"), '# mine\n+Project = "x"\nExecutable = /bin/true\n');
    const args = ["run", ...ENGINE, "--condor-submit", "lines", "--", "true"];
    const { code, stderr } = await run(cwd, args);
    expect(code).toBe(5);
    expect(stderr).toContain("lines, line 3: executable is Holdall's to say");
  });
});

describe.skipIf(missing)("a pool of two nodes that is there", () => {
  let pool: CondorPool;
  beforeAll(async () => {
    pool = await startCondor(["--nodes", "2", "--cpus", "2"]);
  });
  afterAll(async () => {
    await pool.stop();
  });
  const queued = (): Promise<string> => pool.ask("condor_q", "-af", "ClusterId", "ProcId");

  test("dependencies, retries, timeouts, missing outputs and refusals are Holdall's", async () => {
    await mixed(pool.env);
    expect(await queued()).toBe("");
  });

  test("lines of the user's are in every job, and what a task asks for is asked of HTCondor", async () => {
    const cwd = scratchDir();
    writeFileSync(join(cwd, "lines"), '+HoldallTestLine = "carried"\n');
    const document = {
      name: "asked",
      tasks: [{ name: "big", command: "true", cpus: 2, memory: "300m" }],
    };
    const args = [spec(cwd, document), ...ENGINE, "--condor-submit", "lines"];
    expect(await runReport(cwd, args, { env: pool.env })).toMatchObject({ code: 0 });
    const asked = ["-af", "RequestCpus", "RequestMemory"];
    const constraint = ["-constraint", 'HoldallTestLine == "carried"'];
    expect(await pool.ask("condor_history", ...constraint, ...asked)).toBe("2 300");
  });

  test("Ctrl-C twice leaves no job and no process", async () => {
    const { holdall, pids } = await running(pool.env);
    expect(await queued()).not.toBe("");
    expect(await interrupted(holdall)).toBe(130);
    await gone(pids);
    await until("the queue is empty", async () => (await queued()) === "", GONE_MS);
  });

  test("kill -9 of the run leaves no job and no process", async () => {
    const { holdall, pids } = await running(pool.env);
    holdall.kill("SIGKILL");
    await gone(pids);
    await until("the queue is empty", async () => (await queued()) === "", GONE_MS);
  });

  test("a job that is held is lost, with the reason, and its task runs again", async () => {
    const cwd = scratchDir();
    const script = "echo $HOLDALL_ATTEMPT >> began; test $HOLDALL_ATTEMPT -gt 1 || sleep 600";
    const args = ["run", ...ENGINE, "--", "sh", "-c", script];
    const holdall = start(cwd, args, { env: pool.env });
    await until("it runs", () => linesOf(join(cwd, "began")).length === 1, MATCHED_MS);
    await pool.ask("condor_hold", "-all", "-reason", "for a test");
    expect((await holdall.result).code).toBe(0);
    expect(linesOf(join(cwd, "began"))).toEqual(["1", "2"]);
    expect((await run(cwd, ["logs", "sh", "--attempt", "1"])).stderr).toContain("held: for a test");
    expect(await queued()).toBe("");
  });

  test("a condor_startd that is killed with all it runs loses its attempts, which run elsewhere", async () => {
    const cwd = scratchDir();
    const script = "echo $$ >> began; test $HOLDALL_ATTEMPT -gt 1 || sleep 600";
    const holdall = start(cwd, ["run", ...ENGINE, "--", "sh", "-c", script], { env: pool.env });
    await until("it runs", () => linesOf(join(cwd, "began")).length === 1, MATCHED_MS);
    const [task = 0] = linesOf(join(cwd, "began")).map(Number);
    const startd = pool
      .daemons("condor_startd")
      .find((pid) => below(pid).some((each) => each.pid === task));
    if (startd === undefined) throw new Error("the task is not below a condor_startd");
    for (const { pid } of [{ pid: startd }, ...below(startd)]) process.kill(pid, "SIGKILL");
    const { code, stderr } = await holdall.result;
    expect([code, stderr]).toEqual([0, expect.stringContaining("1 succeeded")]);
    expect(Object.values(await tasks(cwd)).map((row) => row.attempts)).toEqual([2]);
    expect(isAlive(task)).toBe(false);
  });

  test("a pool that does not answer is named before anything runs", async () => {
    const cwd = scratchDir();
    const bin = join(cwd, "bin");
    await Bun.write(join(bin, "condor_submit"), "#!/bin/sh\nexit 1\n");
    await Bun.write(join(bin, "condor_q"), "#!/bin/sh\necho no schedd here >&2; exit 1\n");
    await Bun.$`chmod +x ${bin}/condor_submit ${bin}/condor_q`;
    const env = { PATH: `${bin}:${process.env["PATH"] ?? ""}` };
    const { code, stderr } = await run(cwd, ["run", ...ENGINE, "--", "true"], { env });
    expect(code).toBe(5);
    expect(stderr).toContain("no schedd here");
  });
});
