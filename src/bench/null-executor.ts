/** An executor that executes nothing: every attempt ends at once, successfully. What remains is the dispatch path. */
import type { Executor, ExecutorEvents, Exit, Start } from "../worker/executor.ts";

export function createNullExecutor(events: ExecutorEvents): Executor {
  let waiting: Start[] = [];
  let scheduled = false;
  let closed = false;
  const end = (): void => {
    scheduled = false;
    if (closed) return;
    const batch = waiting;
    waiting = [];
    const startedMs = Date.now();
    events.exited(batch.map((start) => exitOf(start.id, startedMs)));
  };
  return {
    name: "null",
    environment: () => 1,
    width() {},
    start(batch) {
      for (const start of batch) waiting.push(start);
      if (scheduled) return;
      scheduled = true;
      setImmediate(end);
    },
    kill() {},
    drop() {},
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}

function exitOf(id: number, startedMs: number): Exit {
  return {
    id,
    exitCode: 0,
    signal: null,
    launchError: null,
    dropped: false,
    startedMs,
    wallUs: 0,
    userUs: 0,
    systemUs: 0,
    peakBytes: null,
  };
}
