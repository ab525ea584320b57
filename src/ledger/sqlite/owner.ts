import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../../core/error.ts";

/**
 * Who has a state directory, for messages only: SQLite's lock decides. The file may be missing (full disk) or be left
 * over from a process that died.
 */
export interface Owner {
  pid: number;
  host: string;
  started_ms: number;
  command: string;
  holdall_version: string;
}

const FILE = "owner.json";
const COMMAND_LIMIT = 1000;

/** Writes owner.json; returns the function that removes it. Only the holder of the lock may call either. */
export function writeOwner(stateDir: string, holdallVersion: string): () => void {
  const owner: Owner = {
    pid: process.pid,
    host: hostname(),
    started_ms: Date.now(),
    command: process.argv.slice(1).join(" ").slice(0, COMMAND_LIMIT),
    holdall_version: holdallVersion,
  };
  const path = join(stateDir, FILE);
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(owner)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    rmSync(path, { force: true }); // better nothing than the name of a former owner
  }
  return () => {
    try {
      rmSync(path, { force: true });
      rmSync(`${path}.new`, { force: true });
    } catch {
      // a left-over owner.json blocks nobody
    }
  };
}

export function readOwner(stateDir: string): Owner | null {
  try {
    const owner = JSON.parse(readFileSync(join(stateDir, FILE), "utf8")) as Partial<Owner> | null;
    if (typeof owner?.pid !== "number" || typeof owner.host !== "string") return null;
    return {
      pid: owner.pid,
      host: owner.host,
      started_ms: owner.started_ms ?? 0,
      command: owner.command ?? "",
      holdall_version: owner.holdall_version ?? "",
    };
  } catch {
    return null;
  }
}

export function inUseError(stateDir: string): HoldallError {
  const owner = readOwner(stateDir);
  if (owner === null) {
    return new HoldallError("conflict", `${stateDir} is in use by another process`, {
      fix: "wait until it has ended, or give another --state-dir",
    });
  }
  const since = owner.started_ms > 0 ? ` since ${new Date(owner.started_ms).toISOString()}` : "";
  const where =
    owner.host === hostname() ? `kill ${owner.pid}` : `on ${owner.host}: kill ${owner.pid}`;
  return new HoldallError(
    "conflict",
    `${stateDir} is in use by process ${owner.pid} on host ${owner.host}${since}`,
    { fix: `wait until it has ended, end it (${where}), or give another --state-dir` },
  );
}
