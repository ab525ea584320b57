// `holdall serve` and its workers as processes of their own, for tests.

import { afterEach } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Options, type Running, start, until } from "./holdall.ts";

export interface Access {
  url: string;
  token: string;
}

export interface WorkerRow {
  worker_id: number;
  pid: number;
  state: string;
}

export interface Serving extends Running {
  access: Access;
  /** asks with the token */
  fetch(path: string, init?: { method?: string; body?: string }): Promise<Response>;
  workers(): Promise<WorkerRow[]>;
}

const running: Running[] = [];
/**
 * Kills every server and worker started here. A test file says `afterEach(endAll)` itself, because the hook below counts only for the first
 * file of a process that imports this one.
 */
export async function endAll(): Promise<void> {
  for (const each of running) {
    each.kill("SIGCONT");
    each.kill("SIGKILL");
  }
  await Promise.all(running.splice(0).map((each) => each.result));
}
afterEach(endAll);

export function readAccess(cwd: string, stateDir = ".holdall"): Access {
  return JSON.parse(readFileSync(resolve(cwd, stateDir, "access.json"), "utf8")) as Access;
}

/** Starts a server in `cwd` and waits until it answers. It is killed when the test ends. */
export async function serve(
  cwd: string,
  args: readonly string[] = [],
  { stateDir, ...options }: Options & { stateDir?: string } = {},
): Promise<Serving> {
  const process = start(cwd, ["serve", ...args], options);
  running.push(process);
  let ended: string | null = null;
  void process.result.then((result) => (ended = result.stderr));
  const access = await until("the server answers", async () => {
    if (ended !== null) throw new Error(`the server ended: ${ended}`);
    try {
      const found = readAccess(cwd, stateDir);
      return (await fetch(`${found.url}/healthz`)).ok ? found : null;
    } catch {
      return null;
    }
  });
  const ask = (path: string, init: { method?: string; body?: string } = {}): Promise<Response> =>
    fetch(`${access.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${access.token}` },
    });
  return {
    ...process,
    access,
    fetch: ask,
    workers: async () =>
      ((await (await ask("/api/v1/workers")).json()) as { workers: WorkerRow[] }).workers,
  };
}

/** Starts a worker; it is killed when the test ends. */
export function worker(cwd: string, args: readonly string[] = [], options: Options = {}): Running {
  const process = start(cwd, ["worker", ...args], options);
  running.push(process);
  return process;
}

/** Starts a worker and waits until the server has it. */
export async function connectedWorker(
  server: Serving,
  cwd: string,
  args: readonly string[] = [],
  options: Options = {},
): Promise<Running> {
  const process = worker(cwd, args, options);
  await untilConnected(server, process);
  return process;
}

export async function untilConnected(server: Serving, process: Running): Promise<void> {
  await until("the worker is connected", async () =>
    (await server.workers()).some((each) => each.pid === process.pid && each.state === "connected"),
  );
}
