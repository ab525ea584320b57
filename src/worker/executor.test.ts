import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { executorConformance } from "./executor.testsuite.ts";
import { openExecutor, type ExecutorName } from "./executors/index.ts";
import { findLauncher } from "./executors/launcher-binary.ts";
import { launchThroughProcess } from "./executors/launcher-process.ts";
import { childrenOf, openDescriptors, processStat, until, untilGone } from "./testing/processes.ts";
import { createBench, createRecorder } from "./testing/recorder.ts";

const stateDir = "/nonexistent";

executorConformance("launcher", (events) => openExecutor(events, { stateDir, name: "launcher" }), {
  peak: true,
  guardsStrays: true,
});
executorConformance("spawn", (events) => openExecutor(events, { stateDir, name: "spawn" }), {
  peak: false,
  guardsStrays: false,
});

/** The helper process of an executor opened by this process: launcher or guard. */
async function opened(name: ExecutorName) {
  const before = new Set(childrenOf(process.pid));
  const recorder = createRecorder();
  const executor = await openExecutor(recorder.events, { stateDir, name });
  const [helper = 0] = childrenOf(process.pid).filter((pid) => !before.has(pid));
  return { executor, recorder, helper, bench: createBench(executor, recorder) };
}

/** Starts scripts in another process; each prints the ids of its processes on one line. */
async function owner(name: ExecutorName, scripts: readonly string[]) {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "testing/executor-owner.ts"), name, ...scripts],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  const pids: number[] = [];
  let text = "";
  for await (const chunk of child.stdout) {
    text += Buffer.from(chunk).toString();
    if (text.split("\n").length > scripts.length) break;
  }
  pids.push(...text.trim().split(/\s+/).map(Number));
  return { child, pids };
}

const TREE = 'sleep 300 & a=$!; sh -c "trap \\"\\" TERM HUP; sleep 300" & echo $$ $a $!; wait';
const DOUBLE_FORK = "(setsid sh -c 'sleep 300 & echo $$ $!; wait' &) ; sleep 300";

for (const name of ["launcher", "spawn"] as const) {
  test(`${name}: kill -9 of the owner leaves no process of an attempt`, async () => {
    const scripts =
      name === "launcher"
        ? [TREE, DOUBLE_FORK, "setsid sleep 300 & echo $$ $!; wait"]
        : [TREE, TREE];
    const { child, pids } = await owner(name, scripts);
    expect(pids.length).toBeGreaterThanOrEqual(6);
    expect(pids.filter((pid) => processStat(pid) === null)).toEqual([]);
    const helpers = childrenOf(child.pid);
    child.kill("SIGKILL");
    await untilGone([...pids, ...helpers], 2000);
  });

  test(`${name}: descriptors do not leak`, async () => {
    const { executor, recorder, helper, bench } = await opened(name);
    await recorder.exit(bench.run(["/bin/true"]));
    const before = [openDescriptors("self"), openDescriptors(helper)] as const;
    const ids = Array.from({ length: 300 }, (_, i) =>
      bench.run(i % 3 === 0 ? ["/no/such"] : ["/bin/echo", "x"], { pool: i % 2 }),
    );
    await Promise.all(ids.map((id) => recorder.exit(id)));
    await until(
      () => openDescriptors("self") <= before[0] && openDescriptors(helper) <= before[1],
      "descriptors closed",
    );
    await executor.close();
  });
}

describe("launcher", () => {
  test("its own death ends the attempts and is reported", async () => {
    const { executor, recorder, helper, bench } = await opened("launcher");
    const id = bench.sh("sleep 300 & echo $!; wait");
    const pids = [await recorder.started(id), Number(await recorder.firstLine(id))];
    process.kill(helper, "SIGKILL");
    expect((await recorder.failed).message).toContain("SIGKILL");
    await untilGone(pids);
    expect(recorder.exits).toEqual([]);
    await executor.close();
  });

  test("attempts die with it when nobody is left to end them", async () => {
    const { child, pids } = await owner("launcher", ["echo $$; exec sleep 300"]);
    const helpers = childrenOf(child.pid);
    child.kill("SIGSTOP");
    for (const pid of helpers) process.kill(pid, "SIGKILL");
    try {
      await untilGone(pids);
    } finally {
      child.kill("SIGKILL"); // stopped, it would stay
    }
  });

  test("neither Ctrl-C nor SIGTERM reach it", async () => {
    const { executor, recorder, helper, bench } = await opened("launcher");
    await recorder.exit(bench.run(["/bin/true"]));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"]) process.kill(helper, signal);
    expect((await recorder.exit(bench.run(["/bin/true"]))).exitCode).toBe(0);
    const fields = readFileSync(`/proc/${helper}/stat`, "utf8").split(") ")[1]?.split(" ");
    expect(Number(fields?.[3])).toBe(helper); // its own session
    await executor.close();
  });

  test("a worker that does not read: tasks wait, memory stays small, nothing is lost", async () => {
    const { executor, recorder, helper, bench } = await opened("launcher");
    executor.width(1, 4);
    const size = 4 * 1024 * 1024;
    const ids = Array.from({ length: 8 }, () => bench.sh(`head -c ${size} /dev/zero`, { pool: 1 }));
    const quick = Array.from({ length: 50 }, () => bench.run(["/bin/echo", "x"], { pool: 2 }));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); // our loop stands still
    const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${helper}/status`, "utf8")) ?? [];
    expect(Number(kib)).toBeLessThan(4096);
    await Promise.all([...ids, ...quick].map((id) => recorder.exit(id)));
    for (const id of ids) expect(recorder.output(id, "stdout").length).toBe(size);
    for (const id of quick) expect(recorder.text(id)).toBe("x\n");
    await executor.close();
  });

  test("many at a time: its own limit of descriptors is raised, theirs is not", async () => {
    const recorder = createRecorder();
    const binary = (await findLauncher(stateDir))?.path ?? "";
    // 40 descriptors: too few for 30 attempts with two pipes each.
    const wrapper = join(mkdtempSync(join(tmpdir(), "holdall-limit-")), "launcher");
    writeFileSync(wrapper, `#!/bin/sh\nulimit -Sn 40\nexec ${binary}\n`, { mode: 0o755 });
    const executor = launchThroughProcess(wrapper, recorder.events);
    const bench = createBench(executor, recorder);
    executor.width(1, 30);
    const ids = Array.from({ length: 30 }, () =>
      bench.sh("echo; ulimit -Sn >&2; sleep 300", { pool: 1 }),
    );
    await Promise.all(ids.map((id) => recorder.started(id)));
    await Promise.all(ids.map((id) => recorder.firstLine(id)));
    for (const id of ids) executor.kill(id, "SIGKILL");
    for (const id of ids) expect((await recorder.exit(id)).signal).toBe(9);
    expect(new Set(ids.map((id) => recorder.text(id, "stderr")))).toEqual(new Set(["40\n"]));
    await executor.close();
    rmSync(dirname(wrapper), { recursive: true });
  });

  test("attempts get the limit of open files that we were started with", async () => {
    const helper = join(import.meta.dir, "testing/executor-owner.ts");
    // Bun raises its own limit to the hard one. The shell stays, so that its limit can be seen.
    const child = Bun.spawn(
      ["sh", "-c", `ulimit -Sn 300; "$0" "$1" launcher "ulimit -Sn"; :`, process.execPath, helper],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );
    const { value } = await child.stdout.getReader().read();
    expect(Buffer.from(value ?? []).toString()).toBe("300\n");
    for (const pid of childrenOf(child.pid)) process.kill(pid, "SIGKILL");
    await child.exited;
  });

  test("commands it cannot understand end it and its attempts", async () => {
    const binary = (await findLauncher(stateDir))?.path ?? "";
    for (const bytes of [
      [0, 0, 0, 0, 0],
      [1, 0, 0, 0, 99],
      [2, 0, 0, 0, 2, 1],
      [255, 255, 255, 255, 1],
    ]) {
      const child = Bun.spawn([binary], { stdin: "pipe", stdout: "ignore", stderr: "pipe" });
      await child.stdin.write(new Uint8Array(bytes));
      await child.stdin.flush();
      expect(await child.exited).toBe(2);
      expect(await child.stderr.text()).toBe("holdall-launcher: malformed command\n");
    }
  });
});
