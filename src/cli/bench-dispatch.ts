/** `bench dispatch`: the product's own server, session, worker and ledger with an executor that executes nothing. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNullExecutor } from "../bench/null-executor.ts";
import { HoldallError } from "../core/error.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { adhocWorkflow } from "../spec/index.ts";
import { socketBench } from "./bench-sockets.ts";
import { startRun } from "./embedded.ts";

export interface DispatchResult {
  tasks: number;
  workers: number;
  tasks_per_second: number;
  server_cpu_seconds: number;
  server_peak_rss_bytes: number;
  fsync: boolean;
  verified: number;
}

export interface DispatchRequest {
  tasks: number;
  fsync: boolean;
  /** null: server and one worker in this process */
  workers: number | null;
}

export function dispatchBench(request: DispatchRequest): Promise<DispatchResult> {
  const { tasks, fsync, workers } = request;
  return workers === null ? embeddedBench(tasks, fsync) : socketBench(tasks, fsync, workers);
}

async function embeddedBench(tasks: number, fsync: boolean): Promise<DispatchResult> {
  const folder = mkdtempSync(join(tmpdir(), "holdall-bench-"));
  try {
    const stateDir = join(folder, "state");
    const definition = adhocWorkflow({
      command: ["/bin/true"],
      cwd: folder,
      array: `1-${tasks}`,
    });
    const cpuBefore = process.cpuUsage();
    const started = performance.now();
    const handle = await startRun(
      {
        stateDir,
        what: { kind: "definition", definition, adHoc: true },
        fresh: false,
        reuse: null,
        offer: {
          cpus: 2,
          memoryBytes: 2 ** 30,
          diskBytes: 2 ** 30,
          gpus: 0,
          maxParallel: null,
          timeLimitSeconds: null,
          scheduler: null,
        },
        outputDir: null,
        stdout: "none",
        stderr: "none",
        timeoutSeconds: null,
      },
      { fsync, openExecutor: async (events) => createNullExecutor(events) },
    );
    const { report } = await handle.done;
    const seconds = (performance.now() - started) / 1000;
    const cpu = process.cpuUsage(cpuBefore);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    const ledger = openLedger(stateDir);
    const verified = ledger.countResults(report.workflow_id);
    ledger.close();
    if (verified !== tasks)
      throw new HoldallError("internal", `${verified} of ${tasks} results are in the ledger`);
    return {
      tasks,
      workers: 1,
      tasks_per_second: tasks / seconds,
      server_cpu_seconds: (cpu.user + cpu.system) / 1e6,
      server_peak_rss_bytes: peakBytes,
      fsync,
      verified,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
