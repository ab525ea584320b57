import { statSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import type { Executor, ExecutorEvents, Exit, Start, Stream } from "../executor.ts";
import { droppedExit, environmentEntries, neverStarted, refusal, signalGroup } from "./checked.ts";
import { MARK_VARIABLE } from "../leftovers.ts";
import { startGuard } from "./guard.ts";
import { createPools, type Pool } from "./pools.ts";

/** How long output may still come after the leader's end while something outside its group holds the pipe. */
const DRAIN_MS = 50;
/** `started` is only for attempts that run longer than this. */
const REPORT_MS = 8;

type Child = Bun.Subprocess<"ignore", "pipe" | "ignore", "pipe" | "ignore">;

interface Attempt {
  id: number;
  child: Child;
  startedMs: number;
  startedAt: number;
  reported: boolean;
  /** settles when both streams have ended */
  drained: Promise<unknown>;
  readers: { cancel(): Promise<void> }[];
}

/**
 * Runs attempts as children of this process, where there is no launcher. Peak memory is not known (a child
 * begins with our own peak).
 */
export function spawnFromHere(events: ExecutorEvents): Executor {
  const guard = startGuard();
  const pools = createPools();
  const environments: Record<string, string>[] = [];
  let marked = false;
  const running = new Map<number, Attempt>();
  let exits: Exit[] = [];
  let reportTimer: ReturnType<typeof setTimeout> | null = null;
  let closed = false;

  function exited(exit: Exit): void {
    exits.push(exit);
    if (exits.length > 1) return;
    queueMicrotask(() => {
      const batch = exits;
      exits = [];
      if (!closed) events.exited(batch);
    });
  }

  function reportStarted(): void {
    reportTimer = null;
    const now = performance.now();
    let later = false;
    for (const attempt of running.values()) {
      if (attempt.reported) continue;
      if (now - attempt.startedAt < REPORT_MS - 1) {
        later = true;
        continue;
      }
      attempt.reported = true;
      events.started(attempt.id, attempt.child.pid, attempt.startedMs);
    }
    if (later) reportTimer = setTimeout(reportStarted, REPORT_MS);
  }

  function feed(pool: Pool): void {
    while (pool.handed < pool.width) {
      const next = pools.take(pool);
      if (next === undefined) return;
      const exit = launch(next, pool);
      if (exit === null) continue;
      pool.handed--;
      exited(exit);
    }
  }

  /** Null when it runs. */
  function launch(start: Start, pool: Pool): Exit | null {
    const env = { ...environments[start.environment] };
    for (const entry of start.extraEnv) {
      const equals = entry.indexOf("=");
      env[entry.slice(0, equals)] = entry.slice(equals + 1);
    }
    const value = env[MARK_VARIABLE];
    if (!marked && value !== undefined) {
      marked = true;
      guard.mark(`${MARK_VARIABLE}=${value}`);
    }
    const startedMs = Date.now();
    const startedAt = performance.now();
    const child = spawnAlongPath(start, env);
    if ("errno" in child) {
      return neverStarted(start, child.errno, child.step);
    }
    guard.add(child.pid);
    const attempt: Attempt = {
      id: start.id,
      child,
      startedMs,
      startedAt,
      reported: false,
      drained: Promise.resolve(),
      readers: [],
    };
    attempt.drained = Promise.all([
      pump(attempt, "stdout", child.stdout),
      pump(attempt, "stderr", child.stderr),
    ]);
    running.set(start.id, attempt);
    reportTimer ??= setTimeout(reportStarted, REPORT_MS);
    void child.exited.then(() => end(attempt, pool, performance.now() - startedAt));
    return null;
  }

  async function pump(
    attempt: Attempt,
    stream: Stream,
    source: ReadableStream<Uint8Array> | undefined,
  ): Promise<void> {
    if (source === undefined) return;
    const reader = source.getReader();
    attempt.readers.push(reader);
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!closed) events.output(attempt.id, stream, value);
    }
  }

  async function end(attempt: Attempt, pool: Pool, wallMs: number): Promise<void> {
    const { child } = attempt;
    // The number may have been given away in theory: numbers are handed out in a circle.
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // Nothing was left of the group.
    }
    guard.remove(child.pid);
    if (attempt.readers.length > 0) {
      await Promise.race([attempt.drained, Bun.sleep(DRAIN_MS)]);
      for (const reader of attempt.readers) void reader.cancel().catch(() => {});
    }
    running.delete(attempt.id);
    const usage = child.resourceUsage();
    exited({
      id: attempt.id,
      exitCode: child.signalCode === null ? child.exitCode : null,
      signal: signalOf(child),
      launchError: null,
      dropped: false,
      startedMs: attempt.startedMs,
      wallUs: Math.round(wallMs * 1000),
      userUs: Number(usage?.cpuTime.user ?? 0),
      systemUs: Number(usage?.cpuTime.system ?? 0),
      peakBytes: null,
    });
    pool.handed--;
    if (!closed) feed(pool);
  }

  return {
    name: "spawn",
    environment(variables) {
      environmentEntries(variables); // refuses the same as the launcher does
      return environments.push({ ...variables }) - 1;
    },
    width(number, width) {
      const pool = pools.get(number);
      pool.width = width;
      feed(pool);
    },
    start(batch) {
      for (const start of batch) {
        const refused = refusal(start);
        if (refused !== null) exited(refused);
        else feed(pools.add(start));
      }
    },
    kill(id, signal) {
      const attempt = running.get(id);
      if (attempt !== undefined) signalGroup(attempt.child.pid, signal);
      else if (pools.drop(id)) exited(droppedExit(id));
    },
    drop(id) {
      if (pools.drop(id)) exited(droppedExit(id));
    },
    async close() {
      closed = true;
      if (reportTimer !== null) clearTimeout(reportTimer);
      const children = [...running.values()].map((attempt) => attempt.child);
      await guard.close();
      await Promise.all(children.map((child) => child.exited));
    },
  };
}

/** Bun names a signal, or gives the number of one without a name. */
function signalOf(child: Child): number | null {
  const code: string | number | null = child.signalCode;
  if (code === null || typeof code === "number") return code;
  return new Map<string, number>(Object.entries(constants.signals)).get(code) ?? null;
}

interface SpawnFailure {
  errno: string;
  step: "chdir" | "execve";
}

/** As execvp(3), along the PATH of the attempt. */
function spawnAlongPath(start: Start, env: Record<string, string>): Child | SpawnFailure {
  try {
    if (!statSync(start.cwd).isDirectory()) return { errno: "ENOTDIR", step: "chdir" };
  } catch (error) {
    return { errno: errnoOf(error), step: "chdir" };
  }
  const name = start.argv[0] ?? "";
  const folders = name.includes("/") ? [start.cwd] : (env["PATH"] ?? "/bin:/usr/bin").split(":");
  let failure = "ENOENT";
  for (const folder of folders) {
    const path = name.startsWith("/") ? name : join(resolve(start.cwd, folder), name);
    try {
      return spawnFile(path, start, env);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== "ENOENT" && errno !== "ENOTDIR") failure = errno;
      if (failure !== "ENOENT" && failure !== "EACCES") break;
    }
  }
  return { errno: failure, step: "execve" };
}

function spawnFile(path: string, start: Start, env: Record<string, string>): Child {
  const options = {
    cwd: start.cwd,
    env,
    detached: true,
    stdin: "ignore",
    stdout: start.captureStdout ? "pipe" : "ignore",
    stderr: start.captureStderr ? "pipe" : "ignore",
  } as const;
  const [name = "", ...rest] = start.argv;
  try {
    return Bun.spawn([path, ...rest], { ...options, argv0: name });
  } catch (error) {
    if (errnoOf(error) !== "ENOEXEC") throw error;
    return Bun.spawn(["/bin/sh", path, ...rest], options); // a script without #!
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "EINVAL";
}
