/** `bench recovery`: a server is killed with half of its tasks done; how soon does its successor serve, and what runs twice? */
import { HoldallError } from "../core/error.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { bag, type BagShape } from "./bench-bags.ts";
import { poll, withProcesses } from "./bench-processes.ts";
import { cpuSeconds, peakBytes } from "./bench-sockets.ts";

export interface RecoveryResult {
  shape: BagShape;
  tasks: number;
  workers: number;
  /** accepted when the server was killed, at least */
  done_before: number;
  /** from exec of the new server until /healthz answers */
  restart_seconds: number;
  /** from exec of the new server until a task was done that had not been handed out before */
  dispatch_seconds: number;
  /** of the new server until then */
  restart_cpu_seconds: number;
  restart_rss_bytes: number;
  /** attempts that ended without being accepted, and accepted ones that were not the first */
  attempts_rerun: number;
  verified: number;
}

const LIMIT_MS = 120_000;

export async function recoveryBench(
  tasks: number,
  workers: number,
  shape: BagShape = "array",
): Promise<RecoveryResult> {
  return await withProcesses(async ({ folder, stateDir, startServer, startWorkers, client }) => {
    const first = startServer();
    const before = await client(first);
    startWorkers(workers);
    await poll(
      async () => ((await before.workers()).length === workers ? true : null),
      10,
      LIMIT_MS,
    );
    const { workflow_id: id } = await before.submit({
      definition: bag(shape, tasks, folder),
      stdout: "none",
      stderr: "none",
      output_dir: null,
      idempotency_key: null,
    });
    const doneBefore = await poll(
      async () => {
        const { succeeded } = (await before.workflow(id)).tasks;
        return succeeded >= tasks / 2 ? succeeded : null;
      },
      2,
      LIMIT_MS,
    );
    first.kill("SIGKILL");
    await first.exited;

    const started = performance.now();
    const second = startServer();
    const after = await client(second);
    await poll(async () => ((await after.healthy().catch(() => false)) ? true : null), 2, LIMIT_MS);
    const restartSeconds = (performance.now() - started) / 1000;
    const cpu = cpuSeconds(second.pid);
    const rss = peakBytes(second.pid);
    const atOnce = (await after.workflow(id)).tasks;
    const known = atOnce.succeeded + atOnce.assigned + atOnce.running;
    await poll(
      async () =>
        (await after.workflow(id)).tasks.succeeded > Math.min(known, tasks - 1) ? true : null,
      2,
      LIMIT_MS,
    );
    const dispatchSeconds = (performance.now() - started) / 1000;
    await poll(
      async () => ((await after.workflow(id)).state === "succeeded" ? true : null),
      20,
      LIMIT_MS,
    );
    second.kill("SIGTERM");
    await second.exited;

    const ledger = openLedger(stateDir);
    try {
      const verified = ledger.countResults(id);
      let rerun = 0;
      const history = ledger.history(id);
      for (const _ of history.attempts) rerun++;
      for (const [, attempt] of history.results) if (attempt > 1) rerun++;
      if (verified !== tasks)
        throw new HoldallError("internal", `${verified} of ${tasks} results are in the ledger`);
      return {
        shape,
        tasks,
        workers,
        done_before: doneBefore,
        restart_seconds: restartSeconds,
        dispatch_seconds: dispatchSeconds,
        restart_cpu_seconds: cpu,
        restart_rss_bytes: rss,
        attempts_rerun: rerun,
        verified,
      };
    } finally {
      ledger.close();
    }
  });
}
