/**
 * `bench dispatch --workers N`: `holdall serve` in a process of its own, N worker sessions over real sockets in a second one. Cpu and memory
 * are the server process's, as the kernel counts them.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type HoldallClient } from "../client/client.ts";
import { HoldallError } from "../core/error.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { type Access, readAccess } from "../server/access.ts";
import { adhocWorkflow } from "../spec/index.ts";
import type { DispatchResult } from "./bench-dispatch.ts";
import { selfCommand } from "./self.ts";

/** Runs first and is not counted: the compiler of the runtime warms up, the ledger has its first pages. */
const WARM_UP_TASKS = 100_000;
const START_LIMIT_MS = 20_000;
const CLOCK_TICKS_PER_SECOND = 100;

export async function socketBench(
  tasks: number,
  fsync: boolean,
  workers: number,
): Promise<DispatchResult> {
  const folder = mkdtempSync(join(tmpdir(), "holdall-bench-"));
  const stateDir = join(folder, "state");
  const accessFile = join(stateDir, "access.json");
  const self = selfCommand();
  const spawn = (...args: string[]): Bun.Subprocess =>
    Bun.spawn([...self, ...args], {
      cwd: folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
    });
  const server = spawn(
    "serve",
    "--quiet",
    "--state-dir",
    stateDir,
    ...(fsync ? [] : ["--no-fsync"]),
  );
  const processes = [server];
  try {
    const client = clientOf(await until(() => readAccess(accessFile), "the server", server));
    processes.push(
      spawn("bench", "null-workers", "--access", accessFile, "--sessions", String(workers)),
    );
    await until(
      async () => (await client.workers()).length === workers || null,
      "the workers",
      processes[1]!,
    );
    const warmUp = Math.min(WARM_UP_TASKS, tasks);
    await runBag(client, folder, warmUp);
    const cpuBefore = cpuSeconds(server.pid);
    const started = performance.now();
    const id = await runBag(client, folder, tasks);
    const seconds = (performance.now() - started) / 1000;
    const server_cpu_seconds = cpuSeconds(server.pid) - cpuBefore;
    const server_peak_rss_bytes = peakBytes(server.pid);
    for (const each of processes.reverse()) {
      each.kill("SIGTERM");
      await each.exited;
    }
    const ledger = openLedger(stateDir);
    const verified = ledger.countResults(id);
    ledger.close();
    if (verified !== tasks)
      throw new HoldallError("internal", `${verified} of ${tasks} results are in the ledger`);
    return {
      tasks,
      workers,
      tasks_per_second: tasks / seconds,
      server_cpu_seconds,
      server_peak_rss_bytes,
      fsync,
      verified,
    };
  } finally {
    for (const each of processes) each.kill("SIGKILL");
    await Promise.all(processes.map((each) => each.exited));
    rmSync(folder, { recursive: true, force: true });
  }
}

export function clientOf({ url, token }: Access): HoldallClient {
  return createClient({ baseUrl: url, token });
}

async function runBag(client: HoldallClient, cwd: string, tasks: number): Promise<number> {
  const definition = adhocWorkflow({ command: ["/bin/true"], cwd, array: `1-${tasks}` });
  const { workflow_id } = await client.submit({
    definition,
    stdout: "none",
    stderr: "none",
    output_dir: null,
    idempotency_key: null,
  });
  await awaitEnd(client, workflow_id, 10);
  return workflow_id;
}

/** Until all tasks have succeeded, as a client sees it. */
export async function awaitEnd(client: HoldallClient, id: number, everyMs: number): Promise<void> {
  for (;;) {
    const { state } = await client.workflow(id);
    if (state === "succeeded") return;
    if (state === "failed" || state === "canceled")
      throw new HoldallError("internal", `the workflow ended: ${state}`);
    await Bun.sleep(everyMs);
  }
}

export async function until<T>(
  look: () => T | null | Promise<T | null>,
  what: string,
  process: Bun.Subprocess,
): Promise<T> {
  const giveUpMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (process.exitCode !== null || performance.now() > giveUpMs)
      throw new HoldallError("unreachable", `${what} did not come up`);
    await Bun.sleep(10);
  }
}

/** User and system time, as in /proc/PID/stat. */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

export function peakBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
}
