/** `holdall serve`: engine, HTTP API, worker sessions and the owner's socket around one state directory. */
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { HoldallError, toHoldallError } from "../core/error.ts";
import { hasWorkLeft } from "../core/tasks.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { createGuard, newToken, readAccess, writeAccess } from "./access.ts";
import { steadyNow } from "./clock.ts";
import { createClaimRoutes } from "./claim-routes.ts";
import { Engine } from "./engine.ts";
import { createAdditions } from "./additions.ts";
import { createHostBlocks } from "./host-blocks.ts";
import { bodyText, createApi, errorResponse } from "./http.ts";
import { listenOnOwnerSocket } from "./owner-socket.ts";
import { createSessions, type Sessions, type SocketData } from "./sessions.ts";
import { createSubmissions } from "./submissions.ts";

export interface ServeOptions {
  ledger: Ledger;
  stateDir: string;
  /** an address of this machine */
  host: string;
  /** null = the kept one, else any free one; 0 = the same */
  port: number | null;
  /** further places for the access file */
  accessFiles: readonly string[];
  heartbeatMs?: number | undefined;
  note(text: string): void;
}

export interface RunningServer {
  readonly url: string;
  readonly engine: Engine;
  readonly sessions: Sessions;
  /** workers keep their attempts and come back to the next server; the ledger stays open */
  close(): Promise<void>;
}

/** Above the largest document that anybody submits; below what would take the memory away. */
const BODY_LIMIT_BYTES: number = 2 ** 30;

/** Throws conflict when the port is taken. */
export function startServer(options: ServeOptions): RunningServer {
  const { ledger, stateDir, note } = options;
  const accessPath = join(stateDir, "access.json");
  const kept = readAccess(accessPath);
  const token = kept?.token ?? newToken();
  const engine = new Engine({ ledger, stateDir, now: steadyNow, wall: Date.now, serving: true });
  for (const row of ledger.workflows()) if (row.endedMs === null) engine.load(row.id, false);
  const sessions = createSessions({
    engine,
    note,
    ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
  });
  const api = createApi(engine, { stateDir });
  const submissions = createSubmissions(engine);
  const additions = createAdditions(engine);
  const polled = createClaimRoutes(engine);
  const hostBlocks = createHostBlocks(engine, steadyNow);
  const mayPass = createGuard(token);

  /** Everything behind the token. */
  async function answer(
    request: Request,
    keepOpen: (kept: Request) => void,
    from: string | null,
  ): Promise<Response> {
    const { pathname } = new URL(request.url);
    const claimed = polled.answer(request, from);
    if (claimed) return await claimed;
    try {
      if (pathname === "/api/v1/workflows" && request.method === "POST") {
        keepOpen(request);
        return await submissions.submit(request);
      }
      if (pathname === "/api/v1/workers" && request.method === "GET")
        return Response.json({ workers: sessions.workers() });
      const drain = /^\/api\/v1\/workers\/([^/]+)\/drain$/.exec(pathname);
      if (drain && request.method === "POST")
        return Response.json({ draining: sessions.drain(decodeURIComponent(drain[1]!)) });
      const hosts = /^\/api\/v1\/hosts\/(?:(blocked)|([^/]+)\/(block|unblock))$/.exec(pathname);
      if (hosts && request.method === (hosts[1] ? "GET" : "POST"))
        return hosts[1]
          ? Response.json({ hosts: hostBlocks.list() })
          : await changeHost(request, decodeURIComponent(hosts[2]!), hosts[3] === "block");
      const added = /^\/api\/v1\/workflows\/([^/]+)\/tasks$/.exec(pathname);
      if (added && request.method === "POST") {
        keepOpen(request);
        return await additions.add(request, takeUp(added[1]!));
      }
      const changed = /^\/api\/v1\/workflows\/([^/]+)\/(?:cancel|retry)$/.exec(pathname);
      if (changed && request.method === "POST") takeUp(changed[1]!);
    } catch (thrown) {
      return errorResponse(toHoldallError(thrown));
    }
    return await api(request, { keepOpen });
  }

  async function changeHost(request: Request, host: string, block: boolean): Promise<Response> {
    const { blockBody, parseBody } = await import("./bodies.ts");
    const text = await bodyText(request);
    if (text === null) throw new HoldallError("usage", "the request is larger than 16 MiB");
    const { seconds = null, reason = "" } = parseBody(blockBody, text);
    if (!block) hostBlocks.unblock(host);
    const result = block ? hostBlocks.block(host, seconds, reason) : { unblocked: host };
    await engine.whenDurable();
    return Response.json(result);
  }

  /** A workflow that has ended may have work again: then it has to be the engine's. */
  function takeUp(word: string): number | null {
    const id = word === "latest" ? ledger.workflows().at(-1)?.id : Number(word);
    if (id === undefined || !Number.isSafeInteger(id) || !ledger.workflow(id)) return null;
    if (!engine.tasks(id)) engine.load(id, false);
    return id;
  }

  const settings = {
    hostname: options.host,
    maxRequestBodySize: BODY_LIMIT_BYTES,
    idleTimeout: 60,
    fetch(request: Request, server: Bun.Server<SocketData>) {
      const { pathname } = new URL(request.url);
      if (pathname === "/healthz") return Response.json({ ok: true });
      if (!mayPass(request))
        return errorResponse(
          new HoldallError("unauthorized", "the token is missing or wrong", {
            fix: "send `Authorization: Bearer TOKEN` with the token of the server's access.json",
          }),
        );
      const upgraded = upgrade(request, server);
      if (upgraded !== null) return upgraded;
      const from = server.requestIP(request)?.address ?? null;
      return answer(request, (open) => server.timeout(open, 0), from);
    },
    websocket: sessions.websocket,
  };

  function upgrade(request: Request, server: Bun.Server<SocketData>): Response | undefined | null {
    try {
      return sessions.upgrade(request, server);
    } catch (thrown) {
      return errorResponse(toHoldallError(thrown));
    }
  }

  const server = listen(settings, options.port, kept && Number(new URL(kept.url).port), accessPath);
  const reached = reachable(options.host);
  const shown = reached.includes(":") ? `[${reached}]` : reached;
  const access = { url: `http://${shown}:${server.port}`, token };
  for (const path of [accessPath, ...options.accessFiles]) writeAccess(path, access);
  const socket = listenOnOwnerSocket(
    stateDir,
    Object.assign((request: Request) => answer(request, () => {}, null), {
      close: () => api.close(),
    }),
  );
  sessions.start();
  polled.claims.run();

  return {
    url: access.url,
    engine,
    sessions,
    async close() {
      sessions.stop();
      polled.claims.stop();
      await socket.close();
      // Closing connections without a word is what tells workers to come back.
      await server.stop(true);
      // On a full disk what is not durable was not acknowledged either: workers keep it for the next server.
      if (await engine.durableOrFull())
        for (const tasks of engine.core.workflows.values())
          if (!hasWorkLeft(tasks)) ledger.clearAssignments(tasks.workflow);
      engine.close();
      api.close();
    },
  };
}

/** A server that listens everywhere is told by an address that others can use. */
function reachable(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const family = host === "::" ? "IPv6" : "IPv4";
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address, internal, family: its } of addresses ?? [])
      if (!internal && its === family && !address.startsWith("fe80")) return address;
  return host === "::" ? "::1" : "127.0.0.1";
}

function listen(
  settings: Omit<Bun.Serve.Options<SocketData>, "port"> & { hostname: string },
  port: number | null,
  keptPort: number | null,
  accessPath: string,
): Bun.Server<SocketData> {
  const wanted = port || keptPort || 0;
  try {
    return Bun.serve({ ...settings, port: wanted } as Bun.Serve.Options<SocketData>);
  } catch (cause) {
    const error = cause as Error & { code?: string };
    if (error.code !== "EADDRINUSE" && wanted !== 0 && error.code !== "EACCES")
      throw new HoldallError("usage", `cannot listen on ${settings.hostname}: ${error.message}`, {
        fix: "give an address of this machine with --host",
        cause,
      });
    throw new HoldallError(
      "conflict",
      `port ${wanted} on ${settings.hostname} cannot be had: ${error.message}`,
      {
        fix:
          port || !keptPort
            ? "choose another one with --port, or --port 0 for any"
            : `end what uses it, or give another one with --port, or remove ${accessPath} (workers and scripts need the new file then)`,
        cause,
      },
    );
  }
}
