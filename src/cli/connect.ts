/**
 * Who answers for a state directory: its owner over the Unix socket in it (or a loopback port where sockets do not
 * work), and when there is none, the same handlers inside this process.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { ClientError } from "../client/error.ts";
import { createClient, type HoldallClient } from "../client/client.ts";
import { ERROR_CODES, type ErrorCode, HoldallError, toHoldallError } from "../core/error.ts";
import { accessFrom } from "./find-server.ts";
import type { StateDir } from "./state-dir.ts";
import { requireStateDir } from "./state-dir.ts";

/** An owner that has just started may hold the lock and not listen yet: how long, and how often, we look again. */
const OWNER_WAIT_MS = 3_000;
const OWNER_RETRY_MS = 50;

/** STATE_DIR/owner.json */
export interface Owner {
  pid: number;
  host: string;
  started_ms: number;
  command: string;
  socket: string | null;
  /** loopback port, where sockets do not work; `token` opens it */
  url?: string;
  token?: string;
}

export interface Connection {
  client: HoldallClient;
  /** null: nobody works on this state directory */
  owner: Owner | null;
  close(): Promise<void>;
}

interface InProcess {
  fetch(request: Request): Promise<Response>;
  close(): Promise<void>;
}

/** What connecting needs of the world; tests give their own. */
export interface ConnectDeps {
  openInProcess(stateDir: string): InProcess | Promise<InProcess>;
  /** fetch over a Unix socket, or over TCP when `socket` is null */
  fetch(request: Request, socket: string | null): Promise<Response>;
  wait(ms: number): Promise<void>;
  now(): number;
}

export const realConnectDeps: ConnectDeps = {
  async openInProcess(stateDir) {
    const module = await import("../server/in-process.ts");
    return module.openInProcess(stateDir);
  },
  fetch: (request, socket) =>
    // A follow may wait for hours between two bytes: no time-out.
    fetch(request, socket === null ? { timeout: false } : { unix: socket, timeout: false }),
  wait: (ms) => Bun.sleep(ms),
  now: () => Date.now(),
};

/** Throws not_found (no state directory) and unreachable (an owner that does not answer). */
export async function connect(
  stateDir: StateDir,
  deps: ConnectDeps = realConnectDeps,
): Promise<Connection> {
  if (stateDir.access !== undefined) return toServer(stateDir.access, deps);
  requireStateDir(stateDir);
  const giveUpAt = deps.now() + OWNER_WAIT_MS;
  for (;;) {
    const owner = readOwner(stateDir.path);
    if (owner !== null) {
      const client = clientOf(owner, stateDir.path, deps);
      if (client !== null && (await client.healthy())) {
        return { client, owner, close: async () => {} };
      }
    }
    // Nobody answers: the lock, not the file, says whether somebody is there.
    try {
      const inside = await deps.openInProcess(stateDir.path);
      const client = createClient({ fetch: (request) => inside.fetch(request) });
      return { client, owner: null, close: () => inside.close() };
    } catch (thrown) {
      const error = toHoldallError(thrown);
      if (error.code !== "conflict") throw error;
      if (deps.now() >= giveUpAt) throw silentOwner(owner, stateDir.path, error);
    }
    await deps.wait(OWNER_RETRY_MS);
  }
}

/** A server anywhere; whether it answers shows with the first request. */
function toServer(path: string, deps: ConnectDeps): Connection {
  const { url, token } = accessFrom(path);
  const client = createClient({
    baseUrl: url,
    token,
    fetch: (request) => deps.fetch(request, null),
  });
  const owner: Owner = {
    pid: 0,
    host: new URL(url).host,
    started_ms: 0,
    command: "",
    socket: null,
  };
  return { client, owner: { ...owner, url }, close: async () => {} };
}

function clientOf(owner: Owner, stateDir: string, deps: ConnectDeps): HoldallClient | null {
  if (owner.socket !== null && owner.host === hostname()) {
    const { socket } = owner;
    return createClient({ fetch: (request) => deps.fetch(request, socket) });
  }
  if (owner.url === undefined) return null;
  return createClient({
    baseUrl: owner.url,
    token: owner.token ?? readToken(stateDir),
    fetch: (request) => deps.fetch(request, null),
  });
}

function silentOwner(owner: Owner | null, stateDir: string, cause: HoldallError): HoldallError {
  if (owner === null) return cause;
  const who = `process ${owner.pid} on ${owner.host} (${owner.command})`;
  if (owner.host !== hostname()) {
    return new HoldallError("unreachable", `${stateDir} is in use by ${who}`, {
      fix: `run this command on ${owner.host}`,
      cause,
    });
  }
  return new HoldallError("unreachable", `${who} has ${stateDir} and does not answer`, {
    fix: `try again; if it hangs, end it: kill ${owner.pid}`,
    cause,
  });
}

/** Who says to own a state directory; null when nobody does or the file is half written. */
export function readOwner(stateDir: string): Owner | null {
  const value = readJson(join(stateDir, "owner.json"));
  if (typeof value !== "object" || value === null) return null;
  const { pid, host, started_ms, command, socket, url, token } = value as Record<string, unknown>;
  if (typeof pid !== "number" || typeof host !== "string") return null;
  return {
    pid,
    host,
    started_ms: typeof started_ms === "number" ? started_ms : 0,
    command: typeof command === "string" ? command : "holdall",
    socket: typeof socket === "string" ? socket : null,
    ...(typeof url === "string" ? { url } : {}),
    ...(typeof token === "string" ? { token } : {}),
  };
}

/** Of a server, which keeps it apart from owner.json. */
function readToken(stateDir: string): string | null {
  const value = readJson(join(stateDir, "access.json"));
  if (typeof value !== "object" || value === null) return null;
  const { token } = value as { token?: unknown };
  return typeof token === "string" ? token : null;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}

/** A client's error with our codes, so that exit code and text are those of any other error. */
export function fromClientError(error: ClientError): HoldallError {
  const { file, line, column } = error;
  return new HoldallError(isErrorCode(error.code) ? error.code : "internal", error.message, {
    fix: error.fix ?? undefined,
    place: file === null ? undefined : { file, line: line ?? 1, column: column ?? 1 },
    cause: error,
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

/** Connects, does the work, disconnects; errors of the client become HoldallErrors. */
export async function withClient<T>(
  context: { readonly connectDeps: ConnectDeps },
  stateDir: StateDir,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(stateDir, context.connectDeps);
  try {
    return await work(connection);
  } catch (error) {
    throw error instanceof ClientError ? fromClientError(error) : error;
  } finally {
    await connection.close();
  }
}
