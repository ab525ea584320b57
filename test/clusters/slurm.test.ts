// Slurm under faults: nodes, daemons, bridge and run are taken away. What users meet otherwise is in test/blackbox.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  isAlive,
  linesOf,
  parseJson,
  run,
  runReport,
  spec,
  type Running,
  start as startHoldall,
  tasks,
  until,
} from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, endAll, serve } from "../support/server.ts";
import { requiresSlurm, type SlurmCluster, startSlurm } from "./slurm/cluster.ts";

afterEach(endAll);

const STEPS = ["--executor", "slurm", "--cpus", "8"];
const JOBS = ["--executor", "slurm", "--slurm-mode", "job", "--cpus", "4"];
const ARRAY = ["--executor", "slurm", "--slurm-mode", "array", "--cpus", "4"];
const MODES: [string, string[]][] = [
  ["steps", STEPS],
  ["job", JOBS],
  ["array", ARRAY],
];

const running: Running[] = [];
function start(...all: Parameters<typeof startHoldall>): Running {
  const holdall = startHoldall(...all);
  running.push(holdall);
  return holdall;
}

/** Of the bridges that run below us. */
function bridgeBelow(pid: number): number {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, "latin1");
      const parent = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
      const command = readFileSync(`/proc/${name}/cmdline`, "latin1");
      if (parent === pid && command.includes("slurm_bridge.py")) return Number(name);
    } catch {
      // Gone meanwhile.
    }
  }
  return 0;
}

describe.skipIf(requiresSlurm())("Slurm under faults", () => {
  let slurm: SlurmCluster;
  beforeAll(async () => {
    slurm = await startSlurm();
  });
  afterAll(() => slurm.stop());
  afterEach(async () => {
    for (const each of running.splice(0)) each.kill("SIGKILL");
    await until("no job is left", async () => (await jobs()).length === 0, 60_000);
  });

  const jobs = async (...options: string[]): Promise<string[]> =>
    (await slurm.ask("squeue", "--noheader", "--array", "--format=%i %t %j", ...options))
      .split("\n")
      .filter((each) => each !== "");

  /** Tasks that stay until a file `go` is there; each attempt says that it began. */
  function staying(cwd: string, count: number): { file: string; began: () => string[] } {
    const script = 'echo "$0 $$" >> began; while [ ! -e go ]; do sleep 0.05; done';
    const document = {
      name: "staying",
      tasks: Array.from({ length: count }, (_, i) => ({
        name: `t${i}`,
        command: ["/bin/sh", "-c", script, `t${i}`],
      })),
    };
    return { file: spec(cwd, document), began: () => linesOf(join(cwd, "began")) };
  }
  const go = (cwd: string): Promise<number> => Bun.write(join(cwd, "go"), "");

  test.each(MODES)("by %s: kill -9 of the run leaves no job and no process", async (_, engine) => {
    const cwd = scratchDir();
    const { file, began } = staying(cwd, 4);
    const holdall = start(cwd, ["run", file, ...engine], { env: slurm.env });
    await until("all run", () => began().length === 4, 60_000);
    const pids = began().map((line) => Number(line.split(" ")[1]));
    expect(pids.every(isAlive)).toBe(true);
    holdall.kill("SIGKILL");
    await until("no process is left", () => !pids.some(isAlive), 10_000);
    await until("no job is left", async () => (await jobs()).length === 0, 30_000);
  });

  test.each(MODES)(
    "by %s: the bridge dies: it is named, its tasks are ready again",
    async (_, engine) => {
      const cwd = scratchDir();
      const { file, began } = staying(cwd, 4);
      const holdall = start(cwd, ["run", file, ...engine], { env: slurm.env });
      await until("all run", () => began().length === 4, 60_000);
      process.kill(bridgeBelow(holdall.pid), "SIGKILL");
      const { code, stderr } = await holdall.result;
      expect(code).toBe(1);
      expect(stderr).toContain("the slurm bridge ended unexpectedly");
      const rows = Object.values(await tasks(cwd));
      expect(rows.map((row) => row.state)).toEqual(["ready", "ready", "ready", "ready"]);
      await go(cwd);
      const again = await runReport(cwd, [file, ...engine], { env: slurm.env });
      expect(again).toMatchObject({ code: 0, succeeded: 4 });
    },
  );

  test("a node fails: Slurm takes the allocation, another is asked for, and all tasks succeed", async () => {
    const cwd = scratchDir();
    const { file, began } = staying(cwd, 8);
    const holdall = start(cwd, ["run", file, ...STEPS], { env: slurm.env });
    await until("all run", () => began().length === 8, 60_000);
    await slurm.ask("scontrol", "update", "nodename=n2", "state=down", "reason=test");
    await slurm.ask("scontrol", "update", "nodename=n2", "state=resume").catch(() => {});
    await until("all run again", () => began().length === 16, 60_000);
    await go(cwd);
    const { code, stderr } = await holdall.result;
    expect(stderr).toContain("Slurm took allocation");
    expect(code).toBe(0);
    const rows = Object.values(await tasks(cwd));
    expect(rows.map((row) => row.attempts)).toEqual(Array(8).fill(2));
  });

  test.each(MODES.slice(1))("by %s: what others cancel runs again", async (_, engine) => {
    const cwd = scratchDir();
    const { file, began } = staying(cwd, 4);
    const holdall = start(cwd, ["run", file, ...engine], { env: slurm.env });
    await until("all run", () => began().length === 4, 60_000);
    const [victim = ""] = (await jobs()).map((line) => line.split(" ")[0] ?? "");
    await slurm.ask("scancel", victim);
    await until("one more ran", () => began().length === 5, 60_000);
    await go(cwd);
    expect((await holdall.result).code).toBe(0);
  });

  test("by job: one that is canceled while it waits is handed over again", async () => {
    const cwd = scratchDir();
    const blocker = await slurm.ask(
      "sbatch",
      "--parsable",
      "-N4",
      "--exclusive",
      "-o/dev/null",
      "--wrap=sleep 600",
    );
    await until("it runs", async () => (await jobs("--states=RUNNING")).length === 1);
    const holdall = start(cwd, ["run", ...JOBS, "--array", "0-1", "--", "true"], {
      env: slurm.env,
    });
    const waiting = async (): Promise<string[]> =>
      (await jobs("--states=PENDING")).map((line) => line.split(" ")[0] ?? "");
    await until("two wait", async () => (await waiting()).length === 2, 60_000);
    const [victim = ""] = await waiting();
    await slurm.ask("scancel", victim);
    await until(
      "two wait again",
      async () => {
        const now = await waiting();
        return now.length === 2 && !now.includes(victim);
      },
      60_000,
    );
    await slurm.ask("scancel", blocker);
    expect((await holdall.result).code).toBe(0);
  });

  test.each(MODES)(
    "by %s: slurmctld goes and comes back, and all tasks succeed",
    async (mode, engine) => {
      const cwd = scratchDir();
      const { file, began } = staying(cwd, 12);
      const holdall = start(cwd, ["run", file, ...engine], { env: slurm.env });
      await until("some run", () => began().length >= (mode === "steps" ? 8 : 4), 60_000);
      await slurm.end("slurmctld");
      await go(cwd);
      await Bun.sleep(1000);
      await slurm.start("slurmctld");
      const { code, stderr } = await holdall.result;
      expect({ code, stderr }).toMatchObject({ code: 0 });
      // A controller may end a job whose start it did not hear of any more: that one runs again.
      const again = Object.values(await tasks(cwd)).filter((row) => row.attempts !== 1);
      expect(again.length).toBeLessThanOrEqual(4);
    },
  );

  test("slurmctld gets kill -9 and forgets the allocation: another is asked for", async () => {
    const cwd = scratchDir();
    const { file, began } = staying(cwd, 12);
    const holdall = start(cwd, ["run", file, ...STEPS], { env: slurm.env });
    await until("some run", () => began().length >= 8, 60_000);
    await slurm.kill("slurmctld");
    await go(cwd);
    await slurm.start("slurmctld");
    const { code, stderr } = await holdall.result;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    await slurm.ask("scancel", "--user=root"); // what the controller remembered of earlier tests
  });

  test("slurmd of a node goes: what runs there goes on, and the rest finds its way", async () => {
    const cwd = scratchDir();
    const { file, began } = staying(cwd, 6);
    const holdall = start(cwd, ["run", file, ...JOBS], { env: slurm.env });
    await until("four run", () => began().length === 4, 60_000);
    await slurm.kill("n1");
    await go(cwd);
    await Bun.sleep(2000);
    await slurm.start("n1");
    expect((await holdall.result).code).toBe(0);
    expect(Object.values(await tasks(cwd)).map((row) => row.attempts)).toEqual(Array(6).fill(1));
  }, 300_000);

  test("cpus, memory, GPUs and time are Slurm's to keep", async () => {
    const cwd = scratchDir();
    const document = {
      name: "needs",
      tasks: [
        { name: "gpu", command: 'test "$CUDA_VISIBLE_DEVICES" = 0', gpus: 1 },
        { name: "large", command: "true", memory: "3g" },
        {
          name: "wide",
          command: "while [ ! -e go ]; do sleep 0.05; done",
          cpus: 2,
          memory: "300m",
        },
      ],
    };
    const offer = ["--cpus", "4", "--memory", "8g", "--gpus", "2", "--time-limit", "10m"];
    const engine = ["--executor", "slurm", "--slurm-mode", "job", ...offer];
    const holdall = start(cwd, ["run", spec(cwd, document), ...engine], { env: slurm.env });
    const format = "--Format=NumCPUs:9,MinMemory:9,TimeLimit:9,State:9";
    const wide = await until(
      "the wide one runs",
      async () => {
        const lines = (await slurm.ask("squeue", "--noheader", format)).split("\n");
        return lines.find((line) => line.trim().startsWith("2 ") && line.includes("RUNNING"));
      },
      60_000,
    );
    expect(wide.trim().split(/\s+/)).toEqual(["2", "300M", "10:00", "RUNNING"]);
    await go(cwd);
    expect((await holdall.result).code).toBe(1);
    const rows = await tasks(cwd);
    expect(rows["gpu"]).toMatchObject({ outcome: "ok", attempts: 1 });
    expect(rows["wide"]).toMatchObject({ outcome: "ok", attempts: 1 });
    // No node has so much: Slurm says so, once.
    expect(rows["large"]).toMatchObject({ outcome: "launch_error", attempts: 1 });
  });

  test("steps of the allocation that we run in", async () => {
    const cwd = scratchDir();
    const command = `${join(import.meta.dir, "../../bin/holdall")} run --json --executor slurm --cpus 3 --array 0-5 -- true`;
    const out = await slurm.ask("salloc", "--quiet", "-n3", `--chdir=${cwd}`, "sh", "-c", command);
    expect(parseJson(out, "")).toMatchObject({ succeeded: 6 });
  });

  test("a worker hands its attempts to Slurm", async () => {
    const cwd = scratchDir();
    const server = await serve(cwd, [], { env: slurm.env });
    await connectedWorker(server, cwd, JOBS, { env: slurm.env });
    const args = ["submit", "--array", "0-5", "--", "sh", "-c", "echo $0 > out.{i}"];
    expect((await run(cwd, args)).code).toBe(0);
    expect((await run(cwd, ["wait", "--timeout", "60s"])).code).toBe(0);
    expect(existsSync(join(cwd, "out.5"))).toBe(true);
  });

  test("two clusters at once keep apart", async () => {
    const other = await startSlurm(["--nodes", "2"]);
    try {
      const here = await slurm.ask("sbatch", "--parsable", "-o/dev/null", "--wrap=sleep 600");
      expect(await other.ask("squeue", "--noheader")).toBe("");
      expect(
        (await other.ask("sinfo", "-h", "-N", "-p", "normal", "-o", "%N")).split("\n"),
      ).toEqual(["n1", "n2"]);
      expect(await other.ask("srun", "-n2", "-N2", "echo", "there")).toBe("there\nthere");
      await slurm.ask("scancel", here);
    } finally {
      await other.stop();
    }
  });

  test("pilots on several nodes have a worker on each, and drain", async () => {
    const cwd = scratchDir();
    const { env } = slurm;
    const server = await serve(cwd, [], { env });
    const args = ["slurm", "allocate", "--nodes", "2", "--cpus", "2", "--time", "5m", "--json"];
    expect((await run(cwd, args, { env })).code).toBe(0);
    const connected = async (): Promise<number> =>
      (await server.workers()).filter(({ state }) => state === "connected").length;
    await until("two workers are here", async () => (await connected()) === 2, 60_000);
    const drained = await run(cwd, ["slurm", "cancel", "--all", "--drain"], { env });
    expect(drained.code).toBe(0);
    await until("no pilot is left", async () => (await jobs()).length === 0, 60_000);
    const none = await run(cwd, ["slurm", "cancel", "4711"], { env });
    expect(none.code).toBe(3);
  });
});
