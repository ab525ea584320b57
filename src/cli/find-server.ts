import { join } from "node:path";
import { ClientError, createClient, type HoldallClient } from "../client/client.ts";
import { HoldallError } from "../core/error.ts";
import { type Access, readAccess } from "../server/access.ts";
import { fromClientError } from "./connect.ts";
import type { CliContext } from "./context.ts";
import type { Io } from "./io.ts";
import { serverPlace } from "./state-dir.ts";

export interface ServerFlags {
  access?: string | undefined;
  stateDir?: string | undefined;
}

/** The server that a worker is to work for. Throws unreachable when there is no access file. */
export function findServer(io: Pick<Io, "cwd" | "env">, flags: ServerFlags): Access {
  const place = serverPlace(io, flags);
  return accessFrom(place.access ?? join(place.path, "access.json"));
}

/** What only a server can answer. Rejects with HoldallError. */
export async function askServer<T>(
  { io, connectDeps }: Pick<CliContext, "io" | "connectDeps">,
  flags: ServerFlags,
  question: (client: HoldallClient) => Promise<T>,
): Promise<T> {
  const { url, token } = findServer(io, flags);
  const fetch = (request: Request): Promise<Response> => connectDeps.fetch(request, null);
  try {
    return await question(createClient({ baseUrl: url, token, fetch }));
  } catch (error) {
    throw error instanceof ClientError ? fromClientError(error) : error;
  }
}

export function accessFrom(path: string): Access {
  const access = readAccess(path);
  if (access !== null) return access;
  throw new HoldallError("unreachable", `no server is known: ${path} is no access file`, {
    fix: "start one with `holdall serve`, or name its access file with --access or HOLDALL_ACCESS",
  });
}
