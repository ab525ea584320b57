/**
 * `bench memory`: what a queued task costs the server. Two servers, each with one bag and no worker; memory is what the kernel counts for
 * the process (RSS) after a full garbage collection, and the difference is divided by the difference of tasks.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../core/error.ts";
import { readAccess } from "../server/access.ts";
import { bag } from "./bench-bags.ts";
import { clientOf, peakBytes, until } from "./bench-sockets.ts";
import type { Io } from "./io.ts";
import { selfCommand } from "./self.ts";
import { serve } from "./serve.ts";
import type { StateDir } from "./state-dir.ts";

export const MEMORY_SHAPES = ["array", "explicit"] as const;
export type MemoryShape = (typeof MEMORY_SHAPES)[number];

export interface MemoryResult {
  shape: MemoryShape;
  tasks: number;
  base_tasks: number;
  /** of the server with `tasks` queued, after a collection */
  rss_bytes: number;
  base_rss_bytes: number;
  bytes_per_task: number;
  /** of the server with `tasks`, the submission included */
  peak_rss_bytes: number;
  /** from sending the larger bag until it was acknowledged */
  accepted_seconds: number;
}

export async function memoryBench(
  shape: MemoryShape,
  tasks: number,
  baseTasks: number,
  note: (text: string) => void,
): Promise<MemoryResult> {
  const base = await queued(shape, baseTasks);
  note(`${baseTasks} tasks: ${base.rssBytes} bytes`);
  const all = await queued(shape, tasks);
  note(`${tasks} tasks: ${all.rssBytes} bytes`);
  return {
    shape,
    tasks,
    base_tasks: baseTasks,
    rss_bytes: all.rssBytes,
    base_rss_bytes: base.rssBytes,
    bytes_per_task: (all.rssBytes - base.rssBytes) / (tasks - baseTasks),
    peak_rss_bytes: all.peakBytes,
    accepted_seconds: all.acceptedSeconds,
  };
}

async function queued(
  shape: MemoryShape,
  tasks: number,
): Promise<{ rssBytes: number; peakBytes: number; acceptedSeconds: number }> {
  const folder = mkdtempSync(join(tmpdir(), "holdall-bench-"));
  const stateDir = join(folder, "state");
  mkdirSync(stateDir);
  const answer = Promise.withResolvers<number>();
  const server = Bun.spawn([...selfCommand(), "bench", "memory-server", "--state-dir", stateDir], {
    cwd: folder,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
    ipc: (message) => answer.resolve(Number(message)),
    onExit: () => answer.reject(new HoldallError("internal", "the server ended")),
  });
  answer.promise.catch(() => {});
  try {
    const access = await until(
      () => readAccess(join(stateDir, "access.json")),
      "the server",
      server,
    );
    const definition = bag(shape, tasks, folder);
    const started = performance.now();
    await clientOf(access).submit({
      definition,
      stdout: "none",
      stderr: "none",
      output_dir: null,
      idempotency_key: null,
    });
    const acceptedSeconds = (performance.now() - started) / 1000;
    server.send("memory");
    const rssBytes = await answer.promise;
    return { rssBytes, peakBytes: peakBytes(server.pid), acceptedSeconds };
  } finally {
    server.kill("SIGKILL");
    await server.exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The allocator gives pages back after a while, not at once. */
const SETTLE_MS = 1500;

/** The real server; asked by its parent, it collects its garbage and says what is left. */
export async function memoryServer(stateDir: StateDir, io: Io): Promise<number> {
  process.on("message", () => {
    Bun.gc(true);
    setTimeout(() => {
      Bun.gc(true);
      process.send?.(process.memoryUsage.rss());
    }, SETTLE_MS);
  });
  return await serve(
    {
      stateDir,
      port: null,
      host: undefined,
      access: undefined,
      heartbeatMs: undefined,
      fsync: true,
      acceptLoss: false,
      quiet: true,
    },
    io,
  );
}
