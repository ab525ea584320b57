// `--executor workqueue|ray` as a user meets it: workflows, faults, and nothing left behind.

import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ENGINE_NAMES, engineParts } from "../../src/worker/executors/engines.ts";
import { isAlive, linesOf, run, runReport, spec, start, tasks, until } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { root, scratchDir } from "../support/scratch.ts";

/** Processes below one, by name. What leaves its parents is not in it. */
function below(pid: number): { pid: number; name: string }[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const text = readFileSync(`/proc/${name}/stat`, "latin1");
        const end = text.lastIndexOf(")");
        const parent = Number(text.slice(end + 2).split(" ")[1]);
        return [{ pid: Number(name), parent, name: text.slice(text.indexOf("(") + 1, end) }];
      } catch {
        return [];
      }
    });
  const found = all.filter((each) => each.parent === pid);
  return found.flatMap((each) => [each, ...below(each.pid)]);
}

/** The process that does the engine's work here: what a fault takes away. */
const ENGINE_PROCESS = { workqueue: "work_queue_work", ray: "raylet" } as const;
const BRIDGE_PROCESS = { workqueue: "holdall-workque", ray: "python" } as const;
/** An engine that nobody ends takes at most this long to go. */
const GONE_MS = 2000;

for (const name of ENGINE_NAMES) {
  const missing = requires(name, "sh scripts/setup --engines", engineParts(name).found);
  const engine = ["--executor", name, "--cpus", "2"];

  describe.skipIf(missing)(name, () => {
    /** Two tasks that stay, and everything that runs for them. */
    async function running(): Promise<{
      cwd: string;
      holdall: ReturnType<typeof start>;
      all: { pid: number; name: string }[];
    }> {
      const cwd = scratchDir();
      const script = "echo $$ >> pids; sleep 600 & echo $! >> pids; wait";
      const document = {
        name: "long",
        tasks: [0, 1].map((i) => ({ name: `t${i}`, command: script })),
      };
      const holdall = start(cwd, ["run", spec(cwd, document), ...engine]);
      await until("both tasks run", () => linesOf(join(cwd, "pids")).length === 4, 90_000);
      const all = below(holdall.pid);
      const pids = linesOf(join(cwd, "pids")).map(Number);
      for (const pid of pids) expect(isAlive(pid)).toBe(true);
      expect(all.some((each) => each.name.startsWith(ENGINE_PROCESS[name]))).toBe(true);
      return { cwd, holdall, all: [...all, ...pids.map((pid) => ({ pid, name: "task" }))] };
    }
    const gone = (all: readonly { pid: number }[]): Promise<true> =>
      until("nothing is left", () => all.every(({ pid }) => !isAlive(pid)), GONE_MS);

    test("the compress example, then again from what is there", async () => {
      const cwd = scratchDir();
      const workflow = join(root, "examples/compress/workflow.yaml");
      const first = await runReport(cwd, [workflow, ...engine]);
      expect(first).toMatchObject({ code: 0, tasks: 26, succeeded: 26, attempts: 26 });
      const again = await runReport(cwd, [workflow, ...engine]);
      expect(again).toMatchObject({ code: 0, succeeded: 26, attempts: 0, cached: 26 });
    });

    test("retries, timeouts, missing outputs, dependencies and refusals are Holdall's", async () => {
      const cwd = scratchDir();
      const document = {
        name: "mixed",
        tasks: [
          { name: "flaky", command: "test $HOLDALL_ATTEMPT = 3", retries: 2 },
          {
            name: "after",
            command: "echo done > after.txt",
            depends_on: ["flaky"],
            outputs: ["after.txt"],
          },
          { name: "slow", command: "sleep 600", timeout: "300ms" },
          { name: "none", command: "true", outputs: ["absent.txt"] },
          { name: "absent", command: ["./no-such-command"] },
          { name: "killed", command: "kill -9 $$" },
          {
            name: "binary",
            command: String.raw`printf '\000\377{"type":"exited","id":1}\n'; exit 3`,
          },
          { name: "skipped", command: "true", depends_on: ["slow"] },
        ],
      };
      const report = await runReport(cwd, [spec(cwd, document), ...engine]);
      expect(report).toMatchObject({ code: 1, tasks: 8, succeeded: 2, failed: 5, skipped: 1 });
      const rows = await tasks(cwd);
      const outcomes = Object.fromEntries(
        Object.values(rows).map((row) => [
          row.name,
          `${row.attempts} ${row.outcome} ${row.exit_code}`,
        ]),
      );
      expect(outcomes).toMatchObject({
        flaky: "3 ok 0",
        after: "1 ok 0",
        none: "1 output_missing 0",
        absent: "1 launch_error 127",
        binary: "1 exit 3",
      });
      expect(rows["slow"]).toMatchObject({ outcome: "timeout", attempts: 1 });
      expect(rows["killed"]?.outcome).toBe("signal");
    });

    test("kill -9 of the run leaves no process of the engine or of a task", async () => {
      const { holdall, all } = await running();
      holdall.kill("SIGKILL");
      await gone(all);
    });

    test("Ctrl-C twice leaves none either", async () => {
      const { holdall, all } = await running();
      holdall.kill("SIGINT");
      await Bun.sleep(50);
      holdall.kill("SIGINT");
      expect((await holdall.result).code).toBe(130);
      await gone(all);
    });

    test.each(["engine", "bridge"] as const)(
      "the %s dies in the middle: it is named, and its tasks are ready again",
      async (which) => {
        const { cwd, holdall, all } = await running();
        const wanted = (which === "engine" ? ENGINE_PROCESS : BRIDGE_PROCESS)[name];
        const victim = all.find((each) => each.name.startsWith(wanted));
        process.kill(victim?.pid ?? 0, "SIGKILL");
        const { code, stderr } = await holdall.result;
        expect(code).toBe(1);
        expect(stderr).toContain(name);
        if (which === "engine")
          expect(stderr).toContain(name === "ray" ? "raylet ended" : "signal 9");
        await gone(all);
        const rows = await tasks(cwd);
        expect(Object.values(rows).map((row) => row.state)).toEqual(["ready", "ready"]);
      },
    );
  });
}

describe.skipIf(
  requires("workqueue", "sh scripts/setup --engines", engineParts("workqueue").found),
)("Work Queue workers of the user's", () => {
  test("started before the manager they wait, and a port that is taken is named", async () => {
    const cwd = scratchDir();
    const held = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data() {} } });
    const port = String(held.port);
    const args = ["run", "--executor", "workqueue", "--wq-port", port, "--array", "0-3"];
    const taken = await run(cwd, [...args, "--", "true"]);
    expect(taken.code).toBe(5);
    expect(taken.stderr).toContain(`port ${port} cannot be listened on`);
    held.stop(true);

    const worker = Bun.spawn(
      ["work_queue_worker", "--cores", "2", "-t", "30", "-b", "1", "-s", cwd, "127.0.0.1", port],
      { stdio: ["ignore", "ignore", "ignore"] },
    );
    try {
      const { code, stderr } = await run(cwd, [...args, "--", "sh", "-c", "echo here > out.{i}"]);
      expect(stderr).toContain(`Work Queue manager on port ${port}`);
      expect(code).toBe(0);
      expect(readdirSync(cwd).filter((each) => each.startsWith("out.")).length).toBe(4);
    } finally {
      worker.kill("SIGKILL");
    }
  });

  test("a worker that is killed loses its attempts, which run again on another", async () => {
    const cwd = scratchDir();
    const free = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data() {} } });
    const port = String(free.port);
    free.stop(true);
    const worker = (): Bun.Subprocess =>
      Bun.spawn(
        ["work_queue_worker", "--cores", "2", "-t", "30", "-b", "1", "-s", cwd, "127.0.0.1", port],
        { stdio: ["ignore", "ignore", "ignore"] },
      );
    const script = "test $HOLDALL_ATTEMPT = 2 || { sleep 600 & echo $$ $! >> pids; wait; exit 9; }";
    const args = ["--executor", "workqueue", "--wq-port", port, "--cpus", "2", "--array", "0-1"];
    const first = worker();
    let second: Bun.Subprocess | null = null;
    const holdall = start(cwd, ["run", ...args, "--", "sh", "-c", script]);
    try {
      await until("both run", () => linesOf(join(cwd, "pids")).length === 2, 30_000);
      first.kill("SIGKILL");
      second = worker();
      expect((await holdall.result).code).toBe(0);
      const pids = linesOf(join(cwd, "pids")).flatMap((line) => line.split(" ").map(Number));
      expect(pids.filter(isAlive)).toEqual([]);
      expect(Object.values(await tasks(cwd)).map((row) => row.attempts)).toEqual([2, 2]);
    } finally {
      first.kill("SIGKILL");
      second?.kill("SIGKILL");
      holdall.kill("SIGKILL");
    }
  });
});

describe.skipIf(requires("ray", "sh scripts/setup --engines", engineParts("ray").found))(
  "a Ray cluster of the user's",
  () => {
    test("is attached to and goes on afterwards; one that is not there is named at once", async () => {
      const cwd = scratchDir();
      const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      const address = `127.0.0.1:${free.port}`;
      free.stop(true);
      const args = ["run", "--executor", "ray", "--ray-address", address, "--cpus", "2"];
      const absent = await run(cwd, [...args, "--", "true"]);
      expect(absent.code).toBe(5);
      expect(absent.stderr).toContain(`no Ray cluster answers at ${address}`);

      const folder = mkdtempSync("/tmp/holdall-test-"); // sockets below it: the path has to be short
      const head = Bun.spawn(
        [
          join(root, ".venv/ray/bin/ray"),
          "start",
          "--head",
          `--port=${free.port}`,
          "--num-cpus=2",
          "--include-dashboard=false",
          "--object-store-memory=80000000",
          `--temp-dir=${folder}`,
          "--block",
        ],
        {
          detached: true,
          stdio: ["ignore", "ignore", "ignore"],
          env: { ...process.env, RAY_USAGE_STATS_ENABLED: "0" },
        },
      );
      try {
        await until(
          "the cluster answers",
          async () => (await run(cwd, [...args, "--", "true"])).code === 0,
          90_000,
        );
        const again = await runReport(cwd, [
          ...args.slice(1),
          "--array",
          "0-9",
          "--",
          "echo",
          "{i}",
        ]);
        expect(again).toMatchObject({ code: 0, succeeded: 10 });
        expect(below(head.pid).some((each) => each.name.startsWith("raylet"))).toBe(true);
      } finally {
        for (const { pid } of [...below(head.pid), { pid: head.pid }])
          try {
            process.kill(pid, "SIGKILL");
          } catch {
            // Died with what it belonged to.
          }
        await head.exited;
        rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
      }
    });
  },
);
