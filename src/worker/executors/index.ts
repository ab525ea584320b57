import { HoldallError } from "../../core/error.ts";
import type { Executor, ExecutorEvents } from "../executor.ts";
import type { EngineRequest } from "./engines.ts";
import { findLauncher } from "./launcher-binary.ts";
import { launchThroughProcess } from "./launcher-process.ts";
import { openEngine } from "./open-engine.ts";
import { spawnFromHere } from "./spawn-process.ts";

export const EXECUTOR_NAMES = ["launcher", "spawn"] as const;
export type ExecutorName = (typeof EXECUTOR_NAMES)[number];

export interface ExecutorOptions {
  /** absolute; the launcher of a compiled binary is written to its `bin` */
  stateDir: string;
  /** by default what HOLDALL_EXECUTOR says, else the launcher where there is one */
  name?: ExecutorName;
  /** attempts are handed to this engine instead */
  engine?: EngineRequest | undefined;
}

/** Throws HoldallError when the executor asked for does not exist or cannot be had here. */
export async function openExecutor(
  events: ExecutorEvents,
  options: ExecutorOptions,
): Promise<Executor> {
  if (options.engine) return openEngine(events, options.engine, options.stateDir);
  const name = options.name ?? namedInEnvironment();
  if (name === "spawn") return spawnFromHere(events);
  const launcher = await findLauncher(options.stateDir);
  if (launcher !== null) {
    try {
      return launchThroughProcess(launcher.path, events);
    } catch (error) {
      // Built for another machine, for instance.
      if (name === "launcher") throw unavailable(error);
    } finally {
      await launcher.release();
    }
  } else if (name === "launcher") {
    throw unavailable(undefined);
  }
  return spawnFromHere(events);
}

function namedInEnvironment(): ExecutorName | undefined {
  const value = process.env["HOLDALL_EXECUTOR"];
  if (value === undefined || value === "") return undefined;
  const name = EXECUTOR_NAMES.find((known) => known === value);
  if (name !== undefined) return name;
  throw new HoldallError("usage", `HOLDALL_EXECUTOR=${value} is not an executor`, {
    fix: `set it to ${EXECUTOR_NAMES.join(" or ")}, or unset it`,
  });
}

function unavailable(cause: unknown): HoldallError {
  return new HoldallError("not_found", "the launcher that HOLDALL_EXECUTOR asks for is not built", {
    fix: "install a C compiler and build it with `npm run build`, or unset HOLDALL_EXECUTOR",
    cause,
  });
}
