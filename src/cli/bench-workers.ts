/** Several worker sessions in one process, with executors that execute nothing: the other end of `bench dispatch --workers`. */
import { hostname, tmpdir } from "node:os";
import { createNullExecutor } from "../bench/null-executor.ts";
import type { ExecutorEvents } from "../worker/executor.ts";
import { connectWorker, type RemoteWorker } from "../worker/remote.ts";
import { Worker } from "../worker/worker.ts";
import { accessFrom } from "./find-server.ts";
import type { Io } from "./io.ts";

export async function nullWorkers(accessFile: string, sessions: number, io: Io): Promise<void> {
  const { url, token } = accessFrom(accessFile);
  const workers = Array.from({ length: sessions }, () => nullWorker(url, token));
  const stop = (): void => {
    for (const each of workers) each.stop();
  };
  const releases = (["SIGINT", "SIGTERM"] as const).map((signal) => io.onSignal(signal, stop));
  await Promise.all(workers.map((each) => each.ended));
  for (const release of releases) release();
}

function nullWorker(url: string, token: string): RemoteWorker {
  let remote: RemoteWorker | null = null;
  const events: ExecutorEvents = {
    started: (...all) => remote?.worker.events.started(...all),
    output: (...all) => remote?.worker.events.output(...all),
    exited: (exits) => remote?.worker.events.exited(exits),
    failed: (error) => remote?.worker.events.failed(error),
  };
  const instance = crypto.randomUUID();
  remote = connectWorker({
    url,
    token,
    instance,
    // Nothing is written: nothing is printed.
    folder: tmpdir(),
    host: hostname(),
    pid: process.pid,
    offer: {
      cpus: 2,
      memoryBytes: 2 ** 30,
      diskBytes: 2 ** 30,
      gpus: 0,
      maxParallel: null,
      timeLimitSeconds: null,
      scheduler: null,
    },
    worker: (send) =>
      new Worker({
        executor: createNullExecutor(events),
        environment: {},
        mark: instance,
        now: Date.now,
        send,
      }),
    beats: "loop",
    firstConnectMs: 10_000,
    idleMs: null,
    note: () => {},
  });
  return remote;
}
