/**
 * `bench spawn --server`: the commands of `bench spawn` through server and worker processes. Timed from the submission until the client
 * sees the end of the workflow; what the processes take to start is stated apart, because they are started once and not once a bag.
 */
import type { SpawnBenchOptions, SpawnBenchResult } from "../bench/spawn.ts";
import { floorRate } from "../bench/spawn.ts";
import { measurePairs, median } from "../bench/pairs.ts";
import { adhocWorkflow } from "../spec/index.ts";
import { poll, withProcesses } from "./bench-processes.ts";
import { awaitEnd } from "./bench-sockets.ts";
import { usage } from "./usage.ts";

export interface ServerSpawnResult extends Omit<SpawnBenchResult, "samples"> {
  server: true;
  workers: number;
  /** from exec of server and workers until all are connected, median */
  startup_seconds: number;
}

const CONNECT_LIMIT_MS = 20_000;
/** Often enough not to count in a run of seconds, and seldom enough not to keep the server busy. */
const LOOK_MS = 10;

export async function serverSpawnBench(
  options: SpawnBenchOptions & { workers: number },
): Promise<ServerSpawnResult> {
  const { tasks, slots, logs, workers } = options;
  if (workers > slots)
    throw usage(`${workers} workers cannot share ${slots} slots`, "give fewer --workers");
  const startups: number[] = [];
  const pairs = await measurePairs(
    options.pairs,
    async () => {
      const { rate, startupSeconds } = await serverRate(tasks, slots, workers, logs);
      startups.push(startupSeconds);
      options.note(`holdall ${Math.round(rate)}/s`);
      return rate;
    },
    async () => {
      const rate = await floorRate(tasks, slots);
      options.note(`floor   ${Math.round(rate)}/s`);
      return rate;
    },
  );
  return {
    tasks,
    slots,
    floor_per_second: median(pairs.b),
    run_per_second: median(pairs.a),
    ratio: pairs.ratio,
    logs,
    server: true,
    workers,
    startup_seconds: median(startups),
  };
}

async function serverRate(
  tasks: number,
  slots: number,
  workers: number,
  logs: boolean,
): Promise<{ rate: number; startupSeconds: number }> {
  return await withProcesses(async ({ folder, stateDir, startServer, spawn, client, end }) => {
    const starting = performance.now();
    const server = startServer();
    const api = await client(server);
    for (let i = 0; i < workers; i++) {
      // The first ones take what cannot be shared evenly.
      const cpus = Math.floor(slots / workers) + (i < slots % workers ? 1 : 0);
      spawn(["worker", "--quiet", "--state-dir", stateDir, "--cpus", String(cpus)]);
    }
    await poll(
      async () => ((await api.workers()).length === workers ? true : null),
      5,
      CONNECT_LIMIT_MS,
    );
    const started = performance.now();
    const keep = logs ? "capture" : "none";
    const { workflow_id } = await api.submit({
      definition: adhocWorkflow({ command: ["/bin/true"], cwd: folder, array: `1-${tasks}` }),
      stdout: keep,
      stderr: keep,
      output_dir: null,
      idempotency_key: null,
    });
    await awaitEnd(api, workflow_id, LOOK_MS);
    const seconds = (performance.now() - started) / 1000;
    await end();
    return { rate: tasks / seconds, startupSeconds: (started - starting) / 1000 };
  });
}
