import { join } from "node:path";
import { HoldallError } from "../core/error.ts";
import { type Access, readAccess } from "../server/access.ts";
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

export function accessFrom(path: string): Access {
  const access = readAccess(path);
  if (access !== null) return access;
  throw new HoldallError("unreachable", `no server is known: ${path} is no access file`, {
    fix: "start one with `holdall serve`, or name its access file with --access or HOLDALL_ACCESS",
  });
}
