/** A worker process of a server: executor, worker and session. The sibling of embedded.ts. */
import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { Offer } from "../protocol/session.ts";
import { inheritedEnvironment } from "../worker/environment.ts";
import type { Executor, ExecutorEvents } from "../worker/executor.ts";
import type { EngineRequest } from "../worker/executors/engines.ts";
import { openExecutor } from "../worker/executors/index.ts";
import { isInJob, openInJob } from "../worker/job-end.ts";
import { connectWorker, type RemoteWorker } from "../worker/remote.ts";
import { Worker } from "../worker/worker.ts";

export interface RemoteWorkerRequest {
  url: string;
  token: string;
  offer: Offer;
  firstConnectMs: number;
  idleMs: number | null;
  note(text: string): void;
  /** attempts are handed to this engine */
  engine?: EngineRequest | undefined;
}

export interface RunningWorker {
  leave(): void;
  stop(): void;
  readonly held: number;
  /** how many ended here */
  readonly attempts: number;
  /** rejects when the server refuses it */
  readonly done: Promise<void>;
}

/** For tests: SIGUSR2 blocks the main loop for so many milliseconds. */
const BLOCK_VARIABLE = "HOLDALL_TEST_BLOCK_MS";

function blockOnSignal(): void {
  const blockMs = Number(process.env[BLOCK_VARIABLE] ?? 0);
  if (!(blockMs > 0)) return;
  process.on("SIGUSR2", () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
  });
}

export async function startRemoteWorker(request: RemoteWorkerRequest): Promise<RunningWorker> {
  blockOnSignal();
  const instance = crypto.randomUUID();
  const folder = mkdtempSync(join(tmpdir(), "holdall-worker-"));
  let remote: RemoteWorker | null = null;
  let attempts = 0;
  let failure: Error | null = null;
  const events: ExecutorEvents = {
    started: (...all) => remote?.worker.events.started(...all),
    output: (...all) => remote?.worker.events.output(...all),
    exited(exits) {
      for (const exit of exits) if (!exit.dropped) attempts++;
      remote?.worker.events.exited(exits);
    },
    failed(error) {
      // Without an executor there is nothing more to do here.
      failure = error;
      remote?.worker.events.failed(error);
      remote?.leave();
    },
  };
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  let told = false;
  process.once("SIGTERM", () => (told = true));
  const open = (to: ExecutorEvents): Promise<Executor> =>
    openExecutor(to, { stateDir: folder, engine: request.engine });
  const opening = isInJob(process.env) ? openInJob(events, open, () => told) : open(events);
  const executor = await opening.catch((error: unknown) => {
    clean();
    throw error;
  });
  const running = connectWorker({
    ...request,
    folder,
    instance,
    host: hostname(),
    pid: process.pid,
    worker: (send) =>
      new Worker({
        executor,
        environment: inheritedEnvironment(process.env),
        mark: instance,
        now: Date.now,
        ignoresResources: request.offer.maxParallel !== null,
        send,
      }),
  });
  remote = running;
  const close = async (): Promise<void> => {
    try {
      await running.ended;
    } finally {
      await executor.close();
      clean();
    }
    if (failure) throw failure;
  };
  const done = close();
  done.catch(() => {});
  return {
    leave: () => running.leave(),
    stop: () => running.stop(),
    get held() {
      return running.worker.held;
    },
    get attempts() {
      return attempts;
    },
    done,
  };
}
