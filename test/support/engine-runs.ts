// Runs of the real binary through another engine, as tests of all engines need them.

import { expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, linesOf, runReport, spec, start, tasks, until } from "./holdall.ts";
import { scratchDir } from "./scratch.ts";

export interface Process {
  pid: number;
  name: string;
}

/** Processes below one. What leaves its parents is not in it. */
export function below(pid: number): Process[] {
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
  return found.flatMap(({ pid: child, name }) => [{ pid: child, name }, ...below(child)]);
}

/** An engine that is started for a run, and how its end shows. */
export interface EngineUnderTest {
  name: "workqueue" | "ray" | "parsl" | "dask";
  /** beginning of the command line of the process that does the engine's work here: what a fault takes away */
  process: RegExp;
  /** what the error says of its end */
  says: string;
}

export const ENGINES_UNDER_TEST: Record<EngineUnderTest["name"], EngineUnderTest> = {
  workqueue: { name: "workqueue", process: /^work_queue_worker/, says: "signal 9" },
  ray: { name: "ray", process: /\/raylet /, says: "raylet ended" },
  parsl: { name: "parsl", process: /process_worker_pool\.py/, says: "process_worker_pool ended" },
  dask: { name: "dask", process: /dask_worker tcp:/, says: "Dask's worker ended" },
};

/** An engine that nobody ends takes at most this long to go. */
const GONE_MS = 10_000;
const START_MS = 100_000;

export interface Running {
  cwd: string;
  holdall: ReturnType<typeof start>;
  /** of the engine, its bridge and the tasks */
  all: Process[];
}

export const engineFlags = (engine: EngineUnderTest): string[] => [
  "--executor",
  engine.name,
  "--cpus",
  "2",
];

/** Two tasks that stay, and everything that runs for them. */
export async function startTwo(engine: EngineUnderTest): Promise<Running> {
  const cwd = scratchDir();
  const script = "echo $$ >> pids; sleep 600 & echo $! >> pids; wait";
  const document = {
    name: "long",
    tasks: [0, 1].map((i) => ({ name: `t${i}`, command: script })),
  };
  const holdall = start(cwd, ["run", spec(cwd, document), ...engineFlags(engine)]);
  await until("both tasks run", () => linesOf(join(cwd, "pids")).length === 4, START_MS);
  const pids = linesOf(join(cwd, "pids")).map(Number);
  for (const pid of pids) expect(isAlive(pid)).toBe(true);
  const all = [...below(holdall.pid), ...pids.map((pid) => ({ pid, name: "task" }))];
  expect(all.some(({ pid }) => engine.process.test(commandLine(pid)))).toBe(true);
  return { cwd, holdall, all };
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

export async function expectGone(all: readonly Process[]): Promise<void> {
  const left = (): Process[] => all.filter(({ pid }) => isAlive(pid));
  await until("nothing is left", () => left().length === 0, GONE_MS).catch(() => {});
  expect(left()).toEqual([]);
}

/** Ctrl-C once drains; a second one ends what runs. */
export async function interruptTwice(engine: EngineUnderTest): Promise<void> {
  const { holdall, all } = await startTwo(engine);
  holdall.kill("SIGINT");
  await Bun.sleep(50);
  holdall.kill("SIGINT");
  expect((await holdall.result).code).toBe(130);
  await expectGone(all);
}

/** Kills the engine, its bridge or what keeps watch of it, in the middle of a run. */
export async function killInTheMiddle(
  engine: EngineUnderTest,
  which: "engine" | "bridge" | "keeper",
): Promise<void> {
  const { cwd, holdall, all } = await startTwo(engine);
  // The kernel cuts names.
  const named = { bridge: `holdall-${engine.name}`.slice(0, 15), keeper: "holdall-keeper" };
  const victim = all.find(({ pid, name }) =>
    which === "engine" ? engine.process.test(commandLine(pid)) : name === named[which],
  );
  expect(victim).toBeDefined();
  process.kill(victim!.pid, "SIGKILL");
  const { code, stderr } = await holdall.result;
  expect(code).toBe(1);
  expect(stderr).toContain(`the ${engine.name} bridge`);
  if (which === "engine") expect(stderr).toContain(engine.says);
  await expectGone(all);
  const rows = await tasks(cwd);
  expect(Object.values(rows).map((row) => row.state)).toEqual(["ready", "ready"]);
}

/** A graph whose tasks end in every way there is. */
export async function runMixed(engine: EngineUnderTest): Promise<void> {
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
  const report = await runReport(cwd, [spec(cwd, document), ...engineFlags(engine)]);
  expect(report).toMatchObject({ code: 1, tasks: 8, succeeded: 2, failed: 5, skipped: 1 });
  const rows = await tasks(cwd);
  const outcomes = Object.fromEntries(
    Object.values(rows).map((row) => [row.name, `${row.attempts} ${row.outcome} ${row.exit_code}`]),
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
}
