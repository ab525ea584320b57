// `--executor workqueue|ray|parsl|dask` as a user meets it: workflows, faults, and nothing left behind.

import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { engineNamed, engineParts } from "../../src/worker/executors/engines.ts";
import {
  below,
  engineFlags,
  ENGINES_UNDER_TEST,
  expectGone,
  interruptTwice,
  killInTheMiddle,
  runMixed,
  startTwo,
} from "../support/engine-runs.ts";
import { isAlive, linesOf, run, runReport, start, tasks, until } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { root, scratchDir } from "../support/scratch.ts";

for (const engine of Object.values(ENGINES_UNDER_TEST)) {
  const { name } = engine;
  const missing = requires(name, engineNamed(name).install, engineParts(name).found);

  describe.skipIf(missing)(name, () => {
    test("the compress example, then again from what is there", async () => {
      const cwd = scratchDir();
      const workflow = join(root, "examples/compress/workflow.yaml");
      const first = await runReport(cwd, [workflow, ...engineFlags(engine)]);
      expect(first).toMatchObject({ code: 0, tasks: 26, succeeded: 26, attempts: 26 });
      const again = await runReport(cwd, [workflow, ...engineFlags(engine)]);
      expect(again).toMatchObject({ code: 0, succeeded: 26, attempts: 0, cached: 26 });
    });

    test("retries, timeouts, missing outputs, dependencies and refusals are Holdall's", () =>
      runMixed(engine));

    test("kill -9 of the run leaves no process of the engine or of a task", async () => {
      const { holdall, all } = await startTwo(engine);
      holdall.kill("SIGKILL");
      await expectGone(all);
    });

    test("Ctrl-C twice leaves none either", () => interruptTwice(engine));

    const parts = ["engine", "bridge", ...(name === "workqueue" ? [] : ["keeper"])] as const;
    test.each(parts as readonly ("engine" | "bridge" | "keeper")[])(
      "the %s dies in the middle: it is named, and its tasks are ready again",
      (which) => killInTheMiddle(engine, which),
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
