/** A server and null workers as processes of their own in a folder of their own, for benchmarks that kill them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HoldallClient } from "../client/client.ts";
import { readAccess } from "../server/access.ts";
import { clientOf, until } from "./bench-sockets.ts";
import { selfCommand } from "./self.ts";

export interface BenchProcesses {
  folder: string;
  stateDir: string;
  /** `holdall ARGS`, ended with the benchmark */
  spawn(args: readonly string[]): Bun.Subprocess;
  startServer(): Bun.Subprocess;
  /** null workers, in one process */
  startWorkers(sessions: number): Bun.Subprocess;
  /** waits until the server of this folder has said where it listens */
  client(server: Bun.Subprocess): Promise<HoldallClient>;
  /** SIGTERM to all, the newest first, each awaited */
  end(): Promise<void>;
}

/** Whatever happens in `work`, no process and no folder is left. */
export async function withProcesses<T>(work: (tools: BenchProcesses) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "holdall-bench-"));
  const stateDir = join(folder, "state");
  const accessFile = join(stateDir, "access.json");
  const processes: Bun.Subprocess[] = [];
  function spawn(args: readonly string[]): Bun.Subprocess {
    const child = Bun.spawn([...selfCommand(), ...args], {
      cwd: folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
    });
    processes.push(child);
    return child;
  }
  try {
    return await work({
      folder,
      stateDir,
      spawn,
      startServer: () => spawn(["serve", "--quiet", "--state-dir", stateDir]),
      startWorkers: (sessions) =>
        spawn(["bench", "null-workers", "--access", accessFile, "--sessions", String(sessions)]),
      client: async (server) =>
        clientOf(await until(() => readAccess(accessFile), "the server", server)),
      async end() {
        for (const each of processes.toReversed()) {
          each.kill("SIGTERM");
          await each.exited;
        }
      },
    });
  } finally {
    for (const each of processes) each.kill("SIGKILL");
    await Promise.all(processes.map((each) => each.exited));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Looks every `everyMs` until there is an answer. */
export async function poll<T>(
  look: () => Promise<T | null>,
  everyMs: number,
  limitMs: number,
): Promise<T> {
  const giveUpMs = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() > giveUpMs) throw new Error(`nothing came in ${limitMs} ms`);
    await Bun.sleep(everyMs);
  }
}
