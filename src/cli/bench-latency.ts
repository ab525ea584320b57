/**
 * `bench latency`: from the end of a task to the start of the one that waited for it, through server and worker processes.
 * Each task is `date +%s%N`, so what is measured holds besides our part the end of one process and the start of the next.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { HoldallError } from "../core/error.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { loadSpec } from "../spec/index.ts";
import { poll, withProcesses } from "./bench-processes.ts";

export interface LatencyResult {
  /** dependent tasks measured */
  steps: number;
  milliseconds: { p50: number; p95: number; max: number };
  /** the same with the tasks one after another in a shell loop: what the processes take by themselves */
  floor_milliseconds: { p50: number; p95: number; max: number };
}

/** The first steps warm the runtime up. */
const WARM_UP_STEPS = 50;
const LIMIT_MS = 120_000;

export async function latencyBench(steps: number): Promise<LatencyResult> {
  return await withProcesses(async ({ folder, stateDir, startServer, spawn, client }) => {
    const count = steps + WARM_UP_STEPS + 1;
    const tasks = Array.from({ length: count }, (_, i) => ({
      name: `t${i}`,
      command: ["date", "+%s%N"],
      ...(i === 0 ? {} : { depends_on: [`t${i - 1}`] }),
    }));
    writeFileSync(join(folder, "chain.json"), JSON.stringify({ name: "chain", tasks }));
    const server = startServer();
    const api = await client(server);
    const worker = spawn(["worker", "--quiet", "--state-dir", stateDir, "--cpus", "1"]);
    await poll(async () => ((await api.workers()).length === 1 ? true : null), 10, LIMIT_MS);
    const { workflow_id: id } = await api.submit({
      definition: loadSpec("chain.json", { cwd: folder }),
      stdout: "capture",
      stderr: "none",
      output_dir: null,
      idempotency_key: null,
    });
    await poll(
      async () => {
        const { state } = await api.workflow(id);
        if (state === "failed") throw new HoldallError("internal", "a task of the chain failed");
        return state === "succeeded" ? true : null;
      },
      200,
      LIMIT_MS,
    );
    for (const each of [worker, server]) {
      each.kill("SIGTERM");
      await each.exited;
    }
    const ledger = openLedger(stateDir);
    const times = tasks.map((_, task) =>
      BigInt(new TextDecoder().decode(ledger.output(id, task, 1)?.stdout ?? undefined).trim()),
    );
    ledger.close();
    const loop = `i=0; while [ $i -lt ${count} ]; do date +%s%N; i=$((i+1)); done`;
    const printed = Bun.spawnSync(["sh", "-c", loop]).stdout.toString().trim().split("\n");
    return {
      steps,
      milliseconds: spread(times),
      floor_milliseconds: spread(printed.map(BigInt)),
    };
  });
}

function spread(times: readonly bigint[]): LatencyResult["milliseconds"] {
  const gaps = times.slice(1).map((time, i) => Number(time - times[i]!) / 1e6);
  const sorted = gaps.slice(WARM_UP_STEPS).sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))]!;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
