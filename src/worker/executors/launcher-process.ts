import type { Executor, ExecutorEvents, Exit } from "../executor.ts";
import { droppedExit, environmentEntries, refusal, signalGroup, signalNumber } from "./checked.ts";
import { createFrameReader, createFrameWriter, LAUNCHER_VERSION } from "./launcher-frames.ts";
import { openFilesLimit } from "./open-files-limit.ts";
import { createPools, type Pool } from "./pools.ts";

/**
 * Attempts that the launcher holds at most of a pool, beyond those that run: enough that the shortest commands
 * never wait for us (30 ms of `true`), few because a child starts with the launcher's own peak memory.
 */
const AHEAD = 128;
/** A launcher that does not end in this time has a child that cannot die (uninterruptible disk wait). */
const CLOSE_MS = 10_000;

/**
 * Runs attempts through the launcher at `binary`. Throws when it cannot be started.
 * Output bytes are a view on a buffer: whoever keeps them copies them.
 */
export function launchThroughProcess(binary: string, events: ExecutorEvents): Executor {
  const limit = openFilesLimit();
  const child = Bun.spawn(limit === null ? [binary] : [binary, String(limit)], {
    detached: true, // Ctrl-C in the first millisecond is not for it either
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
    env: {},
    cwd: "/",
  });
  const writer = createFrameWriter();
  const pools = createPools();
  /** process ids of attempts reported as started, to end them should the launcher die */
  const pids = new Map<number, number>();
  let exits: Exit[] = [];
  let environments = 0;
  let deferred = false;
  let closed = false;

  function flush(): void {
    if (deferred) return;
    const frames = writer.take();
    if (frames === null || closed) return;
    // Rejects when the launcher has died, which is noticed where its output ends.
    void Promise.resolve(child.stdin.write(frames)).catch(() => {});
    void Promise.resolve(child.stdin.flush()).catch(() => {});
  }
  function feed(pool: Pool): void {
    while (pool.handed < pool.width + AHEAD) {
      const next = pools.take(pool);
      if (next === undefined) return;
      writer.start(next, pool.index);
    }
  }
  /** Exits that the launcher does not know of are reported as its own are: later, in a batch. */
  function exitSoon(exit: Exit): void {
    queueMicrotask(() => {
      if (!closed) events.exited([exit]);
    });
  }

  const read = createFrameReader({
    hello(version) {
      if (version !== LAUNCHER_VERSION) throw new Error(`the launcher speaks version ${version}`);
    },
    started(id, pid, startedMs) {
      pids.set(id, pid);
      events.started(id, pid, startedMs);
    },
    output(id, stream, bytes) {
      events.output(id, stream, bytes);
    },
    exited(exit, index) {
      pids.delete(exit.id);
      exits.push(exit);
      const pool = pools.at(index);
      if (pool === undefined) return;
      pool.handed--;
      feed(pool);
    },
  });

  /** Everything in one chunk is one batch, both ways. */
  function receive(chunk: Uint8Array): void {
    deferred = true;
    try {
      read(chunk);
      const batch = exits;
      exits = [];
      if (batch.length > 0) events.exited(batch);
    } finally {
      deferred = false;
      flush();
    }
  }

  async function run(): Promise<void> {
    let reason: unknown = null;
    try {
      for await (const chunk of child.stdout) {
        if (closed) break;
        receive(chunk);
      }
    } catch (error) {
      reason = error;
    }
    if (closed) return;
    closed = true;
    if (reason !== null) await endLauncher(child);
    child.kill("SIGKILL");
    // Its leaders died with it (death signal); what they had started did not. Attempts younger than their report
    // are not known here: their mark is (see leftovers.ts).
    for (const pid of pids.values()) signalGroup(pid, "SIGKILL");
    await child.exited;
    const how = child.signalCode ?? `exit code ${child.exitCode}`;
    events.failed(
      reason instanceof Error ? reason : new Error(`the launcher ended unexpectedly (${how})`),
    );
  }
  const running = run();

  function signalAttempt(id: number, signal: number): void {
    if (pools.drop(id)) {
      exitSoon(droppedExit(id));
    } else {
      writer.kill(id, signal);
      flush();
    }
  }

  return {
    name: "launcher",
    environment(variables) {
      writer.environment(environments, environmentEntries(variables));
      return environments++;
    },
    width(number, width) {
      const pool = pools.get(number);
      if (pool.width === width) return;
      pool.width = width;
      writer.width(pool.index, width);
      feed(pool);
      flush();
    },
    start(batch) {
      for (const start of batch) {
        const refused = refusal(start);
        if (refused !== null) exitSoon(refused);
        else feed(pools.add(start));
      }
      flush();
    },
    kill(id, signal) {
      signalAttempt(id, signalNumber(signal));
    },
    drop(id) {
      signalAttempt(id, 0);
    },
    async close() {
      if (!closed) {
        closed = true;
        await endLauncher(child);
      }
      await running;
    },
  };
}

/** End of input is the order to kill everything; a stopped launcher could not follow it. */
async function endLauncher(child: Bun.Subprocess<"pipe", "pipe", "ignore">): Promise<void> {
  child.kill("SIGCONT");
  await Promise.resolve(child.stdin.end()).catch(() => {});
  const late = setTimeout(() => child.kill("SIGKILL"), CLOSE_MS);
  await child.exited;
  clearTimeout(late);
}
