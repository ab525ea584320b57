/** `bench idle`: what a server costs that has many workers and nothing to do. */
import { poll, withProcesses } from "./bench-processes.ts";
import { cpuSeconds, peakBytes } from "./bench-sockets.ts";

export interface IdleResult {
  workers: number;
  seconds: number;
  /** of one core */
  server_cpu_percent: number;
  server_rss_bytes: number;
  connect_seconds: number;
}

const LIMIT_MS = 60_000;

export async function idleBench(
  workers: number,
  perProcess: number,
  seconds: number,
): Promise<IdleResult> {
  return await withProcesses(async ({ startServer, startWorkers, client }) => {
    const server = startServer();
    const api = await client(server);
    const connecting = performance.now();
    for (let left = workers; left > 0; left -= perProcess) startWorkers(Math.min(left, perProcess));
    const connected = async (): Promise<number> =>
      (await api.workers()).filter(({ state }) => state === "connected").length;
    await poll(async () => ((await connected()) === workers ? true : null), 100, LIMIT_MS);
    const connectSeconds = (performance.now() - connecting) / 1000;
    const started = performance.now();
    const before = cpuSeconds(server.pid);
    await Bun.sleep(seconds * 1000);
    const cpu = cpuSeconds(server.pid) - before;
    const elapsed = (performance.now() - started) / 1000;
    if ((await connected()) !== workers)
      throw new Error("workers were lost while nothing happened");
    return {
      workers,
      seconds: elapsed,
      server_cpu_percent: (100 * cpu) / elapsed,
      server_rss_bytes: peakBytes(server.pid),
      connect_seconds: connectSeconds,
    };
  });
}
