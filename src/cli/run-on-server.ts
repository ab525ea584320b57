/** `run ID` where a server owns the state directory: this process becomes one of its workers until the workflow has ended. */
import { join } from "node:path";
import { createClient, type HoldallClient } from "../client/client.ts";
import type { WorkflowStatus } from "../protocol/api.ts";
import { HoldallError } from "../core/error.ts";
import { readAccess } from "../server/access.ts";
import type { EngineRequest } from "../worker/executors/engines.ts";
import type { ConnectDeps } from "./connect.ts";
import type { RunHandle, RunOutcome, RunRequest } from "./embedded-types.ts";
import { workLeft } from "./output/summary.ts";
import { startRemoteWorker } from "./remote-worker.ts";
import type { StateDir } from "./state-dir.ts";

const LOOK_MS = 100;
const FIRST_CONNECT_MS = 5000;

export interface ServerOfWorkflow {
  url: string;
  token: string;
  client: HoldallClient;
}

/** The server that owns a state directory and answers, or null. */
export async function serverOf(
  stateDir: string,
  deps: ConnectDeps,
): Promise<ServerOfWorkflow | null> {
  const access = readAccess(join(stateDir, "access.json"));
  if (access === null) return null;
  const client = createClient({
    baseUrl: access.url,
    token: access.token,
    fetch: (request) => deps.fetch(request, null),
  });
  try {
    // Not /healthz: whatever took the port of a server that is gone must not pass for it.
    await client.workers();
    return { ...access, client };
  } catch {
    return null;
  }
}

/** A conflict with a server has another way out than one with a run. */
export async function ownedByServer(
  error: unknown,
  stateDir: StateDir,
  deps: ConnectDeps,
): Promise<unknown> {
  if (!(error instanceof HoldallError) || error.code !== "conflict") return error;
  const server = await serverOf(stateDir.path, deps);
  if (server === null) return error;
  return new HoldallError("conflict", `${stateDir.path} is in use by the server at ${server.url}`, {
    fix: `give it the workflow: holdall submit${stateDir.flag} …; or run it in another --state-dir`,
    cause: error,
  });
}

/** Failed, skipped and canceled tasks run again, as with `run ID` without a server. Throws not_found. */
export async function runOnServer(
  { url, token, client }: ServerOfWorkflow,
  id: number,
  request: RunRequest,
  note: (text: string) => void,
  engine?: EngineRequest,
): Promise<RunHandle> {
  const startedMs = Date.now();
  let status = await client.workflow(id);
  const cached = status.tasks.succeeded;
  await client.retry(id, {});
  let end: RunOutcome["end"] = "finished";
  const worker = await startRemoteWorker({
    url,
    token,
    offer: request.offer,
    firstConnectMs: FIRST_CONNECT_MS,
    idleMs: null,
    note,
    engine,
  });
  const ended = Promise.withResolvers<void>();
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      status = await client.workflow(id);
      if (left(status) === 0) ended.resolve();
    } catch {
      // The server is being restarted: the worker waits for it, and so do we.
    } finally {
      looking = false;
    }
  };
  const timers = [setInterval(() => void look(), LOOK_MS)];
  if (request.timeoutSeconds !== null)
    timers.push(
      setTimeout(() => {
        end = "timeout";
        worker.stop();
      }, request.timeoutSeconds * 1000),
    );
  const finish = async (): Promise<RunOutcome> => {
    try {
      await Promise.race([ended.promise, worker.done]);
      worker.leave();
      await worker.done;
    } finally {
      for (const timer of timers) clearInterval(timer);
    }
    const summary = await client.summary(id);
    status = summary.status;
    const { succeeded, failed, canceled, skipped } = status.tasks;
    const wallSeconds = (Date.now() - startedMs) / 1000;
    const report = {
      workflow_id: id,
      name: status.name,
      tasks: total(status),
      succeeded,
      failed,
      canceled,
      skipped,
      cached,
      attempts: worker.attempts,
      wall_seconds: wallSeconds,
      tasks_per_second: Math.round((worker.attempts / Math.max(wallSeconds, 1e-6)) * 1000) / 1000,
    };
    return { report, summary, end: workLeft(report) === 0 ? "finished" : end };
  };
  const done = finish();
  done.catch(() => {});
  return {
    plan: null,
    progress: () => ({
      workflowId: id,
      name: status.name,
      total: total(status),
      counts: status.tasks,
      cached,
      attempts: worker.attempts,
      startedMs,
    }),
    drain() {
      end = "interrupted";
      worker.leave();
    },
    stop() {
      end = "stopped";
      worker.stop();
    },
    done,
  };
}

function total({ tasks }: WorkflowStatus): number {
  return Object.values(tasks as unknown as Record<string, number>).reduce((sum, n) => sum + n, 0);
}

function left({ tasks }: WorkflowStatus): number {
  return tasks.blocked + tasks.ready + tasks.assigned + tasks.running;
}
