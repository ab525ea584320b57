// Slurm as a user meets it, on a real one of four nodes: its executor in every mode, and pilots that are preempted.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { requiresSlurm, type SlurmCluster, startSlurm } from "../clusters/slurm/cluster.ts";
import {
  isAlive,
  linesOf,
  parseJson,
  run,
  runReport,
  spec,
  start,
  tasks,
  until,
} from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { endAll, serve } from "../support/server.ts";

afterEach(endAll);

describe.skipIf(requiresSlurm())("Slurm", () => {
  let slurm: SlurmCluster;
  beforeAll(async () => {
    slurm = await startSlurm();
  }, 60_000);
  afterAll(() => slurm.stop());

  /** Jobs that wait or run, of all users. */
  const jobs = async (...options: string[]): Promise<string[]> =>
    (await slurm.ask("squeue", "--noheader", ...options)).split("\n").filter((each) => each !== "");

  test("a workflow with retries, by steps of one allocation", async () => {
    const cwd = scratchDir();
    const document = {
      name: "graph",
      tasks: [
        { name: "flaky", command: "test $HOLDALL_ATTEMPT = 3", retries: 2 },
        { name: "made", command: "echo done > made.txt", outputs: ["made.txt"] },
        { name: "after", command: "cat made.txt", depends_on: ["flaky", "made"] },
        { name: "two", command: "true", cpus: 2, memory: "150m" },
        { name: "never", command: "true", cpus: 8 }, // all have eight, no node has
        { name: "slow", command: "sleep 600", timeout: "300ms" },
        { name: "skipped", command: "true", depends_on: ["slow"] },
      ],
    };
    const engine = ["--executor", "slurm", "--cpus", "8", "--slurm-args", "--comment=mine"];
    const report = await runReport(cwd, [spec(cwd, document), ...engine], { env: slurm.env });
    expect(report).toMatchObject({ tasks: 7, succeeded: 4, failed: 2, skipped: 1 });
    const rows = await tasks(cwd);
    expect(rows["flaky"]).toMatchObject({ attempts: 3, outcome: "ok" });
    expect(rows["slow"]).toMatchObject({ attempts: 1, outcome: "timeout" });
    expect(rows["two"]).toMatchObject({ attempts: 1, outcome: "ok" });
    expect(rows["never"]).toMatchObject({ attempts: 1, outcome: "launch_error" });
    await until("the allocation is gone", async () => (await jobs()).length === 0);
  });

  test.each(["array", "job"] as const)("a bag, by %s", async (mode) => {
    const cwd = scratchDir();
    const engine = ["--executor", "slurm", "--slurm-mode", mode, "--cpus", "8", "--array", "0-11"];
    const report = await runReport(cwd, [...engine, "--", "sh", "-c", "echo {i} > out.{i}"], {
      env: slurm.env,
    });
    expect(report).toMatchObject({ code: 0, succeeded: 12, attempts: 12 });
    expect(readdirSync(cwd).filter((each) => each.startsWith("out.")).length).toBe(12);
    await until("no job is left", async () => (await jobs()).length === 0);
  });

  test("what Slurm refuses is said in its words, before anything runs", async () => {
    const cwd = scratchDir();
    for (const mode of ["steps", "job"]) {
      const args = ["--executor", "slurm", "--slurm-mode", mode, "--slurm-args", "-p absent"];
      const { code, stderr } = await run(cwd, ["run", ...args, "--", "true"], { env: slurm.env });
      expect(code).toBe(5);
      expect(stderr).toContain("nvalid partition");
    }
    const absent = { ...slurm.env, PATH: "/nonexistent" };
    const command = [process.execPath, join(import.meta.dir, "../../src/cli/main.ts")];
    const none = await run(cwd, ["slurm", "list"], { env: absent, command });
    expect(none).toMatchObject({ code: 3 });
    expect(none.stderr).toContain("there is no Slurm here");
  });

  test("Ctrl-C, twice, leaves no job, waiting ones included", async () => {
    const cwd = scratchDir();
    const args = ["--executor", "slurm", "--slurm-mode", "job", "--cpus", "12", "--array", "0-11"];
    const script = "echo $$ >> pids; sleep 600";
    const holdall = start(cwd, ["run", ...args, "--", "sh", "-c", script], { env: slurm.env });
    const pids = join(cwd, "pids");
    await until("eight run, four wait", async () => {
      const waiting = await jobs("--states=PENDING");
      return linesOf(pids).length === 8 && waiting.length === 4;
    });
    holdall.kill("SIGINT");
    await Bun.sleep(50);
    holdall.kill("SIGINT");
    expect((await holdall.result).code).toBe(130);
    await until("no job is left", async () => (await jobs()).length === 0);
    expect(linesOf(pids).map(Number).filter(isAlive)).toEqual([]);
  });

  test("pilots run a bag; one is preempted, what it ran runs again, and it comes back", async () => {
    const cwd = scratchDir();
    const { env } = slurm;
    const server = await serve(cwd, [], { env });
    const document = {
      name: "bag",
      slurm_schedulers: [
        {
          name: "quick",
          account: "nobody",
          walltime: "00:10:00",
          extra: "--exclusive --nodelist=n1",
        },
      ],
      tasks: [
        {
          name: "t{i}",
          parameters: { i: [0, 1, 2, 3] },
          scheduler: "quick",
          // The first attempts stay until they are ended from outside.
          command:
            'echo $SLURM_JOB_ID >> began.{i}; [ "$HOLDALL_ATTEMPT" -gt 1 ] || [ -e go ] || sleep 600',
        },
      ],
    };
    const submitted = await run(cwd, ["submit", spec(cwd, document)], { env });
    expect(submitted.code).toBe(0);
    const unknown = await run(cwd, ["slurm", "allocate", "--scheduler", "quack"], { env });
    expect(unknown).toMatchObject({ code: 3 });
    expect(unknown.stderr).toContain("did you mean 'quick'?");
    const refused = await run(cwd, ["slurm", "allocate", "--partition", "absent"], { env });
    expect(refused.stderr).toContain("invalid partition");

    const first = await run(cwd, ["slurm", "allocate", "--scheduler", "quick", "--json"], { env });
    const { job_id } = parseJson(first.stdout, first.stderr) as { job_id: string };
    const began = (): string[] => [0, 1, 2, 3].flatMap((i) => linesOf(join(cwd, `began.${i}`)));
    await until("two of four run", () => began().length === 2, 30_000);
    expect(new Set(began())).toEqual(new Set([job_id]));

    // One elsewhere, and then n1 is wanted by who comes first.
    const other = ["slurm", "allocate", "--scheduler", "quick", "--json", "--", "--nodelist=n2"];
    expect((await run(cwd, other, { env })).code).toBe(0);
    await until("all four run", () => began().length === 4, 30_000);
    const urgent = ["--partition=urgent", "--nodelist=n1", "--exclusive", "--parsable"];
    const winner = await slurm.ask("sbatch", ...urgent, "--output=/dev/null", "--wrap=sleep 600");
    type Listed = { allocations: { id: string; state: string; scheduler: string }[] };
    const pilots = async (): Promise<Listed["allocations"]> => {
      const { stdout, stderr } = await run(cwd, ["slurm", "list", "--json"], { env });
      return (parseJson(stdout, stderr) as Listed).allocations;
    };
    await until(
      "the first waits again",
      async () => (await pilots()).some(({ id, state }) => id === job_id && state === "pending"),
      30_000,
    );
    expect((await pilots()).map(({ scheduler }) => scheduler)).toEqual(["quick", "quick"]);
    // What stays on n2 is let go: then what was preempted runs there.
    await Bun.write(join(cwd, "go"), "");
    const second = (await pilots()).find(({ id }) => id !== job_id)?.id ?? "";
    await run(cwd, ["slurm", "cancel", second, "--json"], { env });
    await slurm.ask("scancel", winner);
    const ended = await run(cwd, ["wait", "--timeout", "60s"], { env });
    expect(ended.code).toBe(0);
    expect(began().filter((job) => job === job_id).length).toBe(6); // it came back
    expect((await server.workers()).length).toBe(1);
    const rows = await tasks(cwd);
    for (const row of Object.values(rows))
      expect(row).toMatchObject({ attempts: 2, outcome: "ok" });

    const all = await run(cwd, ["slurm", "cancel", "--all"], { env });
    expect(all.code).toBe(0);
    await until("no job is left", async () => (await jobs()).length === 0);
    expect(existsSync(join(cwd, ".holdall/pilots"))).toBe(true);
  }, 120_000);
});
