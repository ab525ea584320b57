// Ctrl-C, SIGTERM and kill -9: what ends, what stays, and that the same command goes on.

import { beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, linesOf, run, runReport, spec, start, tasks, until } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

/** Six tasks, two at once; each writes its pid when it starts and goes on when `go` is there. */
function gated(): string {
  const command = "echo $$ >>pids; until [ -e go ]; do sleep 0.02; done; echo done {i} >>done";
  return spec(cwd, { name: "w", tasks: [{ name: "t_{i}", parameters: { i: "1:6" }, command }] });
}

async function startGated() {
  const running = start(cwd, ["run", gated(), "--max-parallel", "2"]);
  await until("two tasks run", () => linesOf(join(cwd, "pids")).length === 2 || null);
  return running;
}

const pids = (): number[] => linesOf(join(cwd, "pids")).map(Number);
const signals = { SIGINT: 130, SIGTERM: 143 } as const;

describe.each(Object.entries(signals))("%s", (name, exitCode) => {
  const signal = name as keyof typeof signals;

  test("once: what runs is awaited, nothing more is started", async () => {
    const running = await startGated();
    running.kill(signal);
    // The answer to the signal is not visible from outside but for the socket: it says who still runs.
    await Bun.sleep(200);
    expect(pids().every(isAlive)).toBe(true);
    await Bun.write(join(cwd, "go"), "");
    const { code, stderr } = await running.result;
    expect(code).toBe(exitCode);
    expect(stderr).toContain("draining: 2 running");
    expect(linesOf(join(cwd, "done"))).toHaveLength(2);
    expect(pids()).toHaveLength(2);

    const again = await runReport(cwd, ["workflow.yaml"]);
    expect(again).toMatchObject({ code: 0, succeeded: 6, cached: 2, attempts: 4 });
    expect(linesOf(join(cwd, "done")).toSorted()).toEqual(
      [1, 2, 3, 4, 5, 6].map((i) => `done ${i}`),
    );
  });

  test("twice: what runs is ended now", async () => {
    const running = await startGated();
    running.kill(signal);
    await Bun.sleep(50); // two signals at once would be one
    running.kill(signal);
    const { code, stderr } = await running.result;
    expect(code).toBe(exitCode);
    expect(stderr).toContain("stopping");
    await until("both are gone", () => !pids().some(isAlive) || null, 5000);
    expect(existsSync(join(cwd, "done"))).toBe(false);

    await Bun.write(join(cwd, "go"), "");
    const again = await runReport(cwd, ["workflow.yaml"]);
    expect(again).toMatchObject({ code: 0, succeeded: 6, cached: 0, attempts: 6 });
    const rows = await tasks(cwd);
    expect([rows["t_1"]?.attempts, rows["t_6"]?.attempts]).toEqual([2, 1]);
  });
});

test("interrupted when all has ended anyway is no interruption", async () => {
  const command = "echo $$ >>pids; until [ -e go ]; do sleep 0.02; done";
  spec(cwd, { name: "w", tasks: [{ name: "only", command }] });
  const running = start(cwd, ["run", "workflow.yaml", "--json"]);
  await until("it runs", () => pids().length === 1 || null);
  running.kill("SIGINT");
  await Bun.write(join(cwd, "go"), "");
  const { code, stdout } = await running.result;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ succeeded: 1 });
});

test("a task in a terminal's foreground group does not get the Ctrl-C that is meant for holdall", async () => {
  const running = await startGated();
  const groups = pids().map((pid) => groupOf(pid));
  expect(groups).not.toContain(groupOf(running.pid));
  running.kill("SIGINT");
  await Bun.write(join(cwd, "go"), "");
  await running.result;
  expect(linesOf(join(cwd, "done"))).toHaveLength(2);
});

function groupOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
}

/** Processes whose command line holds a number of seconds that only this test sleeps. */
function sleepers(seconds: number): number[] {
  const found: number[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      if (words[0] === "sleep" && words[1] === String(seconds)) found.push(Number(name));
    } catch {
      // gone meanwhile
    }
  }
  return found.filter(isAlive);
}

describe.each(["default", "spawn"])("kill -9 with the executor %s", (executor) => {
  const env = executor === "default" ? {} : { HOLDALL_EXECUTOR: executor };

  test("no process of any attempt is left after 5 s", async () => {
    const seconds = 300 + Math.random();
    const list = [
      { name: "plain", command: ["sleep", String(seconds)] },
      { name: "shell", command: `sleep ${seconds}; true` },
      { name: "children", command: `sleep ${seconds} & sleep ${seconds} & wait` },
      { name: "deaf", command: `trap '' TERM HUP INT; sleep ${seconds}; true` },
      { name: "ended", command: `sleep ${seconds} & exit 0` },
    ];
    const running = start(
      cwd,
      ["run", spec(cwd, { name: "w", tasks: list }), "--max-parallel", "9"],
      {
        env,
      },
    );
    await until("all sleep", () => sleepers(seconds).length >= 5 || null);
    running.kill("SIGKILL");
    const killed = performance.now();
    expect((await running.result).signal).toBe("SIGKILL");
    await until("none is left", () => sleepers(seconds).length === 0 || null, 10_000);
    expect(performance.now() - killed).toBeLessThan(5000);
  });

  const setsid = requires("setsid", "apt-get install util-linux");
  test.skipIf(setsid)(
    "also those in sessions of their own are gone once it is run again",
    async () => {
      const seconds = 300 + Math.random();
      const command = `(setsid sh -c 'sleep ${seconds} & sleep ${seconds}' &) ; [ -e go ] || sleep ${seconds}`;
      const file = spec(cwd, { name: "w", tasks: [{ name: "daemon", command }] });
      const running = start(cwd, ["run", file], { env });
      await until("all sleep", () => sleepers(seconds).length === 3 || null);
      running.kill("SIGKILL");
      await running.result;
      // The launcher is their parent's parent and ends them at once; without it the next run does.
      if (executor === "default")
        await until("none is left", () => sleepers(seconds).length === 0 || null, 5000);
      else await until("the group is gone", () => sleepers(seconds).length <= 2 || null, 5000);

      spec(cwd, { name: "w", tasks: [{ name: "daemon", command: "true" }] });
      expect(await runReport(cwd, [file], { env })).toMatchObject({ code: 0, succeeded: 1 });
      expect(sleepers(seconds)).toEqual([]);
    },
  );
});

test("a state directory left by kill -9 answers at once, and says what was running", async () => {
  const running = await startGated();
  running.kill("SIGKILL");
  await running.result;
  const { code, stdout } = await run(cwd, ["status", "--json"]);
  expect(code).toBe(0);
  const status = JSON.parse(stdout);
  expect(status.tasks.succeeded).toBe(0);
  expect(Object.values<number>(status.tasks).reduce((sum, each) => sum + each)).toBe(6);
});
