import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { HoldallError } from "../core/error.ts";
import type { Io } from "./io.ts";
import { shellWord } from "./output/summary.ts";

export const STATE_DIR_VARIABLE = "HOLDALL_STATE_DIR";
const DEFAULT_NAME = ".holdall";

export interface StateDir {
  /** absolute */
  path: string;
  /** who said so, for messages */
  from: string;
  /** " --state-dir D" when a command that we propose has to repeat it, else "" */
  flag: string;
  /** absolute: a server's access file named by the user; then the directory above does not matter */
  access?: string;
}

export const ACCESS_VARIABLE = "HOLDALL_ACCESS";

/**
 * Whom to ask: --access FILE, else --state-dir, else HOLDALL_ACCESS, else the state directory here. What was typed counts before
 * what the environment says.
 */
export function serverPlace(
  io: Pick<Io, "cwd" | "env">,
  flags: { access?: string | undefined; stateDir?: string | undefined },
): StateDir {
  const place = stateDirOf(io, flags.stateDir);
  if (flags.access !== undefined)
    return {
      ...place,
      access: resolve(io.cwd, flags.access),
      flag: ` --access ${shellWord(flags.access)}`,
    };
  const variable = io.env[ACCESS_VARIABLE] ?? "";
  if (flags.stateDir !== undefined || variable === "") return place;
  return { ...place, access: resolve(io.cwd, variable), flag: "" };
}

/** `--state-dir`, else HOLDALL_STATE_DIR, else `.holdall` in the current directory. */
export function stateDirOf(io: Pick<Io, "cwd" | "env">, flag: string | undefined): StateDir {
  if (flag !== undefined) {
    return {
      path: resolve(io.cwd, flag),
      from: "--state-dir",
      flag: ` --state-dir ${shellWord(flag)}`,
    };
  }
  const variable = io.env[STATE_DIR_VARIABLE] ?? "";
  if (variable !== "") {
    return { path: resolve(io.cwd, variable), from: STATE_DIR_VARIABLE, flag: "" };
  }
  return { path: resolve(io.cwd, DEFAULT_NAME), from: "the current directory", flag: "" };
}

/** Throws `not_found` unless there is a ledger: looking must not make one. */
export function requireStateDir(stateDir: StateDir): void {
  const { path, from } = stateDir;
  try {
    if (statSync(join(path, "ledger.db"), { throwIfNoEntry: false })) return;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (!/ENOTDIR/.test(why))
      throw new HoldallError("storage", `cannot look into the state directory ${path}: ${why}`, {
        fix: "make it readable for you, or give another --state-dir",
        cause: error,
      });
  }
  const what = existsSync(path) ? "holds no ledger" : "does not exist";
  throw new HoldallError("not_found", `no state directory: ${path} (from ${from}) ${what}`, {
    fix: `"holdall run SPEC" makes one here; for one elsewhere give --state-dir DIR or set ${STATE_DIR_VARIABLE}`,
  });
}
